"""Scores by inner product, ranks by counting what beats the target, and the best k; never users x items at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from adrec_cli.data.batches import history_batches
from adrec_cli.data.sequences import Sequences
from adrec_cli.errors import ArtifactError
from adrec_cli.layers.repeats import HistoryBias, add_at
from adrec_cli.models.base import Sampling, SequentialRecommender
from adrec_cli.ranking.protocols import Cases
from adrec_cli.ranking.recorded import Recordings
from adrec_cli.runtime import seeded_generator

_CHUNK_ENTRIES = {"cpu": 2**21}
_OTHER_CHUNK_ENTRIES, _MIN_ROWS = 2**26, 64
"""Scores, or entries of vectors, held at once, in float32 8 MB on a CPU, elsewhere 256; and rows of them at least."""
_FEW_SCORES = 2**18
"""Scores of users together that are brought over from a GPU, so that the best are found here."""
_MANY_COLUMNS, _BLOCK = 2**13, 64
"""Columns from which the best are looked for in blocks, and columns of a block."""
_BATCH_TOKENS = {"cpu": 4_096}
_OTHER_BATCH_TOKENS, _MIN_BATCH_TOKENS, _MOST_CASES = 2**18, 1_024, 2**14
"""Positions of a batch: on a CPU as many as its caches hold; at least so many with however many samples; and cases."""


@dataclass(frozen=True, kw_only=True)
class Ranked:
    """The best items of one user, best first.

    Attributes:
        items: item indices; scores: theirs.
    """

    items: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float32]


@torch.inference_mode()
def represented(
    model: SequentialRecommender,
    items: npt.NDArray[np.int32],
    starts: npt.NDArray[np.int64],
    ends: npt.NDArray[np.int64],
    *,
    output: str,
    sampling: Sampling,
    device: torch.device,
    samples: int = 1,
    recordings: Recordings | None = None,
) -> Iterator[tuple[npt.NDArray[np.int64], list[torch.Tensor], HistoryBias | None]]:
    """Yield numbers of cases, batched by length, representation_BD of their histories in each sample, and their bias.

    Args:
        model: anything that represents histories.
        items, starts, ends: as `history_batches`.
        output, sampling: as `SequentialRecommender.represent`.
        device: to compute on.
        samples: of a diffusion model.
        recordings: of this model, whose weights stay as they are; small batches are taken from there.

    Raises:
        ArtifactError: the model gives values that are not finite.
    """
    if model.training:
        model.eval()
    tokens = max(_MIN_BATCH_TOKENS, _BATCH_TOKENS.get(device.type, _OTHER_BATCH_TOKENS) // samples)
    batches = history_batches(
        items, starts, ends, max_length=model.max_length, batch_tokens=tokens, most_cases=_MOST_CASES
    )
    for cases, histories in batches:
        # The same for every batch and device: nobody's noise depends on who else is in it, or where it is computed.
        generator = seeded_generator(sampling.seed, "sampling", sampling.noise)
        recorded = recordings or Recordings(torch.device("cpu"))
        moved = histories.to(device)
        representations = []
        for _ in range(samples):
            found_BD = recorded.represent(model, histories, output=output, sampling=sampling, generator=generator)
            if found_BD is None:
                found_BD = model.represent(moved, output=output, sampling=sampling, generator=generator)
            representations.append(found_BD)
        if not all(bool(torch.isfinite(representation_BD).all()) for representation_BD in representations):
            raise ArtifactError(f"{model.name} gives values that are not finite", hint="train it anew")
        yield cases, representations, model.history_bias(moved)


def mean_sample(representations: Sequence[torch.Tensor]) -> torch.Tensor:
    """Return representation_BD whose scores are the means over the samples, as scores are inner products."""
    return representations[0] if len(representations) == 1 else torch.stack(list(representations)).mean(dim=0)


def target_ranks(
    model: SequentialRecommender,
    sequences: Sequences,
    cases: Cases,
    *,
    output: str,
    sampling: Sampling,
    device: torch.device,
    negatives: npt.NDArray[np.int64] | None = None,
    mask_seen: bool = False,
    samples: int = 1,
    on_progress: Callable[[int, int], bool] = lambda done, total: True,
) -> npt.NDArray[np.int64] | None:
    """Rank the target of each case; an item with the same score counts as better (ties against the target).

    Args:
        model: anything that represents histories.
        sequences: where the histories are.
        cases: to rank.
        output, sampling: as `SequentialRecommender.represent`.
        device: to compute on.
        negatives: (cases, n) item indices to rank against; None ranks against the whole catalogue.
        mask_seen: leave items of the history out of the competition.
        samples: of a diffusion model; the score of an item is the mean of theirs.
        on_progress: told cases done and all cases; returning False stops.

    Returns:
        rank of each case, from 1; None when stopped.
    """
    ranks = np.zeros(len(cases), dtype=np.int64)
    vectors_VD = model.item_vectors_VD().detach()
    done = 0
    batches = represented(
        model, sequences.items, cases.starts, cases.ends, output=output, sampling=sampling, device=device,
        samples=samples,
    )  # fmt: skip
    for numbers, representations, bias in batches:
        representation_BD = mean_sample(representations)
        targets_B = torch.from_numpy(cases.targets[numbers]).to(device)
        if negatives is not None:
            candidates_BN = torch.from_numpy(negatives[numbers]).to(device)
            beaten_by_B = _count_sampled(representation_BD, vectors_VD, targets_B, candidates_BN, bias)
        else:
            seen = [np.unique(sequences.items[cases.starts[n] : cases.ends[n]]) for n in numbers] if mask_seen else None
            beaten_by_B = _count_full(representation_BD, vectors_VD, targets_B, seen, bias)
        ranks[numbers] = beaten_by_B.cpu().numpy() + 1
        done += len(numbers)
        if not on_progress(done, len(cases)):
            return None
    return ranks


def _count_sampled(
    representation_BD: torch.Tensor,
    vectors_VD: torch.Tensor,
    targets_B: torch.Tensor,
    candidates_BN: torch.Tensor,
    bias: HistoryBias | None = None,
) -> torch.Tensor:
    both_BN = torch.cat([targets_B.unsqueeze(1), candidates_BN], dim=1)
    scores_BN = scores_of(representation_BD, vectors_VD, both_BN, bias)
    # A candidate that is the target itself is no competitor.
    competing_BN = candidates_BN != targets_B.unsqueeze(1)
    return ((scores_BN[:, 1:] >= scores_BN[:, :1]) & competing_BN).sum(dim=1)


def scores_of(
    representation_BD: torch.Tensor, vectors_VD: torch.Tensor, items_BN: torch.Tensor, bias: HistoryBias | None = None
) -> torch.Tensor:
    """Return scores_BN of each row's own items; their vectors are gathered for some rows at a time."""
    rows = _rows_at_once(items_BN.shape[1] * vectors_VD.shape[1], vectors_VD.device)
    pairs = zip(torch.split(representation_BD, rows), torch.split(items_BN, rows), strict=True)
    scores = [torch.einsum("bd,bnd->bn", vectors_RD, vectors_VD[items_RN]) for vectors_RD, items_RN in pairs]
    return torch.cat(scores) if bias is None else torch.cat(scores) + bias.of(items_BN)


