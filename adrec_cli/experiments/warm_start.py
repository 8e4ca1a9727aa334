"""Training that starts from the current model: vectors of known items are kept by raw id, whatever their numbers."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from adrec_cli.artifacts.changing import find_withdrawn
from adrec_cli.artifacts.checkpoint import verify_checkpoint
from adrec_cli.artifacts.checkpoint_metadata import CheckpointMetadata, read_metadata
from adrec_cli.artifacts.promotion import Current, read_current
from adrec_cli.content.other_cut import may_know_held_out
from adrec_cli.errors import ArtifactError
from adrec_cli.experiments.content import give_content, on_content, require_same_encoders
from adrec_cli.experiments.experiment import Experiment, compose
from adrec_cli.experiments.keys import stage_key
from adrec_cli.loading.current import open_beside_items
from adrec_cli.loading.opening import Checkpoint, Dataset, require_same_weights
from adrec_cli.models.registry import find_model
from adrec_cli.runtime import make_generator
from adrec_cli.schema import CHECKPOINT_SUFFIX

if TYPE_CHECKING:
    import torch

    from adrec_cli.data.reindexing import Mapping as IndexMapping


@dataclass(frozen=True, kw_only=True)
class WarmStart:
    """Where a training starts from.

    Attributes:
        checkpoint: the current model, turned to the data set's items.
        experiment: of the training, with no component drawn again.
        known, new, removed: items that keep their vectors, get fresh ones, and leave.
    """

    checkpoint: Checkpoint
    experiment: Experiment
    known: int
    new: int
    removed: int


@dataclass(frozen=True, kw_only=True)
class FreshStart:
    """A training from fresh weights.

    Attributes:
        reason: why not from the current model; empty where there is none, or it was not wanted.
    """

    reason: str = ""


def warm_start(dataset: Dataset, folder: Path, experiment: Experiment) -> WarmStart | FreshStart:
    """Return what a training on this data set starts from.

    A stage that was trained on the very same data keeps its start, so that a second run finds it up to date although
    another model is current by then. The current model is not a start for another network, another split or other
    filters: it may have learned from what is held out now.

    Args:
        dataset: to train on.
        folder: of the model.
        experiment: to run.
    """
    experiment = on_content(dataset, experiment)
    found = _find_start(dataset, folder, experiment)
    if isinstance(found, FreshStart):
        return found
    path = found.path
    try:
        checkpoint, beside = open_beside_items(path, dataset)
        if difference := _find_difference(checkpoint.metadata, dataset, experiment):
            return FreshStart(reason=f"{path.name} {difference}")
        require_same_encoders(checkpoint.metadata, dataset, experiment)
        if not found.fits:
            items = checkpoint.metadata.item_count
            outline = find_model(experiment.model_name).outline(experiment.model, items)
            require_same_weights(checkpoint.tensors, outline.state_dict())
    except ArtifactError as error:
        return FreshStart(reason=error.message)
    mapping = None if beside is None else _map_items(dataset, beside)
    known = checkpoint.metadata.item_count if mapping is None else int((mapping > 0).sum())
    turned = _TurnedTensors(functools.partial(_turn, dataset, checkpoint, experiment, mapping))
    return WarmStart(
        checkpoint=dataclasses.replace(checkpoint, tensors=turned),
        experiment=_draw_nothing(experiment),
        known=known,
        new=0 if mapping is None else dataset.item_count - known,
        removed=checkpoint.metadata.item_count - known,
    )


def _find_difference(metadata: CheckpointMetadata, dataset: Dataset, experiment: Experiment) -> str:
    """Return what keeps a checkpoint from being started from: another network or split; empty for nothing."""
    split = metadata.metrics["protocol"].partition("/")[0]
    if split != dataset.split:
        return f"is of another kind of split, {split}, and may have learned from what is held out now"
    if may_know_held_out(metadata, dataset.manifest):
        return "was trained on another cut of the data, and may have learned from what is held out now"
    wanted = experiment.tables()["model"]
    if metadata.model != experiment.model_name:
        return f"is a {metadata.model}"
    # A checkpoint of before an option was there has its default.
    before = {**compose(experiment.model_name).tables()["model"], **metadata.config}
    other = [f"{name} {before[name]} instead of {value}" for name, value in wanted.items() if before[name] != value]
    if not other:
        return ""
    return f"is another network: {', '.join(other)}"


@dataclass(frozen=True, kw_only=True)
class _Start:
    """A checkpoint to start from.

    Attributes:
        path: of its file.
        fits: this very network was trained from it before, so that its weights are those of the network.
    """

    path: Path
    fits: bool = False


def _find_start(dataset: Dataset, folder: Path, experiment: Experiment) -> _Start | FreshStart:
    current = read_current(folder)
    if current is None:
        return FreshStart()
    newest = _find_newest(dataset, folder, current)
    trained, is_this_run = _read_claims(folder / f"{experiment.planned[0]}{CHECKPOINT_SUFFIX}", dataset, experiment)
    if trained is None:
        return newest
    manifest = dataset.manifest
    if (trained.sequences_sha256, trained.items_sha256) != (manifest.sequences_sha256, manifest.items_sha256):
        return newest
    if not trained.parent_sha256:
        return FreshStart()
    starts = [other for other in (current, *current.earlier) if other.sha256 == trained.parent_sha256]
    return _Start(path=folder / starts[0].checkpoint, fits=is_this_run) if starts else newest


def _find_newest(dataset: Dataset, folder: Path, current: Current) -> _Start | FreshStart:
    """Return the current model, or the newest before it that has not learned from data that were withdrawn."""
    withdrawn = find_withdrawn(dataset.folder)
    for one in (current, *current.earlier):
        path = folder / one.checkpoint
        if not withdrawn or not _has_learned_from(path, withdrawn):
            return _Start(path=path)
    return FreshStart(reason=f"{Path(current.checkpoint).name} has learned from data that were withdrawn")


def _has_learned_from(checkpoint: Path, sequences: Set[str]) -> bool:
    try:
        return bool(read_metadata(checkpoint).all_sequences & sequences)
    except ArtifactError:
        # It is for whoever opens it.
        return False


def _read_claims(path: Path, dataset: Dataset, experiment: Experiment) -> tuple[CheckpointMetadata | None, bool]:
    """Return what a checkpoint records, None where that is damaged, and whether this experiment made it on this data.

    Damaged weights do not matter, as they are made again: the key of its run tells whether data and parent are right.
    """
    try:
        said = read_metadata(path)
        if said.stage in experiment.stages:
            parent = Checkpoint(path=path, sha256=said.parent_sha256, metadata=said, tensors={})
            keys = (stage_key(dataset, run, said.stage, parent) for run in (experiment, _draw_nothing(experiment)))
            if said.run_key in keys:
                return said, True
        return verify_checkpoint(path), False
    except ArtifactError:
        return None, False


def _draw_nothing(experiment: Experiment) -> Experiment:
    """Return the experiment with no component drawn again in any stage."""
    stages = {name: dataclasses.replace(stage, fresh=()) for name, stage in experiment.stages.items()}
    return dataclasses.replace(experiment, stages=stages)


class _TurnedTensors(Mapping[str, "torch.Tensor"]):
    """The weights of a start, which are made where a stage begins with them: one that is up to date needs none."""

    def __init__(self, turn: Callable[[], dict[str, torch.Tensor]]) -> None:
        self._turn = turn

    @functools.cached_property
    def _tensors(self) -> dict[str, torch.Tensor]:
        return self._turn()

    def __getitem__(self, name: str) -> torch.Tensor:
        return self._tensors[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)


def _map_items(dataset: Dataset, beside: Path) -> IndexMapping:
    """Return the number that each of the data set's items has among those that lie beside a checkpoint."""
    from adrec_cli.data.reindexing import index_mapping
    from adrec_cli.data.sequences import load_items

    return index_mapping(dataset.items, load_items(beside))


