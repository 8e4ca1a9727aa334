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

from adrec_cli.artifacts.manifest import Manifest
from adrec_cli.data.id_index import IdIndex
from adrec_cli.data.item_values import ItemValues
from adrec_cli.data.sequences import Sequences
from adrec_cli.loading.new_items import NOTHING_NEW, NewItems
from adrec_cli.loading.opening import Checkpoint
from adrec_cli.models.sampling import Sampling
from adrec_cli.ranking.ranked import Ranked
from adrec_cli.ranking.samples import SINGLE, Merging
from adrec_cli.schema import COUNT, ITEM_ID

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