def _count_full(
    representation_BD: torch.Tensor,
    vectors_VD: torch.Tensor,
    targets_B: torch.Tensor,
    seen: list[npt.NDArray[np.int32]] | None,
    bias: HistoryBias | None = None,
) -> torch.Tensor:
    """Count the items that score at least as high as the target, the target and padding left out.

    Counts are summed as float32, which is exact below 2^24 items.
    """
    rows = _rows_at_once(len(vectors_VD), vectors_VD.device)
    counts = []
    for begin, scores_BV in _score_chunks(representation_BD, vectors_VD[1:], rows):
        if bias is not None:
            bias.rows(slice(begin, begin + rows)).add_to(scores_BV, first=1)
        target_B1 = targets_B[begin : begin + rows].unsqueeze(1) - 1
        target_score_B1 = scores_BV.gather(1, target_B1)
        if seen is not None:
            _exclude(scores_BV, [items.astype(np.int64) - 1 for items in seen[begin : begin + rows]])
        competing_BV = scores_BV.ge_(target_score_B1)
        counts.append((competing_BV.sum(dim=1) - competing_BV.gather(1, target_B1).squeeze(1)).long())
    return torch.cat(counts)


def _rows_at_once(entries: int, device: torch.device) -> int:
    """Return how many users are computed at once, each of whom takes so many entries.

    Of very many entries it is more than the limit allows, or matrix products would be flat.
    """
    return max(_MIN_ROWS, _CHUNK_ENTRIES.get(device.type, _OTHER_CHUNK_ENTRIES) // entries)


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
        representation_BD: one a user.
        vectors_VD: of the items; row 0 is padding and never returned.
        k: at most; fewer come back where fewer are left.
        excluded: item indices each user must not get.
        candidates: item indices, ascending, that alone may come back; None allows all.
        bias: added to the scores of the items of each row's history.
    """
    columns = _Columns(len(vectors_VD) - 1, candidates)
    candidates_CD = vectors_VD[1:]
    if candidates is not None and len(candidates) < len(vectors_VD) - 1:
        candidates_CD = vectors_VD[torch.from_numpy(candidates).to(vectors_VD.device)]
    results: list[Ranked] = []
    rows = _rows_at_once(len(vectors_VD), vectors_VD.device)
    for begin, scores_BC in _score_chunks(representation_BD, candidates_CD, rows):
        if bias is not None:
            some = bias.rows(slice(begin, begin + rows))
            add_at(scores_BC, columns.of_tensor(some.items_NS), some.values_NS)
        if scores_BC.numel() <= _FEW_SCORES:
            # Brought over at once: a GPU would be waited for several times on the way to the best of so few.
            scores_BC = scores_BC.cpu()
        _exclude(scores_BC, [columns.of(items) for items in excluded[begin : begin + rows]])
        results += [Ranked(items=columns.items(best.items), scores=best.scores) for best in _best_columns(scores_BC, k)]
    return results


def _score_chunks(
    representation_BD: torch.Tensor, items_CD: torch.Tensor, rows: int
) -> Iterator[tuple[int, torch.Tensor]]:
    """Yield where some rows begin, and their scores_BC, which the next ones overwrite."""
    buffer = representation_BD.new_empty(min(rows, len(representation_BD)), len(items_CD))
    for begin in range(0, len(representation_BD), rows):
        some_BD = representation_BD[begin : begin + rows]
        yield begin, torch.mm(some_BD, items_CD.T, out=buffer[: len(some_BD)])


class _Columns:
    """Which column of scores an item has among those that compete; all but all of them need a table for it."""

    def __init__(self, items: int, candidates: npt.NDArray[np.int64] | None) -> None:
        self.count = items if candidates is None else len(candidates)
        self.candidates = candidates
        if candidates is not None:
            # Behind the last column stands one that takes what is no candidate anyway.
            self.column_V = np.full(items + 1, len(candidates), dtype=np.int64)
            self.column_V[candidates] = np.arange(len(candidates))

    def of(self, items: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        return items - 1 if self.candidates is None else self.column_V[items]

    def of_tensor(self, items: torch.Tensor) -> torch.Tensor:
        return items - 1 if self.candidates is None else torch.from_numpy(self.column_V).to(items.device)[items]

    def items(self, columns: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        return columns + 1 if self.candidates is None else self.candidates[columns]


def _exclude(scores_BC: torch.Tensor, columns: list[npt.NDArray[np.int64]]) -> None:
    lengths = [len(entry) for entry in columns]
    if not sum(lengths):
        return
    column_N = np.concatenate(columns)
    row_N = np.repeat(np.arange(len(columns)), lengths)
    real_N = (column_N >= 0) & (column_N < scores_BC.shape[1])
    row, column = (torch.from_numpy(entry[real_N]).to(scores_BC.device) for entry in (row_N, column_N))
    scores_BC[row, column] = float("-inf")


def _best_columns(scores_BC: torch.Tensor, k: int) -> list[Ranked]:
    """Return the best k columns of each row; what scores minus infinity never comes back."""
    k = min(k, scores_BC.shape[1])
    if k == 0:
        return [_best(scores_C.cpu().numpy(), 0) for scores_C in scores_BC]
    # One more than asked for shows where equal scores straddle the end, which `topk` cuts anyhow.
    values, columns = _largest(scores_BC, min(k + 1, scores_BC.shape[1]))
    straddles = (
        (values[:, k - 1] == values[:, -1]) if values.shape[1] > k else torch.zeros(len(values), dtype=torch.bool)
    )
    values_BK, columns_BK = _by_column_within_equals(values[:, :k], columns[:, :k])
    kept = torch.isfinite(values_BK).sum(dim=1).tolist()
    all_values, all_columns = values_BK.cpu().numpy(), columns_BK.cpu().numpy()
    return [
        _best(scores_BC[row].cpu().numpy(), k)
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


def _best(scores_V: npt.NDArray[np.float32], k: int) -> Ranked:
    available = int(np.isfinite(scores_V).sum())
    k = min(k, available)
    if k == 0:
        return Ranked(items=np.empty(0, dtype=np.int64), scores=np.empty(0, dtype=np.float32))
    threshold = np.partition(scores_V, -k)[-k]
    candidates = np.flatnonzero(scores_V >= threshold)
    order = np.argsort(-scores_V[candidates], kind="stable")[:k]
    chosen = candidates[order]
    return Ranked(items=chosen, scores=scores_V[chosen])