def _turn(
    dataset: Dataset, checkpoint: Checkpoint, experiment: Experiment, mapping: IndexMapping | None
) -> dict[str, torch.Tensor]:
    """Return weights whose rows of items are in the data set's order, fresh where an item is new.

    Args:
        dataset, checkpoint, experiment: of the training.
        mapping: of the data set's items to the checkpoint's; None where they are the same.
    """
    import numpy as np
    import torch

    if mapping is None:
        mapping = np.arange(dataset.item_count + 1, dtype=np.int32)
    model_type = find_model(experiment.model_name)
    fresh = model_type(experiment.model, dataset.item_count)
    give_content(fresh, dataset, experiment)
    for component in fresh.components():
        fresh.initialize(component, make_generator(experiment.training.seed, "init", component))
    one, two = (model_type(experiment.model, items).state_dict() for items in (1, 2))
    known = torch.from_numpy(mapping > 0)
    source = torch.from_numpy(mapping[mapping > 0].astype(np.int64))
    tensors = {}
    for name, weight in checkpoint.tensors.items():
        # What grows with the number of items has a row for each.
        if one[name].shape == two[name].shape:
            tensors[name] = weight
            continue
        rows = fresh.state_dict()[name].detach().clone()
        rows[known] = weight[source]
        tensors[name] = rows
    return tensors
