"""Finds a model, checks it, and makes it ready to recommend."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import polars as pl

from adrec_cli.artifacts.item_index import read_index_of
from adrec_cli.artifacts.nights import require_current_known, was_refused
from adrec_cli.artifacts.promotion import PROMOTED_FOLDER
from adrec_cli.artifacts.tensor_file import Once
from adrec_cli.artifacts.workspace import Workspace
from adrec_cli.data.reindexing import index_mapping, reindex
from adrec_cli.data.sequences import Sequences
from adrec_cli.data.shards import WHOLE, Shard
from adrec_cli.errors import ArtifactError, StorageError, UsageError
from adrec_cli.loading.current import Found, find_current
from adrec_cli.loading.new_items import NOTHING_NEW, Known, NewItems, add_items_of_dataset, add_items_of_file
from adrec_cli.loading.opening import Checkpoint, Dataset, dataset_folder_of, open_dataset, restore_model
from adrec_cli.loading.recommender import Recommender
from adrec_cli.loading.registered import find_unregistered
from adrec_cli.loading.trained import models_in
from adrec_cli.models.registry import DEFAULT_MODEL, MODELS
from adrec_cli.runtime import resolve_device, set_threads
from adrec_cli.schema import CURRENT_FILE
from adrec_cli.wording import command, option

if TYPE_CHECKING:
    import torch

    from adrec_cli.ranking.approximate import ItemIndex


class OpeningOptions(Protocol):
    """Options of a command that say how a model is opened."""

    @property
    def device(self) -> str:
        """To compute on."""

    @property
    def threads(self) -> int | None:
        """Of the CPU; None leaves PyTorch's default."""

    @property
    def new_items(self) -> Path | None:
        """File of items that came after the training."""

    @property
    def exact(self) -> bool:
        """Score all items, also where the promoted model has an index."""


@dataclass(frozen=True, kw_only=True)
class Opening:
    """A model to open, and how.

    Attributes:
        workspace: where data sets are.
        dataset_name: None takes the only one.
        model: a model's name, or path or bare name of a checkpoint; None takes what is current.
        device, threads: to compute on.
        new_items: file of items that came after the training; a model with content can recommend them. Those that the
            data set has got since need no file.
        exact: score all items, also where the promoted model has an index.
    """

    workspace: Path
    dataset_name: str | None
    model: str | None
    device: str
    threads: int | None
    new_items: Path | None = None
    exact: bool = False

    @classmethod
    def of(cls, workspace: Path, dataset_name: str | None, model: str | None, options: OpeningOptions) -> Opening:
        """Return what a command is asked to open."""
        return cls(
            workspace=workspace,
            dataset_name=dataset_name,
            model=model,
            device=options.device,
            threads=options.threads,
            new_items=options.new_items,
            exact=options.exact,
        )

    def resolve(self) -> Opening:
        """Return it for a process that works in another folder."""
        model = self.model
        return replace(
            self,
            workspace=self.workspace.resolve(),
            model=model if model is None or not Path(model).exists() else str(Path(model).resolve()),
            new_items=None if self.new_items is None else self.new_items.resolve(),
        )

    def open(self, shard: Shard = WHOLE, *, posted_items: Path | None = None, once: Once | None = None) -> Recommender:
        """Find the model, check it and make it ready.

        A promoted model brings its own items and is used with them, also when the data set has been made again since.

        Args:
            shard: the users whose histories are read.
            posted_items: another file of new items, of those that a server was sent.
            once: as `open_checkpoint`.

        Raises:
            UsageError: it is not clear which dataset or model is meant, or new items are given to a model without
                content.
            InputError: the file of new items cannot be read.
            ArtifactError: no model, or one that is damaged or does not belong to the dataset.
        """
        space = Workspace(self.workspace)
        found, dataset, checkpoint, items = _open_located(space, self.dataset_name, self.model, shard, once)
        # Not before all of it is there: it loads PyTorch.
        from adrec_cli.ranking.recorded import Recordings

        set_threads(self.threads)
        device = resolve_device(self.device)
        known = Known(model=restore_model(checkpoint, device), metadata=checkpoint.metadata, items=items)
        known = add_items_of_dataset(known, dataset)
        known, new_items = _add_items(known, dataset, self.new_items)
        known, posted = _add_items(known, dataset, posted_items)
        sequences, unknown = _number_histories(dataset, known)
        return Recommender(
            # Its tensors are the model's.
            checkpoint=replace(checkpoint, tensors={}),
            promoted=_is_promoted(found.path),
            dataset=dataset.manifest.dataset,
            dataset_folder=dataset.folder,
            manifest=dataset.manifest,
            sequences_sha256=dataset.manifest.sequences_sha256,
            model=known.model,
            items=known.items,
            sequences=sequences,
            unknown_items=unknown,
            device=device,
            recordings=Recordings(device),
            new_items=new_items,
            posted_items=posted,
            index=None if self.exact else _open_index(found, known, device),
        )


