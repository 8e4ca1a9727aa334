"""Where the options of a training come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from adrec_cli.errors import ArtifactError, UsageError
from adrec_cli.experiments.experiment import Experiment, compose, find_recipe
from adrec_cli.loading.opening import (
    Checkpoint,
    require_same_weights,
)
from adrec_cli.loading.registered import require_trainable
from adrec_cli.models.registry import find_model


@dataclass(frozen=True, kw_only=True)
class ExperimentOptions:
    """Where the options of a training come from, besides defaults and the parent checkpoint.

    Attributes:
        preset: a name, or None.
        config: a TOML file, or None.
        overrides: tables from flags, on top of everything.
    """

    preset: str | None = None
    config: Path | None = None
    overrides: Mapping[str, Any] = field(default_factory=dict)

    def on_dataset(self, model_name: str, dataset_name: str) -> Experiment:
        """Return the experiment that starts a model on a dataset; a preset takes the place of the dataset's recipe."""
        return self.compose(model_name, {} if self.preset else find_recipe(dataset_name, model_name))

    def compose(self, model_name: str, inherited: Mapping[str, Any]) -> Experiment:
        """Return the experiment of a model on top of inherited tables."""
        return compose(
            model_name, inherited=inherited, preset=self.preset, config=self.config, overrides=self.overrides
        )


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
            f"{checkpoint.path} holds metadata that cannot be: {error.message}", hint="train it again"
        ) from error
    return tables
