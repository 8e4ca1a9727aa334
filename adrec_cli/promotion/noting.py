"""Notes what a night left, with what has drifted since the one before."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from typing import Any

from adrec_cli.artifacts.evaluation import Evaluation
from adrec_cli.artifacts.json_files import read_json_object
from adrec_cli.artifacts.nights import NOT_PROMOTED, PROMOTED, Drift, Night, note_night, read_nights
from adrec_cli.errors import ArtifactError
from adrec_cli.loading.opening import Checkpoint, Dataset
from adrec_cli.promotion.comparison import HEADLINES
from adrec_cli.promotion.drift_warnings import warn_of_drift
from adrec_cli.promotion.promote import decision_path


def note(dataset: Dataset, checkpoint: Checkpoint, evaluation: Evaluation, *, promoted: bool) -> Drift | None:
    """Note a night in the model's folder, once; the caller holds the model's lock.

    Args:
        dataset, checkpoint: of the night.
        evaluation: of the checkpoint on test.
        promoted: the checkpoint is current now.

    Returns:
        how it differs from the nights before; None for the first one.

    Raises:
        ArtifactError: what is noted of other nights is damaged; nothing is written.
        StorageError: the file system refused.
    """
    folder = dataset.folder / checkpoint.metadata.model
    night = _describe(dataset, checkpoint, evaluation, promoted=promoted)
    nights = read_nights(folder)
    if nights and nights[-1].is_of(night):
        return nights[-1].drift
    # Only here, where there is a night to note: it loads Polars.
    from adrec_cli.promotion.drift import measure_drift

    night = dataclasses.replace(night, drift=measure_drift(dataset, night, nights))
    note_night(folder, night)
    return night.drift


def note_with_warnings(
    dataset: Dataset, checkpoint: Checkpoint, evaluation: Evaluation, *, promoted: bool, threshold: float
) -> tuple[Drift | None, list[str]]:
    """Note a night, as `note` does, and return the drift with what to warn of; damaged notes spoil no night.

    Args:
        dataset, checkpoint, evaluation, promoted: of the night.
        threshold: as `warn_of_drift`.
    """
    try:
        drift = note(dataset, checkpoint, evaluation, promoted=promoted)
    except ArtifactError as error:
        return None, [f"this night is not noted: {error.message}; {error.hint}"]
    return drift, warn_of_drift(drift, threshold)


def _describe(dataset: Dataset, checkpoint: Checkpoint, evaluation: Evaluation, *, promoted: bool) -> Night:
    manifest, metrics = dataset.manifest, checkpoint.metadata.metrics
    monitor = metrics["monitor"]
    shown = [name for name in HEADLINES if name in evaluation.metrics]
    return Night(
        noted_at=datetime.now(UTC).isoformat(timespec="seconds"),
        outcome=PROMOTED if promoted else NOT_PROMOTED,
        checkpoint_sha256=checkpoint.sha256,
        sequences_sha256=manifest.sequences_sha256,
        generation=manifest.generation,
        users=manifest.statistics["users"],
        items=manifest.statistics["items"],
        interactions=manifest.statistics["interactions"],
        monitor=monitor,
        protocol=metrics["protocol"],
        value=metrics["values"].get(monitor),
        test_protocol=evaluation.protocol,
        metrics={name: [evaluation.metrics[name], *evaluation.intervals[name]] for name in shown},
        rules=_read_rules(dataset, checkpoint),
    )


def _read_rules(dataset: Dataset, checkpoint: Checkpoint) -> list[dict[str, Any]]:
    """Return what the rules of the promotion found, if they judged this checkpoint."""
    path = decision_path(dataset, checkpoint.metadata.model)
    if not path.is_file():
        return []
    content = read_json_object(path, hint=f"remove {path}: it only tells of the last decision")
    if content.get("checkpoint_sha256") != checkpoint.sha256:
        return []
    keys = ("rule", "against", "metric", "protocol", "candidate", "current", "difference", "low", "high", "users")
    rules = content.get("rules")
    if not isinstance(rules, list) or not all(isinstance(rule, dict) for rule in rules):
        raise ArtifactError(f"{path} is not a decision of adrec", hint=f"remove {path}")
    return [{key: rule.get(key) for key in keys} for rule in rules]
