"""A model ready to recommend: checked, restored, with its own items and the users' histories in their numbers."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import polars as pl

from adrec_cli.artifacts.item_index import read_index_of
from adrec_cli.artifacts.manifest import Manifest
from adrec_cli.artifacts.nights import require_current_known, was_refused
from adrec_cli.artifacts.promotion import PROMOTED_FOLDER
from adrec_cli.artifacts.tensor_file import Once
from adrec_cli.artifacts.workspace import Workspace
from adrec_cli.data.id_index import IdIndex
from adrec_cli.data.item_values import ItemValues
from adrec_cli.data.reindexing import index_mapping, reindex
from adrec_cli.data.sequences import Sequences
from adrec_cli.data.shards import WHOLE, Shard
from adrec_cli.errors import ArtifactError, UsageError
from adrec_cli.loading.current import Found, find_current
from adrec_cli.loading.new_items import NOTHING_NEW, Known, NewItems, add_items_of_dataset, add_items_of_file
from adrec_cli.loading.opening import Checkpoint, Dataset, dataset_folder_of, open_dataset, restore_model
from adrec_cli.loading.registered import find_unregistered
from adrec_cli.loading.trained import models_in
from adrec_cli.models.registry import DEFAULT_MODEL, MODELS
from adrec_cli.models.sampling import Sampling
from adrec_cli.ranking.ranked import Ranked
from adrec_cli.ranking.samples import SINGLE, Merging
from adrec_cli.runtime import resolve_device, set_threads
from adrec_cli.schema import COUNT, CURRENT_FILE, ITEM_ID
from adrec_cli.wording import command, option

if TYPE_CHECKING:
    import torch

    from adrec_cli.models.base import SequentialRecommender
    from adrec_cli.ranking.approximate import ItemIndex
    from adrec_cli.ranking.recorded import Recordings
    from adrec_cli.ranking.scorer import Scorer

MODEL, POPULAR = "model", "popular"
"""Where a list comes from: the model, or the counts of train events where there is no history to ask the model with."""


@dataclass(frozen=True, kw_only=True)
class Histories:
    """Histories of several people, one after the other.

    Attributes:
        items: item indices of the model, oldest first.
        starts, ends: the stretch of each; an empty one gets the popular items.
        seconds: when each of the items was, for a model that reads it; else None.
    """

    items: npt.NDArray[np.int32]
    starts: npt.NDArray[np.int64]
    ends: npt.NDArray[np.int64]
    seconds: npt.NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.starts)

    @classmethod
    def join(cls, items: Sequence[npt.NDArray[np.int32]], seconds: Sequence[npt.NDArray[np.int64] | None]) -> Histories:
        """Put histories one behind the other, and when they were, which all of them say or none does."""
        ends = np.cumsum([len(one) for one in items], dtype=np.int64)
        said = [one for one in seconds if one is not None]
        return cls(
            items=np.concatenate(items),
            starts=np.concatenate([np.zeros(1, dtype=np.int64), ends[:-1]]),
            ends=ends,
            seconds=np.concatenate(said) if said else None,
        )

    def of(self, number: int) -> npt.NDArray[np.int32]:
        """Return one history."""
        return self.items[self.starts[number] : self.ends[number]]

    def some(self, first: int, last: int) -> Histories:
        """Return those from the first up to, not including, the last."""
        return replace(self, starts=self.starts[first:last], ends=self.ends[first:last])


@dataclass(frozen=True, kw_only=True)
class Recommender:
    """A checked and restored model.

    Attributes:
        checkpoint: it was restored from.
        promoted: whether it is a promoted copy; otherwise it is the newest finished one.
        dataset, dataset_folder: its name, and where it is.
        manifest: of the data set; it says how its sources are read.
        sequences_sha256: of the histories.
        items: the items the model knows; the data set may have newer ones since.
        sequences: histories of the users, without items the model does not know.
        unknown_items: items of the data set that the model does not know.
        device: to compute on.
        recordings: of what the model computes for few histories at a time.
        new_items: what became of those of a file; posted_items: and of those of another, which a server was sent.
        index: of the items, by which the best are found; None to score all.
    """

    checkpoint: Checkpoint
    promoted: bool
    dataset: str
    dataset_folder: Path
    manifest: Manifest
    sequences_sha256: str
    model: SequentialRecommender
    items: pl.DataFrame
    sequences: Sequences
    unknown_items: int
    device: torch.device
    recordings: Recordings | None = None
    new_items: NewItems = NOTHING_NEW
    index: ItemIndex | None = None
    posted_items: NewItems = NOTHING_NEW

    @functools.cached_property
    def item_index(self) -> IdIndex:
        """Where the ids of the items are."""
        return IdIndex(self.items[ITEM_ID])

    @property
    def seconds(self) -> npt.NDArray[np.int64] | None:
        """When the events of `sequences` were, where the model reads it; else None."""
        return self.sequences.seconds if self.model.reads_times else None

    @functools.cached_property
    def values_of(self) -> Callable[[str], ItemValues]:
        """What splits a column of the items, each once; no such column is an `InputError`."""
        return functools.cache(functools.partial(ItemValues.split, self.items))

    @functools.cached_property
    def lengths_V(self) -> torch.Tensor:
        """Of the item vectors, on the device."""
        import torch

        lengths_V: torch.Tensor = torch.linalg.vector_norm(self.scorer(Sampling()).vectors_VD, dim=1)
        return lengths_V

    def rank(
        self,
        histories: Histories,
        k: int,
        *,
        include_seen: bool,
        sampling: Sampling,
        candidates: npt.NDArray[np.int64] | None = None,
        merging: Merging = SINGLE,
    ) -> tuple[list[Ranked], list[str]]:
        """Return the best k items for each history, and where each list comes from.

        Args:
            histories: in the model's numbers.
            k: largest number of items; fewer where fewer are left.
            include_seen: items of the history may come back.
            sampling: of a diffusion model.
            candidates: item indices, ascending, that alone may come back; None allows all.
            merging: how many samples, and how they become one list.

        Raises:
            UsageError: several samples or a temperature of a model that draws nothing.
        """
        from adrec_cli.ranking.merging import merge_top_k

        scorer = self.scorer(sampling, merging)
        asked = np.flatnonzero(histories.ends > histories.starts)
        popular = self._popular(k, candidates) if len(asked) < len(histories) else None
        results: list[Ranked | None] = [popular] * len(histories)
        sources = [POPULAR] * len(histories)
        vectors_VD = scorer.vectors_VD
        nothing = np.empty(0, dtype=np.int64)
        # The bias moves items of the history alone: where none comes back, the index alone asks for it.
        biased = include_seen or self.index is not None
        batches = scorer.represent(histories, histories.starts[asked], histories.ends[asked], biased=biased)
        for cases, samples, bias in batches:
            numbers = asked[cases]
            seen = [nothing if include_seen else np.unique(histories.of(number)).astype(np.int64) for number in numbers]
            if self.index is not None and len(samples) == 1:
                best = self.index.top_k(samples[0], vectors_VD, k, seen, candidates, bias)
            else:
                best = merge_top_k(samples, vectors_VD, k, seen, candidates, merge=merging.merge, bias=bias)
            for number, ranked in zip(numbers.tolist(), best, strict=True):
                results[number], sources[number] = ranked, MODEL
        return [ranked for ranked in results if ranked is not None], sources

    def scorer(self, sampling: Sampling, merging: Merging = SINGLE) -> Scorer:
        """Return the model with this much noise and this number of samples.

        Raises:
            UsageError: several samples or a temperature of a model that draws nothing.
        """
        from adrec_cli.ranking.scorer import Scorer

        return Scorer(
            model=self.model, output=self.checkpoint.metadata.output, sampling=sampling, merging=merging,
            device=self.device, recordings=self.recordings,
        )  # fmt: skip

    def check(self, sampling: Sampling, merging: Merging) -> None:
        """Refuse several samples or a temperature of a model that draws nothing, with `UsageError`."""
        self.scorer(sampling, merging)

    def _popular(self, k: int, candidates: npt.NDArray[np.int64] | None) -> Ranked:
        if candidates is None:
            candidates = np.arange(1, self.items.height + 1)
        counts = self.items[COUNT].to_numpy()[candidates - 1]
        best = np.argsort(-counts, kind="stable")[:k]
        return Ranked(items=candidates[best], scores=counts[best].astype(np.float32))


def open_recommender(
    workspace: Path,
    dataset_name: str | None,
    model: str | None,
    *,
    device: str,
    threads: int | None,
    shard: Shard = WHOLE,
    new_items: Path | None = None,
    exact: bool = False,
    posted_items: Path | None = None,
    once: Once | None = None,
) -> Recommender:
    """Find a model, check it and make it ready.

    A promoted model brings its own items and is used with them, also when the data set has been made again since.

    Args:
        workspace: where datasets are.
        dataset_name: None takes the only one.
        model: a model's name, or path or bare name of a checkpoint; None takes what is current.
        device, threads: to compute on.
        shard: the users whose histories are read.
        new_items: file of items that came after the training; a model with content can recommend them. Those that the
            data set has got since need no file.
        exact: score all items, also where the promoted model has an index.
        posted_items: another such file, of items that a server was sent.
        once: as `open_checkpoint`.

    Raises:
        UsageError: it is not clear which dataset or model is meant, or new items are given to a model without content.
        InputError: the file of new items cannot be read.
        ArtifactError: no model, or one that is damaged or does not belong to the dataset.
    """
    found, dataset, checkpoint, items = _open_located(Workspace(workspace), dataset_name, model, shard, once)
    path = found.path
    # Not before all of it is there: it loads PyTorch.
    from adrec_cli.ranking.recorded import Recordings

    set_threads(threads)
    resolved = resolve_device(device)
    known = Known(model=restore_model(checkpoint, resolved), metadata=checkpoint.metadata, items=items)
    known = add_items_of_dataset(known, dataset)
    news = []
    for file in (new_items, posted_items):
        known, of_file = (known, NOTHING_NEW) if file is None else add_items_of_file(known, dataset, file)
        news.append(of_file)
    items = known.items
    mapping = index_mapping(dataset.items, items)
    same = len(mapping) == items.height + 1 and bool((mapping == np.arange(len(mapping))).all())
    sequences = dataset.sequences if same else reindex(dataset.sequences, mapping, items.height)
    if known.model.reads_times:
        # Read here, so that whoever answers for long needs no file that an update has moved by then.
        _ = sequences.seconds
    return Recommender(
        # Its tensors are the model's.
        checkpoint=replace(checkpoint, tensors={}),
        promoted=path.parent.name == PROMOTED_FOLDER and (path.parent.parent / CURRENT_FILE).is_file(),
        dataset=dataset.manifest.dataset,
        dataset_folder=dataset.folder,
        manifest=dataset.manifest,
        sequences_sha256=dataset.manifest.sequences_sha256,
        model=known.model,
        items=items,
        sequences=sequences,
        unknown_items=int((mapping[1:] == 0).sum()),
        device=resolved,
        recordings=Recordings(resolved),
        new_items=news[0],
        posted_items=news[1],
        index=None if exact else _open_index(found, known, resolved),
    )


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
        except ArtifactError:
            before = found
            found, dataset = _locate(space, dataset_name, model, shard)
            if found == before:
                raise


def _locate(space: Workspace, dataset_name: str | None, model: str | None, shard: Shard) -> tuple[Found, Dataset]:
    """Find the checkpoint to use and open its dataset."""
    if model is not None and model not in MODELS:
        _refuse_unregistered(space, dataset_name, model)
        given = space.find_checkpoint(model, dataset_name)
        return Found(path=given), open_dataset(dataset_folder_of(space, given, dataset_name), shard=shard)
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
