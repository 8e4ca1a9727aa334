"""The rank of each target: by counting what scores as high, or in the list that several samples are merged into."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch

from adrec_cli.data.sequences import Sequences
from adrec_cli.layers.repeats import HistoryBias
from adrec_cli.ranking.merging import DECIMALS, RANK_OFFSET, merge_top_k
from adrec_cli.ranking.metrics import CUTOFFS
from adrec_cli.ranking.protocols import Cases
from adrec_cli.ranking.rivals import EVERYTHING, Rivals
from adrec_cli.ranking.samples import choose_depth
from adrec_cli.ranking.scorer import Scorer
from adrec_cli.ranking.scores import exclude, mean_sample, rows_at_once, score_chunks, scores_of

OnProgress = Callable[[int, int], object]
"""Called with cases done and all cases; what it raises ends the ranking."""


def target_ranks(
    scorer: Scorer,
    sequences: Sequences,
    cases: Cases,
    rivals: Rivals = EVERYTHING,
    on_progress: OnProgress = lambda done, total: None,
    *,
    turn: int = 0,
    turns: int = 1,
) -> npt.NDArray[np.int64]:
    """Rank the target of each case; an item with the same score counts as better (ties against the target).

    Where samples are merged by reciprocal rank, a target that no sample has among its best `MIN_CANDIDATES` is last of
    all; metrics do not look so far.

    Args:
        scorer: a model and how it is asked.
        sequences: where the histories are.
        cases: to rank.
        rivals: the items each target competes with.
        on_progress: called with cases done and all cases.
        turn, turns: number of this process, and of all that rank these cases together, by whole batches.

    Returns:
        rank of each case, from 1; 0 where it is another process's.

    Raises:
        ArtifactError: the model gives values that are not finite.
    """
    ranks = np.zeros(len(cases), dtype=np.int64)
    done = 0
    for count in rank_batches(scorer, sequences, cases, rivals, ranks, turn=turn, turns=turns):
        done += count
        on_progress(done, len(cases))
    return ranks


def rank_batches(
    scorer: Scorer,
    sequences: Sequences,
    cases: Cases,
    rivals: Rivals,
    ranks: npt.NDArray[np.int64],
    *,
    turn: int = 0,
    turns: int = 1,
) -> Iterator[int]:
    """Rank as `target_ranks` into `ranks`, which has a place for each case; yield how many cases each batch had."""
    among_all, among_own = (_count_all, _count_own) if scorer.merging.ranks_once else (_fuse_all, _fuse_own)
    vectors_VD = scorer.vectors_VD
    for numbers, samples, bias in scorer.represent(sequences, cases.starts, cases.ends, turn=turn, turns=turns):
        targets = cases.targets[numbers]
        if rivals.negatives is not None:
            ranks[numbers] = among_own(samples, vectors_VD, targets, rivals.negatives[numbers], bias)
        else:
            seen = rivals.mask(sequences, cases, numbers)
            ranks[numbers] = among_all(samples, vectors_VD, targets, seen, bias)
        yield len(numbers)


def _count_own(
    samples: Sequence[torch.Tensor],
    vectors_VD: torch.Tensor,
    targets: npt.NDArray[np.int64],
    negatives: npt.NDArray[np.int64],
    bias: HistoryBias | None,
) -> npt.NDArray[np.int64]:
    """Return the rank of each target among its negatives by the mean score."""
    both_BN = torch.from_numpy(np.column_stack([targets, negatives])).to(vectors_VD.device)
    return count_beaten(scores_of(mean_sample(samples), vectors_VD, both_BN, bias), both_BN)


def count_beaten(scores_BN: torch.Tensor, both_BN: torch.Tensor) -> npt.NDArray[np.int64]:
    """Return the rank of each target, the first of its row, among its negatives, the others, by their scores."""
    # A negative that is the target itself is not a competitor.
    competing_BN = both_BN[:, 1:] != both_BN[:, :1]
    beaten_by_B = ((scores_BN[:, 1:] >= scores_BN[:, :1]) & competing_BN).sum(dim=1)
    return beaten_by_B.cpu().numpy() + 1


def _count_all(
    samples: Sequence[torch.Tensor],
    vectors_VD: torch.Tensor,
    targets: npt.NDArray[np.int64],
    seen: list[npt.NDArray[np.int64]],
    bias: HistoryBias | None,
) -> npt.NDArray[np.int64]:
    """Return the rank of each target among all items by the mean score; padding is none.

    Counts are summed as float32, which is exact below 2^24 items.
    """
    representation_BD = mean_sample(samples)
    targets_B = torch.from_numpy(targets).to(vectors_VD.device)
    rows = rows_at_once(len(vectors_VD), vectors_VD.device)
    counts = []
    for begin, scores_BV in score_chunks(representation_BD, vectors_VD[1:], rows):
        if bias is not None:
            bias.rows(slice(begin, begin + rows)).add_to(scores_BV, first=1)
        target_B1 = targets_B[begin : begin + rows].unsqueeze(1) - 1
        target_score_B1 = scores_BV.gather(1, target_B1)
        exclude(scores_BV, [items - 1 for items in seen[begin : begin + rows]])
        competing_BV = scores_BV.ge_(target_score_B1)
        counts.append((competing_BV.sum(dim=1) - competing_BV.gather(1, target_B1).squeeze(1)).long())
    return torch.cat(counts).cpu().numpy() + 1


def _fuse_all(
    samples: Sequence[torch.Tensor],
    vectors_VD: torch.Tensor,
    targets: npt.NDArray[np.int64],
    seen: list[npt.NDArray[np.int64]],
    bias: HistoryBias | None,
) -> npt.NDArray[np.int64]:
    """Return the rank of each target among the items of the merged list, equal scores before it; V where it is not."""
    excluded = seen or [np.empty(0, dtype=np.int64)] * len(targets)
    merged = merge_top_k(samples, vectors_VD, choose_depth(max(CUTOFFS)), excluded, bias=bias)
    ranks = np.full(len(targets), len(vectors_VD) - 1, dtype=np.int64)
    for row, (best, target) in enumerate(zip(merged, targets.tolist(), strict=True)):
        (at,) = np.nonzero(best.items == target)
        if len(at):
            ranks[row] = (best.scores >= best.scores[at[0]]).sum()
    return ranks


def _fuse_own(
    samples: Sequence[torch.Tensor],
    vectors_VD: torch.Tensor,
    targets: npt.NDArray[np.int64],
    negatives: npt.NDArray[np.int64],
    bias: HistoryBias | None,
) -> npt.NDArray[np.int64]:
    """Return the rank of each target among its negatives, all of which every sample ranks.

    A negative that is the target itself is not a competitor.
    """
    both_BN = torch.from_numpy(np.column_stack([targets, negatives])).to(vectors_VD.device)
    same_BN = both_BN == both_BN[:, :1]
    same_BN[:, 0] = False
    fused_BN = torch.zeros(both_BN.shape, dtype=torch.float64, device=vectors_VD.device)
    for representation_BD in samples:
        scores_BN = scores_of(representation_BD, vectors_VD, both_BN, bias).masked_fill(same_BN, float("-inf"))
        # 1 + how many score higher; equal scores share the best of their ranks.
        rank_BN = 1 + scores_BN.shape[1] - torch.searchsorted(scores_BN.sort(dim=1).values, scores_BN, right=True)
        fused_BN += 1.0 / (RANK_OFFSET + rank_BN)
    fused_BN = fused_BN.round(decimals=DECIMALS).masked_fill(same_BN, float("-inf"))
    return (fused_BN >= fused_BN[:, :1]).sum(dim=1).cpu().numpy()
