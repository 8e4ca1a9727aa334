"""Which models are trained in a data set's folder, and what their last stage left."""

from __future__ import annotations

from pathlib import Path

from adrec_cli.models.registry import MODELS, find_facts, list_trainable
from adrec_cli.schema import CHECKPOINT_SUFFIX


def models_in(folder: Path) -> list[str]:
    """Return the registered models that have a folder in a data set's, in the order of the registry."""
    return [name for name in list_trainable() if (folder / name).is_dir()]


def stage_checkpoints(folder: Path, model: str) -> list[Path]:
    """Return the checkpoints of a registered model's stages that are there, in the order the stages run in.

    Args:
        folder: of the model.
        model: its name.
    """
    paths = [folder / f"{stage}{CHECKPOINT_SUFFIX}" for stage in find_facts(model).stages]
    return [path for path in paths if path.is_file()]


def find_finished_checkpoint(folder: Path) -> Path | None:
    """Return the checkpoint of a model's last stage; None where that is not there, or the folder is of no model."""
    stages = list(find_facts(folder.name).stages) if folder.name in MODELS else []
    path = folder / f"{stages[-1]}{CHECKPOINT_SUFFIX}" if stages else folder
    return path if path.is_file() else None
