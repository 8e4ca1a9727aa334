"""What people have near an item in train: positive pointwise mutual information, and a truncated SVD.

Two items that nobody has together may have the same neighbours, which their own vectors learn from few events only.

Source: Levy and Goldberg, "Neural word embedding as implicit matrix factorization", NeurIPS 2014; smoothed contexts and
the square root of singular values: Levy, Goldberg, Dagan, "Improving distributional similarity", TACL 2015.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl
import pyarrow as pa

from adrec_cli.content.state import Matrix, State, as_bytes, as_texts, count_components
from adrec_cli.data.sequences import Sequences
from adrec_cli.errors import InputError, UsageError
from adrec_cli.schema import ITEM_ID, TRAIN_EVENTS

if TYPE_CHECKING:
    import numpy.typing as npt

WINDOW: Final = 10
"""Events of a history that are near another; one at distance d counts 1/d."""
MOST_CONTEXTS: Final = 50_000
_SMOOTHING: Final = 0.75
_MORE_DIRECTIONS: Final = 10
"""That are looked for beyond those that are wanted, as the last ones are found least well."""
_ITERATIONS: Final = 8
_ROWS_AT_ONCE: Final = 65_536
_PAIRS_AT_ONCE: Final = 1 << 22
_LEAST_SHARE: Final = 1e-6
"""Of the largest singular value: less is noise of a matrix of a lower rank."""


def list_neighbours(sequences: Sequences, item_ids: pl.Series) -> pl.Series:
    """Return for each item its neighbours in train, a list of `item_id` and `weight`.

    Args:
        sequences: whose events before `train_end` alone are read.
        item_ids: of all items, by index from 1 on.

    Raises:
        UsageError: SciPy is not installed.
    """
    near = count_neighbours(sequences)
    listed = pa.LargeListArray.from_arrays(
        pa.array(near.indptr.astype(np.int64)),
        pa.StructArray.from_arrays(
            # By number: an id at each of many million neighbours would take most of the memory.
            [
                pa.DictionaryArray.from_arrays(pa.array(near.indices.astype(np.int32)), item_ids.to_arrow()),
                pa.array(near.data.astype(np.float32)),
            ],
            names=[ITEM_ID, "weight"],
        ),
    )
    column = pl.from_arrow(listed)
    assert isinstance(column, pl.Series)
    return column.alias(TRAIN_EVENTS)


def count_neighbours(sequences: Sequences) -> Any:
    """Return a symmetric sparse matrix (items, items): the sum of 1/distance over all places where two are near."""
    sparse = _text_extra()
    before_end = np.arange(len(sequences.items)) - np.repeat(sequences.offsets[:-1], sequences.lengths)
    in_train = before_end < np.repeat(sequences.train_end, sequences.lengths)
    items = sequences.items[in_train] - 1
    users = np.repeat(np.arange(sequences.users), sequences.lengths)[in_train]
    shape = (sequences.item_count, sequences.item_count)
    near = sparse.csr_matrix(shape)
    for distance in range(1, WINDOW + 1):
        first, second = items[:-distance], items[distance:]
        together = (users[:-distance] == users[distance:]) & (first != second)
        weights = np.full(int(together.sum()), 1 / distance)
        near = near + sparse.csr_matrix((weights, (first[together], second[together])), shape=shape)
    return (near + near.T).tocsr()


def fit(columns: pl.DataFrame, most: int) -> State:
    """Learn which items are contexts, how common they are, and the directions in which items' neighbours differ most.

    Raises:
        InputError: no two items are near. UsageError: SciPy is not installed.
    """
    _text_extra()
    neighbours = _explode(columns.to_series())
    ids, shares = _common_contexts(neighbours)
    weighted = _weigh(neighbours, columns.height, ids, shares)
    del neighbours
    if not weighted.nnz:
        raise InputError("no two items stand near each other in train", hint="leave the encoder cooccurrence out")
    sizes, directions = find_directions(weighted, most)
    kept = sizes > _LEAST_SHARE * sizes[0]
    components = directions[kept] / np.sqrt(sizes[kept])[:, None]
    return {"ids": as_bytes(ids), "shares": shares.astype(np.float32), "components": components.astype(np.float32)}


def find_directions(matrix: Any, most: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the largest singular values of a sparse matrix, falling, and a right singular vector in a row for each.

    Rows are passed over in blocks, and only what is as long as the columns is made orthogonal: of a large catalogue the
    left side alone is larger than all else.

    Args:
        matrix: (rows, columns), compressed by rows.
        most: values, at most.

    Source: Halko, Martinsson, Tropp, "Finding structure with randomness", SIAM Review 2011, algorithm 4.4.
    """
    size = min(most + _MORE_DIRECTIONS, *matrix.shape)
    basis = np.random.default_rng(0).normal(size=(matrix.shape[1], size))
    blocks = [matrix[begin : begin + _ROWS_AT_ONCE] for begin in range(0, matrix.shape[0], _ROWS_AT_ONCE)]
    for _ in range(_ITERATIONS):
        product = np.zeros_like(basis)
        for block in blocks:
            product += block.T @ (block @ basis)
        basis, _ = np.linalg.qr(product)
    projected = (block @ basis for block in blocks)
    squares, turn = np.linalg.eigh(sum(one.T @ one for one in projected))
    largest = np.argsort(-squares, kind="stable")[: min(most, size)]
    directions = (basis @ turn[:, largest]).T
    # A direction and its opposite are the same: the first of its largest entries is positive.
    signs = np.sign(directions[np.arange(len(directions)), np.abs(directions).argmax(axis=1)])
    return np.sqrt(np.maximum(squares[largest], 0.0)), directions * np.where(signs < 0, -1.0, 1.0)[:, None]


