"""The log of a stage's epochs, one JSON object a line beside its checkpoint."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from adrec_cli.artifacts.checkpoint_metadata import CheckpointMetadata


@dataclass(frozen=True, kw_only=True)
class TrainingCosts:
    """What a training took.

    Attributes:
        epochs: that were run.
        seconds: wall time, validation included.
        processor_seconds: of all threads; None where a log of an earlier version does not tell.
    """

    epochs: int
    seconds: float
    processor_seconds: float | None

    def plus(self, other: TrainingCosts) -> TrainingCosts:
        """Return the costs of both."""
        told = None
        if self.processor_seconds is not None and other.processor_seconds is not None:
            told = self.processor_seconds + other.processor_seconds
        return TrainingCosts(
            epochs=self.epochs + other.epochs, seconds=self.seconds + other.seconds, processor_seconds=told
        )


def stage_costs(checkpoint: Path, metadata: CheckpointMetadata) -> TrainingCosts | None:
    """Return what a stage's epochs took; None where its log is missing or of another training.

    Args:
        checkpoint: whose log lies beside it.
        metadata: of that checkpoint.
    """
    try:
        rows = [json.loads(line) for line in checkpoint.with_suffix(".jsonl").read_text().splitlines()]
        kept = {row["epoch"]: row for row in rows}[metadata.epoch]
        # A training that was stopped later leaves its own log beside the older checkpoint.
        if kept["valid"] != metadata.metrics["values"]:
            return None
        told = all("processor_seconds" in row for row in rows)
        return TrainingCosts(
            epochs=len(rows),
            seconds=float(sum(row["seconds"] for row in rows)),
            processor_seconds=float(sum(row["processor_seconds"] for row in rows)) if told else None,
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
