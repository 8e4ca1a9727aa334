"""The best items by an index: a pool from vectors of four bits an entry, scored again by the vectors themselves.

Scores are those of the exact search; what can differ is that an item of the best is not in the pool. How often that
happens is measured where an index is built. Where a filter leaves too little of a pool, the search is exact.

Source: André, Kermarrec, Le Scouarnec, "Quicker ADC: Unlocking the Hidden Potential of Product Quantization with SIMD",
2018, arXiv 1812.09162, as faiss has it (`IndexPQFastScan`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from adrec_cli.errors import UsageError
from adrec_cli.ranking.ranked import Ranked
from adrec_cli.ranking.scores import top_k
from adrec_cli.schema import PAD
from adrec_cli.wording import option

if TYPE_CHECKING:
    import torch

    from adrec_cli.layers.repeats import HistoryBias

Codes = tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8]]
"""Item vectors in four bits an entry: centroids_DC, 16 values of each dimension, and codes_VN, two entries a byte."""

LIST: Final = 100
"""Length of the lists that recall is measured on."""
RECALL: Final = 0.99
"""Share of the exact best that a pool must hold."""
POOLS: Final = (200, 400, 800, 1_600, 3_200)
"""Sizes that are tried for a list of 100."""
FEWEST_ITEMS: Final = 2_000
_MOST_SHARE = 0.125
"""Of the catalogue that may be a pool; beyond it the exact search is as quick."""
_BITS, _TRAINED_ON = 4, 2**16


class ItemIndex:
    """Item vectors to search approximately.

    Attributes:
        items: V, without padding.
        pool: items to find for a list of `LIST`.
    """

    def __init__(self, codes: Codes, pool: int) -> None:
        faiss = require_faiss()
        centroids_DC, codes_VN = (np.ascontiguousarray(array) for array in codes)
        width = len(centroids_DC)
        self.items, self.pool = len(codes_VN), pool
        plain = faiss.IndexPQ(width, width, _BITS, faiss.METRIC_INNER_PRODUCT)
        faiss.copy_array_to_vector(centroids_DC.reshape(-1), plain.pq.centroids)
        faiss.copy_array_to_vector(codes_VN.reshape(-1), plain.codes)
        plain.ntotal, plain.is_trained = self.items, True
        self._index = faiss.IndexPQFastScan(plain)

    def find(self, representation_BD: torch.Tensor, count: int) -> npt.NDArray[np.int64]:
        """Return for each row the indices (B, count) of items with probably high scores, in any order."""
        import torch

        require_faiss().omp_set_num_threads(torch.get_num_threads())
        queries_BD = np.ascontiguousarray(representation_BD.detach().cpu().float().numpy())
        _, found_BN = self._index.search(queries_BD, count)
        return np.asarray(found_BN, dtype=np.int64) + 1

    def top_k(
        self,
        representation_BD: torch.Tensor,
        vectors_VD: torch.Tensor,
        k: int,
        excluded: list[npt.NDArray[np.int64]],
        candidates: npt.NDArray[np.int64] | None = None,
        bias: HistoryBias | None = None,
    ) -> list[Ranked]:
        """Return the best k items of each row of their pools; arguments as `ranking.scores.top_k`."""
        share = 1.0 if candidates is None else max(len(candidates), 1) / self.items
        needed = -(-self.pool * max(k, 1) // LIST)
        lost = max((len(items) for items in excluded), default=0) + (0 if bias is None else bias.items_NS.shape[1])
        count = int(np.ceil(max(self.pool, needed) / share)) + lost
        if count > self.items * _MOST_SHARE or k >= self.items:
            return top_k(representation_BD, vectors_VD, k, excluded, candidates, bias)
        allowed_V = None
        if candidates is not None:
            allowed_V = np.zeros(self.items + 1, dtype=bool)
            allowed_V[candidates] = True
        results = []
        for row, found in enumerate(self.find(representation_BD, count)):
            one = slice(row, row + 1)
            own_bias = None if bias is None else bias.rows(one)
            # The index does not know which scores a bias lifts, and which it lowers.
            moved = np.empty(0, np.int64) if own_bias is None else np.unique(own_bias.items_NS.cpu().numpy())
            moved = moved[moved != PAD]
            pool = np.union1d(found, moved)
            if allowed_V is not None:
                pool = pool[allowed_V[pool]]
            left = len(pool) - _count_common(pool, np.union1d(excluded[row], moved))
            pool_or_all = pool if left >= needed else candidates
            results += top_k(representation_BD[one], vectors_VD, k, excluded[one], pool_or_all, own_bias)
        return results


def _count_common(pool: npt.NDArray[np.int64], items: npt.NDArray[np.int64]) -> int:
    """Return how many items two ascending arrays share, in a tenth of the time of `np.isin`."""
    at = np.minimum(np.searchsorted(pool, items), len(pool) - 1)
    return int((pool[at] == items).sum()) if len(pool) else 0


def build_index(vectors_VD: npt.NDArray[np.float32]) -> Codes:
    """Return item vectors in four bits an entry: of each dimension the 16 values that fit best.

    Args:
        vectors_VD: row 0 is padding, which is left out.

    Raises:
        UsageError: the library is not installed.
    """
    faiss = require_faiss()
    items_VD = np.ascontiguousarray(vectors_VD[1:], dtype=np.float32)
    width = items_VD.shape[1]
    index = faiss.IndexPQ(width, width, _BITS, faiss.METRIC_INNER_PRODUCT)
    step = -(-len(items_VD) // _TRAINED_ON)
    index.train(items_VD[::step])
    index.add(items_VD)
    centroids_DC = faiss.vector_to_array(index.pq.centroids).reshape(width, 1 << _BITS)
    return centroids_DC, faiss.vector_to_array(index.codes).reshape(len(items_VD), -1)


def choose_pool(codes: Codes, representation_BD: torch.Tensor, vectors_VD: torch.Tensor) -> tuple[int, float]:
    """Return the smallest pool with which recall is high enough, and its recall; pool 0 and the best one where none is.

    Args:
        codes: as `build_index` returns them.
        representation_BD: of real histories.
        vectors_VD: as `top_k`.
    """
    nothing: list[npt.NDArray[np.int64]] = [np.empty(0, np.int64)] * len(representation_BD)
    exact = top_k(representation_BD, vectors_VD, LIST, nothing)
    index, recall = ItemIndex(codes, LIST), 0.0
    for pool in POOLS:
        if pool > index.items * _MOST_SHARE:
            break
        found_BN = index.find(representation_BD, pool)
        recall = float(np.mean([np.isin(one.items, row).mean() for one, row in zip(exact, found_BN, strict=True)]))
        if recall >= RECALL:
            return pool, recall
    return 0, recall


def has_faiss() -> bool:
    """Return whether the library is installed."""
    from importlib.util import find_spec

    return find_spec("faiss") is not None


def require_faiss() -> Any:
    """Return faiss.

    Raises:
        UsageError: it is not installed.
    """
    try:
        import faiss
    except ModuleNotFoundError as error:
        raise UsageError(
            "an index of items needs faiss", hint=f"pip install 'adrec-cli[ann]', or without it {option('exact', True)}"
        ) from error
    return faiss
