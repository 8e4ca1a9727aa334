"""Parts of a batch made by workers of an engine, which are sent histories and open the model once per process."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl

from adrec_cli.artifacts.item_vectors import ids_sha256
from adrec_cli.artifacts.provenance import code_sha256
from adrec_cli.artifacts.recommendation_file import find_parts_folder, write_part
from adrec_cli.data.shards import Shard
from adrec_cli.errors import AdrecError, ArtifactError
from adrec_cli.loading.making_ready import Opening
from adrec_cli.loading.recommender import Histories, Recommender
from adrec_cli.recommending.audience import Audience
from adrec_cli.recommending.batch import Batch
from adrec_cli.recommending.destination import Destination
from adrec_cli.recommending.options import RecommendOptions
from adrec_cli.schema import ITEM_ID
from adrec_cli.wording import speak_shell, speaks_shell

P = TypeVar("P")
R = TypeVar("R")

_ROUND: Final = 4
"""Parts of a round that a worker makes; progress is reported once per round."""
_NOBODY: Final = Shard(999_999, 1_000_000)
"""The share of the users that a worker reads itself; data sets have fewer row groups."""


class Workers(Protocol):
    """What does pieces of something, wherever that is."""

    @property
    def width(self) -> int:
        """How many pieces are done at once."""

    def run(self, do: Callable[[P], R], pieces: Sequence[P]) -> list[R]:
        """Do something to each piece, and return what came of it in their order."""


@dataclass(frozen=True, kw_only=True)
class _Piece:
    """People of a part, with all that a worker needs to know of them."""

    number: int
    user_ids: pl.Series
    histories: Histories


@dataclass(frozen=True, kw_only=True)
class _Task:
    """What is alike for all pieces.

    Attributes:
        opening, identity: of the model, and what must come of it.
        folder, key: of the parts.
        options, candidates, titled: as `Batch`.
        typed: whether a command was typed.
    """

    opening: Opening
    identity: dict[str, Any]
    folder: Path
    key: str
    options: RecommendOptions
    candidates: npt.NDArray[np.int64] | None
    titled: bool
    typed: bool


def identify(recommender: Recommender) -> dict[str, Any]:
    """Return what the lists depend on, besides histories and options."""
    return {
        "checkpoint": recommender.checkpoint.sha256,
        "items": [ids_sha256(recommender.items[ITEM_ID]), recommender.manifest.items_sha256],
        "new_items": recommender.new_items.sha256,
        **({} if recommender.index is None else {"index": recommender.index.pool}),
        "code": code_sha256("content", "loading", "recommending"),
    }


def make_on_workers(
    batch: Batch, opening: Opening, key: str, missing: Sequence[int], workers: Workers, keep: Callable[[int, str], None]
) -> Iterator[Sequence[int]]:
    """Make missing parts in rounds, and yield the numbers of a round's parts.

    Args:
        batch: as it is opened here.
        opening: of its model on a worker, where everything is found under the same path.
        key: of everything a part depends on.
        missing: numbers of the parts.
        workers: that make them.
        keep: called with number and name of each part.

    Raises:
        AdrecError: raised on any of the workers.
    """
    task = _Task(
        opening=opening, identity=identify(batch.recommender),
        folder=find_parts_folder(batch.destination.unfinished).resolve(), key=key, options=batch.options,
        candidates=batch.candidates, titled=batch.titled, typed=speaks_shell(),
    )  # fmt: skip
    width = _ROUND * workers.width
    for begin in range(0, len(missing), width):
        numbers = missing[begin : begin + width]
        made = workers.run(functools.partial(_make_piece, task), [_cut_out(batch, number) for number in numbers])
        for number, name in zip(numbers, made, strict=True):
            if isinstance(name, str):
                keep(number, name)
        for outcome in made:
            if isinstance(outcome, AdrecError):
                raise outcome
        yield numbers


def _cut_out(batch: Batch, number: int) -> _Piece:
    first, last = batch.bounds(number)
    some = batch.audience.histories.some(first, last)
    lengths = some.ends - some.starts
    ends = np.cumsum(lengths)
    taken = np.repeat(some.starts - (ends - lengths), lengths) + np.arange(lengths.sum())
    histories = Histories(
        items=some.items[taken],
        starts=ends - lengths,
        ends=ends,
        seconds=None if some.seconds is None else some.seconds[taken],
    )
    return _Piece(number=number, user_ids=batch.audience.user_ids[first:last], histories=histories)


def _make_piece(task: _Task, piece: _Piece) -> str | AdrecError:
    """Make a part, on a worker; what is wrong with it is returned, as Spark would try three times more."""
    with speak_shell(task.typed):
        try:
            recommender = _open_once(task.opening, json.dumps(task.identity, sort_keys=True))
            if identify(recommender) != task.identity:
                # What is found the next time may be right.
                _open_once.cache_clear()
                return ArtifactError(
                    "a worker has another model, other items or other code than there are here",
                    hint="every worker must find the same files; run the same command again",
                )
            table = _batch_of(task, piece, recommender).rank(0)
            return write_part(task.folder, task.key, piece.number, table)
        except AdrecError as error:
            return error


@functools.lru_cache(maxsize=1)
def _open_once(opening: Opening, _identity: str) -> Recommender:
    """Open the model once for all pieces of a batch; a worker that outlives it opens the next one's."""
    return opening.open(_NOBODY)


def _batch_of(task: _Task, piece: _Piece, recommender: Recommender) -> Batch:
    """Return a batch of a single chunk, which goes nowhere."""
    audience = Audience.of_known(piece.user_ids, piece.histories)
    return Batch(
        recommender=recommender, audience=audience, options=task.options, candidates=task.candidates,
        destination=Destination(path=task.folder, format="parquet"), chunk=len(piece.user_ids), titled=task.titled,
    )  # fmt: skip