def width(state: State) -> int:
    """Return how many entries a vector has; errors as `count_components`."""
    return count_components(state, "ids", "shares")


def encode(columns: pl.DataFrame, state: State) -> Matrix:
    """Return a vector for each item; zeros where none of its neighbours is known."""
    neighbours = _explode(columns.to_series())
    weighted = _weigh(neighbours, columns.height, as_texts(state["ids"]), state["shares"].astype(np.float64))
    encoded: Matrix = weighted @ state["components"].T.astype(np.float64)
    return encoded


def _common_contexts(neighbours: _Neighbours) -> tuple[list[str], npt.NDArray[np.float64]]:
    """Return the most common neighbours, by id, and the smoothed share of each."""
    totals = np.bincount(neighbours.places, weights=neighbours.weights, minlength=len(neighbours.ids))
    # The first of those that are equally common.
    chosen = np.sort(np.argsort(-totals, kind="stable")[:MOST_CONTEXTS])
    smoothed = totals[chosen] ** _SMOOTHING
    return neighbours.ids.gather(chosen).to_list(), smoothed / max(smoothed.sum(), np.finfo(np.float64).tiny)


def _weigh(neighbours: _Neighbours, items: int, ids: Sequence[str], shares: npt.NDArray[np.float64]) -> Any:
    """Return a sparse matrix (items, contexts) of positive pointwise mutual information."""
    numbers = pl.DataFrame({ITEM_ID: ids, "number": np.arange(len(ids))}, schema_overrides={ITEM_ID: pl.String})
    joined = neighbours.ids.to_frame().join(numbers, on=ITEM_ID, how="left", maintain_order="left")
    context_of_place = joined["number"].fill_null(-1).to_numpy().astype(np.int32)
    # Of an item's neighbours those that are contexts.
    sums = np.zeros(items)
    nothing = np.zeros(0, dtype=np.int32)
    entries: list[tuple[npt.NDArray[Any], ...]] = [(nothing, nothing, np.zeros(0))]
    for counting in (True, False):
        for begin in range(0, len(neighbours.rows), _PAIRS_AT_ONCE):
            some = slice(begin, begin + _PAIRS_AT_ONCE)
            contexts = context_of_place[neighbours.places[some]]
            known = contexts >= 0
            rows, contexts, weights = neighbours.rows[some][known], contexts[known], neighbours.weights[some][known]
            if counting:
                sums += np.bincount(rows, weights=weights, minlength=items)
                continue
            information = np.log(weights / (sums[rows] * shares[contexts]))
            positive = information > 0
            entries.append((rows[positive], contexts[positive], information[positive]))
    rows, contexts, values = (np.concatenate(parts) for parts in zip(*entries, strict=True))
    ends = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=items))])
    return _text_extra().csr_matrix((values, contexts, ends), shape=(items, len(ids)))


@dataclass(frozen=True, kw_only=True)
class _Neighbours:
    """All neighbours of some items, one after the other.

    Attributes:
        rows: of the items, ascending.
        places: of the neighbours in `ids`.
        weights: of the pairs.
        ids: of all neighbours, as one line of text each, in ascending order.
    """

    rows: npt.NDArray[np.int32]
    places: npt.NDArray[np.int32]
    weights: npt.NDArray[np.float32]
    ids: pl.Series


def _explode(column: pl.Series) -> _Neighbours:
    if column.dtype == pl.Null:
        nothing = np.zeros(0, dtype=np.int32)
        no_ids = pl.Series(ITEM_ID, [], dtype=pl.String)
        return _Neighbours(rows=nothing, places=nothing, weights=nothing.astype(np.float32), ids=no_ids)
    listed = column.alias("near").to_frame().with_row_index("row").explode("near").drop_nulls().unnest("near")
    codes = listed[ITEM_ID].to_physical().to_numpy()
    known = listed[ITEM_ID].unique()
    ids = known.cast(pl.String).str.replace_all("\\", "\\\\", literal=True).str.replace_all("\n", "\\n", literal=True)
    order = ids.arg_sort()
    places = np.zeros(int(codes.max(initial=0)) + 1, dtype=np.int32)
    places[known.to_physical().gather(order).to_numpy()] = np.arange(len(known), dtype=np.int32)
    rows, weights = listed["row"].to_numpy().astype(np.int32), listed["weight"].to_numpy()
    return _Neighbours(rows=rows, places=places[codes], weights=weights, ids=ids.gather(order))


def _text_extra() -> Any:
    try:
        from scipy import sparse
    except ImportError as error:
        raise UsageError("cooccurrence needs scikit-learn", hint="pip install 'adrec-cli[text]'") from error
    return sparse
