"""Scores by inner product, and the best k of them; never users x items at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch

from adrec_cli.layers.repeats import HistoryBias, add_at
from adrec_cli.ranking.products import score_items
from adrec_cli.ranking.ranked import Ranked

_CHUNK_ENTRIES = {"cpu": 2**21}
_OTHER_CHUNK_ENTRIES, _MIN_ROWS = 2**26, 64
"""Scores, or entries of vectors, held at once, in float32 8 MB on a CPU, elsewhere 256; and rows of them at least."""
_FEW_SCORES = 2**18
"""Scores of users together that are brought over from a GPU, so that the best are found here."""
_USERS_A_COPY = 20
"""Users for whom a vector is scored in the time that it is copied in."""
_MANY_COLUMNS, _BLOCK = 2**13, 64
"""Columns from which the best are looked for in blocks, and columns of a block."""


def mean_sample(representations: Sequence[torch.Tensor]) -> torch.Tensor:
    """Return representation_BD whose scores are the means over the samples, as scores are inner products."""
    return representations[0] if len(representations) == 1 else torch.stack(list(representations)).mean(dim=0)


def scores_of(
    representation_BD: torch.Tensor, vectors_VD: torch.Tensor, items_BN: torch.Tensor, bias: HistoryBias | None = None
) -> torch.Tensor:
    """Return scores_BN of each row's own items; their vectors are gathered for some rows at a time."""
    rows = rows_at_once(items_BN.shape[1] * vectors_VD.shape[1], vectors_VD.device)
    pairs = zip(torch.split(representation_BD, rows), torch.split(items_BN, rows), strict=True)
    scores = [torch.einsum("bd,bnd->bn", vectors_RD, vectors_VD[items_RN]) for vectors_RD, items_RN in pairs]
    return torch.cat(scores) if bias is None else torch.cat(scores) + bias.of(items_BN)


