"""Vectors of items and users whose inner products are a model's scores."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import polars as pl

from adrec_cli.artifacts.vectors_file import Chunk
from adrec_cli.errors import InputError
from adrec_cli.loading.recommender import Recommender
from adrec_cli.models.sampling import FAST_SAMPLING
from adrec_cli.wording import command

_CHUNK_NUMBERS = 2**24
"""Numbers of a chunk, 64 MB."""
_CHUNK_ROWS = 65_536


def measure_width(recommender: Recommender) -> int:
    """Return D, the entries of a vector."""
    return int(recommender.scorer(FAST_SAMPLING).vectors_VD.shape[1])


def list_item_vectors(recommender: Recommender, ids: pl.Series) -> Iterator[Chunk]:
    """Yield the vectors that histories are scored against, after all that the model makes of them.

    Args:
        recommender: whose model.
        ids: of all its items, in their order.
    """
    vectors_VD = recommender.scorer(FAST_SAMPLING).vectors_VD
    size = _measure_chunk(recommender)
    for first in range(0, len(ids), size):
        some = ids[first : first + size]
        # Row 0 is padding.
        yield some, vectors_VD[first + 1 : first + 1 + len(some)].float().cpu().numpy()


def list_user_vectors(recommender: Recommender, rows: npt.NDArray[np.int64]) -> Iterator[Chunk]:
    """Yield the representations of users' whole histories, after one reverse step of zero noise.

    Args:
        recommender: whose model and users.
        rows: of the users, each with a history.

    Raises:
        ArtifactError: the model gives values that are not finite.
    """
    sequences, scorer = recommender.sequences, recommender.scorer(FAST_SAMPLING)
    size, width = _measure_chunk(recommender), measure_width(recommender)
    for first in range(0, len(rows), size):
        some = rows[first : first + size]
        vectors_UD = np.empty((len(some), width), dtype=np.float32)
        batches = scorer.represent(sequences, sequences.offsets[some], sequences.offsets[some + 1])
        for cases, (representation_BD,), _ in batches:
            vectors_UD[cases] = representation_BD.float().cpu().numpy()
        yield sequences.user_ids.gather(some), vectors_UD


def find_users_with_history(recommender: Recommender) -> npt.NDArray[np.int64]:
    """Return the rows of users with an item that the model knows; the others have no representation.

    Raises:
        InputError: there is none.
    """
    rows = np.flatnonzero(np.diff(recommender.sequences.offsets))
    if not len(rows):
        raise InputError(
            f"no user of {recommender.dataset} has a history of items that the model knows",
            hint=f"train it again: {command('run', recommender.dataset, model=recommender.checkpoint.metadata.model)}",
        )
    return rows


def _measure_chunk(recommender: Recommender) -> int:
    return max(1, min(_CHUNK_ROWS, _CHUNK_NUMBERS // measure_width(recommender)))