def _is_promoted(path: Path) -> bool:
    """Return whether a checkpoint is a copy that a run has promoted."""
    return path.parent.name == PROMOTED_FOLDER and (path.parent.parent / CURRENT_FILE).is_file()


def _add_items(known: Known, dataset: Dataset, file: Path | None) -> tuple[Known, NewItems]:
    return (known, NOTHING_NEW) if file is None else add_items_of_file(known, dataset, file)


def _number_histories(dataset: Dataset, known: Known) -> tuple[Sequences, int]:
    """Return the histories in the model's numbers, and how many items of the data set it does not know."""
    mapping = index_mapping(dataset.items, known.items)
    height = known.items.height
    same = len(mapping) == height + 1 and bool((mapping == np.arange(len(mapping))).all())
    sequences = dataset.sequences if same else reindex(dataset.sequences, mapping, height)
    if known.model.reads_times:
        # Read here, so that whoever answers for long needs no file that an update has moved by then.
        _ = sequences.seconds
    return sequences, int((mapping[1:] == 0).sum())


def _open_index(found: Found, known: Known, device: torch.device) -> ItemIndex | None:
    """Return the index of a promoted model; None where there is none, the model has new items, or a GPU is quicker.

    Raises:
        ArtifactError: it is damaged, or of another model.
        UsageError: faiss is not installed.
    """
    if found.sha256 is None or device.type != "cpu":
        return None
    index = read_index_of(found.path, found.sha256)
    if index is None or known.items.height != index[0].items:
        return None
    from adrec_cli.ranking.approximate import ItemIndex

    record, codes = index
    return ItemIndex(codes, record.pool)


def _refuse_unregistered(space: Workspace, dataset_name: str | None, model: str) -> None:
    """Raise if a name is that of a model which is trained here, but not registered."""
    for name in space.datasets() if dataset_name is None else [dataset_name]:
        if error := find_unregistered(space.root / name).get(model):
            raise error


def _open_located(
    space: Workspace, dataset_name: str | None, model: str | None, shard: Shard, once: Once | None
) -> tuple[Found, Dataset, Checkpoint, pl.DataFrame]:
    """Find the checkpoint to use, and open it with its dataset and its items.

    Nothing is locked: a run may promote another model, and remove the one that was found, before it is opened.
    """
    found, dataset = _locate(space, dataset_name, model, shard)
    while True:
        try:
            return found, dataset, *found.open(dataset, once=once)
        except (ArtifactError, StorageError):
            before = found
            found, dataset = _locate(space, dataset_name, model, shard)
            if found == before:
                raise


def _locate(space: Workspace, dataset_name: str | None, model: str | None, shard: Shard) -> tuple[Found, Dataset]:
    """Find the checkpoint to use and open its dataset."""
    if model is not None and model not in MODELS:
        _refuse_unregistered(space, dataset_name, model)
        given = space.find_checkpoint(model, dataset_name)
        return Found.at(given), open_dataset(dataset_folder_of(space, given, dataset_name), shard=shard)
    folder = space.dataset_folder(dataset_name)
    wanted = models_in(folder) if model is None else [model]
    found = {name: one for name in wanted if (one := find_current(folder / name)) is not None}
    if not found:
        raise ArtifactError(
            f"dataset {folder.name!r} has no trained model{f' {model}' if model else ''}",
            hint=f"train one with: {command('run', folder.name, model=model)}",
        )
    # Another model than what this tool is for is taken only when it is the only one, or asked for.
    if DEFAULT_MODEL not in found and len(found) > 1:
        raise UsageError(
            f"{folder.name} has several models: {', '.join(found)}", hint=f"say which one with {option('model')}"
        )
    chosen = found[DEFAULT_MODEL if DEFAULT_MODEL in found else next(iter(found))]
    if chosen.sha256 is None:
        _require_not_refused(chosen.path)
    return chosen, open_dataset(folder, shard=shard)


def _require_not_refused(path: Path) -> None:
    """Refuse a checkpoint that nothing has promoted where a run would not, or where what was promoted is lost.

    Raises:
        ArtifactError: it is not to be used unless somebody names it.
    """
    require_current_known(path.parent)
    if was_refused(path):
        folder = path.parent
        raise ArtifactError(
            f"{path} was not promoted by a run, and nothing else in {folder} is promoted",
            hint=f"look at the data, then run again: {command('run', folder.parent.name, model=folder.name)}; "
            f"or use it as it is: {option('model', path)}",
        )
