"""The models of a data set that can be compared: the last stage of each that is there, or those asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from adrec_cli.errors import ArtifactError, UsageError
from adrec_cli.loading.opening import Checkpoint, Dataset, open_checkpoint
from adrec_cli.loading.registered import find_unregistered
from adrec_cli.loading.trained import models_in, stage_checkpoints
from adrec_cli.models.registry import BASELINE, MODELS, find_facts, list_trainable
from adrec_cli.schema import CHECKPOINT_SUFFIX
from adrec_cli.wording import command, option


@dataclass(frozen=True, kw_only=True)
class Contender:
    """A model that takes part.

    Attributes:
        name: "adrec", "adrec/pretrain", "mostpop".
        model: registered.
        stage: which one; None for the last.
        checkpoint: None for MostPopular, and for a model that is not trained yet.
    """

    name: str
    model: str
    stage: str | None
    checkpoint: Checkpoint | None

    @property
    def is_trained(self) -> bool:
        """Whether it is a model with weights, rather than one that only counts."""
        return self.model != BASELINE


def find_contenders(dataset: Dataset, names: Sequence[str], *, may_be_missing: bool) -> list[Contender]:
    """Return the models asked for, in that order.

    Args:
        dataset: they were trained on.
        names: models or MODEL/STAGE.
        may_be_missing: a model without a checkpoint takes part anyway, as it will be trained.

    Raises:
        UsageError: an unknown model or stage, or one that appears twice.
        ArtifactError: not trained, damaged, or trained on other items.
    """
    if twice := next((name for name in names if list(names).count(name) > 1), None):
        raise UsageError(f"{option('models')} names {twice} twice", hint="name it once")
    return [_find(dataset, name, may_be_missing=may_be_missing) for name in names]


def list_contenders(dataset: Dataset) -> tuple[list[Contender], list[str]]:
    """Return MostPopular, all trained models, and why some are left out.

    Raises:
        ArtifactError: no model is there at all.
    """
    found, left_out = [Contender(name=BASELINE, model=BASELINE, stage=None, checkpoint=None)], []
    left_out += [f"{model} is left out: {error.message}" for model, error in find_unregistered(dataset.folder).items()]
    for model in models_in(dataset.folder):
        path = _find_last_stage(dataset.folder / model, model)
        if path is None:
            continue
        try:
            checkpoint = open_checkpoint(path, dataset)
        except ArtifactError as error:
            left_out.append(f"{model} is left out: {error.message}")
            continue
        found.append(Contender(name=model, model=model, stage=None, checkpoint=checkpoint))
    if len(found) == 1:
        raise ArtifactError(
            f"{dataset.folder} has no trained model that can be compared"
            + "".join(f"; {reason}" for reason in left_out),
            hint=f"train one with: {command('train', dataset.manifest.dataset)}",
        )
    return found, left_out


def _find(dataset: Dataset, name: str, *, may_be_missing: bool) -> Contender:
    model, slash, stage = name.partition("/")
    if model not in MODELS:
        if found := find_unregistered(dataset.folder).get(model):
            raise found
        known = [BASELINE, *list_trainable()]
        raise UsageError(
            f"unknown model {model!r} in {option('models')}", hint=f"one of: {', '.join(known)}; or MODEL/STAGE"
        )
    if slash and stage not in (stages := find_facts(model).stages):
        raise UsageError(f"{model} has no stage {stage!r}", hint=f"one of: {', '.join(stages) or 'none'}")
    if model == BASELINE:
        return Contender(name=name, model=model, stage=None, checkpoint=None)
    folder = dataset.folder / model
    path = folder / f"{stage}{CHECKPOINT_SUFFIX}" if slash else _find_last_stage(folder, model)
    if path is None or not path.is_file():
        if not may_be_missing:
            raise ArtifactError(
                f"{name} is not trained on {dataset.manifest.dataset}",
                hint=f"train it with: {command('train', dataset.manifest.dataset, model=model)}",
            )
        return Contender(name=name, model=model, stage=stage or None, checkpoint=None)
    try:
        checkpoint = open_checkpoint(path, dataset)
    except ArtifactError:
        if not may_be_missing:
            raise
        checkpoint = None
    return Contender(name=name, model=model, stage=stage or None, checkpoint=checkpoint)


def _find_last_stage(folder: Path, model: str) -> Path | None:
    return next(reversed(stage_checkpoints(folder, model)), None)
