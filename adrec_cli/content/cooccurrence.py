"""What people have near an item in train: positive pointwise mutual information, and a truncated SVD.

Two items that nobody has together may have the same neighbours, which their own vectors learn from few events only.

Source: Levy and Goldberg, "Neural word embedding as implicit matrix factorization", NeurIPS 2014; smoothed contexts and
the square root of singular values: Levy, Goldberg, Dagan, "Improving distributional similarity", TACL 2015.
"""

from __future__ import annotations

from collections.abc import Sequence
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
            [item_ids.gather(near.indices).to_arrow(), pa.array(near.data.astype(np.float32))],
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
        InputError: no two items are near. UsageError: scikit-learn is not installed.
    """
    _text_extra()
    from sklearn.utils.extmath import randomized_svd

    neighbours = _explode(columns.to_series())
    ids, shares = _common_contexts(neighbours)
    weighted = _weigh(neighbours, columns.height, ids, shares)
    if not weighted.nnz:
        raise InputError("no two items stand near each other in train", hint="leave the encoder cooccurrence out")
    _, sizes, directions = randomized_svd(weighted, n_components=min(most, *weighted.shape), random_state=0)
    kept = sizes > _LEAST_SHARE * sizes[0]
    components = directions[kept] / np.sqrt(sizes[kept])[:, None]
    return {"ids": as_bytes(ids), "shares": shares.astype(np.float32), "components": components.astype(np.float32)}


def width(state: State) -> int:
    """Return how many entries a vector has; errors as `count_components`."""
    return count_components(state, "ids", "shares")


def encode(columns: pl.DataFrame, state: State) -> Matrix:
    """Return a vector for each item; zeros where none of its neighbours is known."""
    neighbours = _explode(columns.to_series())
    weighted = _weigh(neighbours, columns.height, as_texts(state["ids"]), state["shares"].astype(np.float64))
    encoded: Matrix = weighted @ state["components"].T.astype(np.float64)
    return encoded


def _common_contexts(neighbours: pl.DataFrame) -> tuple[list[str], npt.NDArray[np.float64]]:
    """Return the most common neighbours, by id, and the smoothed share of each."""
    ids = neighbours[ITEM_ID].unique().sort()
    places = ids.search_sorted(neighbours[ITEM_ID])
    totals = np.bincount(places.to_numpy(), weights=neighbours["weight"].to_numpy(), minlength=len(ids))
    # The first of those that are equally common.
    chosen = np.sort(np.argsort(-totals, kind="stable")[:MOST_CONTEXTS])
    smoothed = totals[chosen] ** _SMOOTHING
    return ids.gather(chosen).to_list(), smoothed / max(smoothed.sum(), np.finfo(np.float64).tiny)


def _weigh(neighbours: pl.DataFrame, items: int, ids: Sequence[str], shares: npt.NDArray[np.float64]) -> Any:
    """Return a sparse matrix (items, contexts) of positive pointwise mutual information."""
    contexts = pl.DataFrame({ITEM_ID: ids, "context": np.arange(len(ids))}, schema_overrides={ITEM_ID: pl.String})
    known = neighbours.join(contexts, on=ITEM_ID, how="inner", maintain_order="left")
    rows, found, weights = (known[name].to_numpy() for name in ("row", "context", "weight"))
    sums = np.bincount(rows, weights=weights, minlength=items)
    information = np.log(weights / (sums[rows] * shares[found]))
    positive = information > 0
    entries = (information[positive], (rows[positive], found[positive]))
    return _text_extra().csr_matrix(entries, shape=(items, len(ids)))


def _explode(column: pl.Series) -> pl.DataFrame:
    """Return `row`, `item_id` as one line of text, and `weight` of all neighbours."""
    if column.dtype == pl.Null:
        return pl.DataFrame(schema={"row": pl.Int64, ITEM_ID: pl.String, "weight": pl.Float64})
    listed = column.alias("near").to_frame().with_row_index("row").explode("near").drop_nulls().unnest("near")
    one_line = pl.col(ITEM_ID).str.replace_all("\\", "\\\\", literal=True).str.replace_all("\n", "\\n", literal=True)
    return listed.select(pl.col("row").cast(pl.Int64), one_line, pl.col("weight").cast(pl.Float64))


def _text_extra() -> Any:
    try:
        from scipy import sparse
    except ImportError as error:
        raise UsageError("cooccurrence needs scikit-learn", hint="pip install 'adrec-cli[text]'") from error
    return sparse
