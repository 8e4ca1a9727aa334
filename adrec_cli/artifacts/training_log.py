"""The log of a stage's epochs, one JSON object a line beside its checkpoint."""

from __future__ import annotations

import json
from pathlib import Path

from adrec_cli.artifacts.checkpoint import CheckpointMetadata


def epoch_seconds(checkpoint: Path, metadata: CheckpointMetadata) -> float | None:
    """Return how long a stage's epochs took, validation included; None where its log is missing or of another training.

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
        return float(sum(row["seconds"] for row in rows))
    except (OSError, ValueError, KeyError, TypeError):
        return None