def rows_at_once(entries: int, device: torch.device) -> int:
    """Return how many users are computed at once, where each takes a number of entries, perhaps none.

    Of very many entries it is more than the limit allows, or matrix products would be flat.
    """
    return max(_MIN_ROWS, _CHUNK_ENTRIES.get(device.type, _OTHER_CHUNK_ENTRIES) // max(entries, 1))


def top_k(
    representation_BD: torch.Tensor,
    vectors_VD: torch.Tensor,
    k: int,
    excluded: list[npt.NDArray[np.int64]],
    candidates: npt.NDArray[np.int64] | None = None,
    bias: HistoryBias | None = None,
) -> list[Ranked]:
    """Return the best k items of each row, equal scores in ascending item index.

    Args:
        representation_BD: one per user.
        vectors_VD: of the items; row 0 is padding and never returned.
        k: at most; fewer come back where fewer are left.
        excluded: item indices each user must not get.
        candidates: item indices, ascending, that alone may come back; None allows all.
        bias: added to the scores of the items of each row's history.
    """
    candidates_CD, left_out_C = vectors_VD[1:], None
    if candidates is not None and len(candidates) < len(candidates_CD):
        if _copies_quickly(len(candidates), len(candidates_CD), len(representation_BD), vectors_VD.device):
            candidates_CD = vectors_VD[torch.from_numpy(candidates).to(vectors_VD.device)]
        else:
            left_out_C = torch.ones(len(candidates_CD), dtype=torch.bool)
            left_out_C[torch.from_numpy(candidates - 1)] = False
            candidates = None
    columns = _Columns(len(vectors_VD) - 1, candidates)
    results: list[Ranked] = []
    rows = rows_at_once(len(vectors_VD), vectors_VD.device)
    for begin, scores_BC in score_chunks(representation_BD, candidates_CD, rows):
        if bias is not None:
            some = bias.rows(slice(begin, begin + rows))
            add_at(scores_BC, columns.of_tensor(some.items_NS), some.values_NS)
        if left_out_C is not None:
            scores_BC.masked_fill_(left_out_C, float("-inf"))
        if scores_BC.numel() <= _FEW_SCORES:
            # Brought over at once: a GPU would be waited for several times on the way to the best of so few.
            scores_BC = scores_BC.cpu()
        exclude(scores_BC, [columns.of(items) for items in excluded[begin : begin + rows]])
        results += [Ranked(items=columns.items(best.items), scores=best.scores) for best in _best_columns(scores_BC, k)]
    return results


def _copies_quickly(candidates: int, items: int, users: int, device: torch.device) -> bool:
    """Return whether copying the candidates' vectors pays, rather than scoring all items and leaving the others out."""
    return device.type != "cpu" or candidates * _USERS_A_COPY < (items - candidates) * users


def score_chunks(
    representation_BD: torch.Tensor, items_CD: torch.Tensor, rows: int
) -> Iterator[tuple[int, torch.Tensor]]:
    """Yield where some rows begin, and their scores_BC, which the next ones overwrite."""
    buffer = representation_BD.new_empty(min(rows, len(representation_BD)), len(items_CD))
    for begin in range(0, len(representation_BD), rows):
        some_BD = representation_BD[begin : begin + rows]
        yield begin, score_items(some_BD, items_CD, buffer[: len(some_BD)])


class _Columns:
    """Which column of scores an item has among those that compete, of which there may be few among very many."""

    def __init__(self, items: int, candidates: npt.NDArray[np.int64] | None) -> None:
        self.count = items if candidates is None else len(candidates)
        self.candidates = candidates

    def of(self, items: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        if self.candidates is None:
            return items - 1
        # Behind the last column stands one that takes what is no candidate anyway.
        candidates = np.append(self.candidates, -1)
        columns = np.searchsorted(self.candidates, items)
        return np.where(candidates[columns] == items, columns, self.count)

    def of_tensor(self, items: torch.Tensor) -> torch.Tensor:
        return items - 1 if self.candidates is None else torch.from_numpy(self.of(items.cpu().numpy())).to(items.device)

    def items(self, columns: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        return columns + 1 if self.candidates is None else self.candidates[columns]


def exclude(scores_BC: torch.Tensor, columns: list[npt.NDArray[np.int64]]) -> None:
    """Take columns of each row out of the competition; those that are not there are passed over."""
    lengths = [len(entry) for entry in columns]
    if not sum(lengths):
        return
    column_N = np.concatenate(columns)
    row_N = np.repeat(np.arange(len(columns)), lengths)
    real_N = (column_N >= 0) & (column_N < scores_BC.shape[1])
    if scores_BC.device.type == "cpu":
        scores_BC.numpy()[row_N[real_N], column_N[real_N]] = -np.inf
        return
    row, column = (torch.from_numpy(entry[real_N]).to(scores_BC.device) for entry in (row_N, column_N))
    scores_BC[row, column] = float("-inf")


def _best_columns(scores_BC: torch.Tensor, k: int) -> list[Ranked]:
    """Return the best k columns of each row; what scores minus infinity never comes back."""
    k = min(k, scores_BC.shape[1])
    if k == 0:
        return [Ranked(items=np.empty(0, dtype=np.int64), scores=np.empty(0, dtype=np.float32)) for _ in scores_BC]
    if len(scores_BC) == 1 and scores_BC.device.type == "cpu":
        return [_best(scores_BC[0], k)]
    # One more than asked for shows where equal scores straddle the end, which `topk` cuts anyhow.
    values, columns = _largest(scores_BC, min(k + 1, scores_BC.shape[1]))
    straddles = (
        (values[:, k - 1] == values[:, -1]) if values.shape[1] > k else torch.zeros(len(values), dtype=torch.bool)
    )
    values_BK, columns_BK = _by_column_within_equals(values[:, :k], columns[:, :k])
    kept = torch.isfinite(values_BK).sum(dim=1).tolist()
    all_values, all_columns = values_BK.cpu().numpy(), columns_BK.cpu().numpy()
    return [
        _best(scores_BC[row].cpu(), k)
        if again and count == k
        else Ranked(items=all_columns[row, :count], scores=all_values[row, :count])
        for row, (count, again) in enumerate(zip(kept, straddles.tolist(), strict=True))
    ]


def _largest(scores_BC: torch.Tensor, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the largest values of each row, descending, and their columns; which of equal ones, if some are left, is
    open.

    Of very many columns only the blocks with the largest maxima are sorted: each of the largest values but those that
    equal the least of them lies in one.
    """
    rows, columns = scores_BC.shape
    blocks = columns // _BLOCK
    if scores_BC.device.type != "cpu" or columns < _MANY_COLUMNS or blocks < 2 * count:
        values_BK, columns_BK = scores_BC.topk(count, dim=1)
        return values_BK, columns_BK
    best_BK = scores_BC[:, : blocks * _BLOCK].view(rows, blocks, _BLOCK).amax(dim=2).topk(count, dim=1).indices
    within = torch.arange(_BLOCK)
    rest = torch.arange(blocks * _BLOCK, columns).expand(rows, -1)
    chosen_BN = torch.cat([(best_BK.unsqueeze(2) * _BLOCK + within).flatten(1), rest], dim=1)
    values_BK, at_BK = scores_BC.gather(1, chosen_BN).topk(count, dim=1)
    return values_BK, chosen_BN.gather(1, at_BK)


def _by_column_within_equals(values_BK: torch.Tensor, columns_BK: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Put equal values, which are in any order, into ascending order of their columns."""
    columns_BK, order_BK = columns_BK.sort(dim=1)
    values_BK, order_BK = values_BK.gather(1, order_BK).sort(dim=1, descending=True, stable=True)
    return values_BK, columns_BK.gather(1, order_BK)


def _best(scores_C: torch.Tensor, k: int) -> Ranked:
    """Return the best k columns of one row, on the CPU; the plain way, which for one row is also the quickest.

    No value below the k-th largest of the blocks' maxima is among the best k.
    """
    scores, blocks = scores_C.numpy(), len(scores_C) // _BLOCK
    if blocks >= 2 * k:
        maxima = scores_C[: blocks * _BLOCK].view(blocks, _BLOCK).amax(dim=1).numpy()
        least = np.partition(maxima, -k)[-k]
        within = np.flatnonzero(maxima >= least)[:, None] * _BLOCK + np.arange(_BLOCK)
        columns = np.concatenate([within.ravel(), np.arange(blocks * _BLOCK, len(scores))])
    else:
        least, columns = np.partition(scores, -k)[-k], np.arange(len(scores))
    columns = columns[scores[columns] >= least]
    chosen = columns[np.argsort(-scores[columns], kind="stable")[:k]]
    chosen = chosen[np.isfinite(scores[chosen])]
    return Ranked(items=chosen, scores=scores[chosen])
