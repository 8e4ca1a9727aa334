"""What a model's training took, from the logs of its stages."""

from __future__ import annotations

from adrec_cli.artifacts.atomic import find_sha256
from adrec_cli.artifacts.checkpoint_metadata import read_metadata
from adrec_cli.artifacts.training_log import TrainingCosts, stage_costs
from adrec_cli.loading.opening import Checkpoint
from adrec_cli.models.registry import find_facts
from adrec_cli.schema import CHECKPOINT_SUFFIX


def sum_training_costs(checkpoint: Checkpoint) -> TrainingCosts | None:
    """Return the costs of a checkpoint's stage and of those before it; None where a log is missing.

    A model that went on from another one has only the costs since then.
    """
    path, metadata = checkpoint.path, checkpoint.metadata
    total = TrainingCosts(epochs=0, seconds=0.0, processor_seconds=0.0)
    while True:
        costs = stage_costs(path, metadata)
        if costs is None:
            return None
        total = total.plus(costs)
        stages = list(find_facts(metadata.model).stages)
        earlier = [path.with_name(f"{name}{CHECKPOINT_SUFFIX}") for name in stages[: stages.index(metadata.stage)]]
        if not (metadata.parent_sha256 and earlier):
            return total
        parents = [other for other in earlier if find_sha256(other) == metadata.parent_sha256]
        if not parents:
            return None
        path, metadata = parents[0], read_metadata(parents[0])
