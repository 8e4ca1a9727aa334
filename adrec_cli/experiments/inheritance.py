"""Options that a training takes from the checkpoint it starts from."""

from __future__ import annotations

from typing import Any

from adrec_cli.errors import ArtifactError, UsageError
from adrec_cli.experiments.experiment import compose
from adrec_cli.loading.opening import Checkpoint, require_same_weights
from adrec_cli.loading.registered import require_trainable
from adrec_cli.models.registry import find_model


def inherit_options(checkpoint: Checkpoint) -> dict[str, Any]:
    """Return the tables of options a checkpoint was trained with, in the form `compose` reads.

    Raises:
        ArtifactError: nothing can have been trained with them.
    """
    require_trainable(checkpoint.path, checkpoint.metadata)
    tables = {"model": checkpoint.metadata.config, **checkpoint.metadata.training}
    try:
        described = compose(checkpoint.metadata.model, inherited=tables).model
        outline = find_model(checkpoint.metadata.model).outline(described, checkpoint.metadata.item_count)
        require_same_weights(checkpoint.tensors, outline.state_dict())
    except (UsageError, ArtifactError) as error:
        raise ArtifactError(
            f"{checkpoint.path} has invalid metadata: {error.message}", hint="train it again"
        ) from error
    return tables
