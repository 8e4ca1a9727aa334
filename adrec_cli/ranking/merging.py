"""Several denoised samples of each history, merged into one list: what only a model that samples can do.

Every sample denoises from noise of its own, and so may point to other items. Samples are merged by reciprocal rank,
which lets an item in that a single sample puts on top, or by the mean score.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import torch

from adrec_cli.data.sequences import Sequences
from adrec_cli.errors import UsageError, look_up
from adrec_cli.layers.repeats import HistoryBias
from adrec_cli.models.base import Sampling, SequentialRecommender
from adrec_cli.ranking.metrics import CUTOFFS
from adrec_cli.ranking.protocols import Cases
from adrec_cli.ranking.scores import Ranked, mean_sample, represented, scores_of, target_ranks, top_k

RECIPROCAL_RANK, MEAN_SCORE = "reciprocal-rank", "mean-score"
MERGES: Mapping[str, bool] = MappingProxyType({RECIPROCAL_RANK: False, MEAN_SCORE: True})
"""How samples become one list -> whether scores are averaged and ranked once; otherwise lists are fused."""
MAX_SAMPLES = 256
RANK_OFFSET = 60
"""The constant of reciprocal rank fusion, which keeps the first ranks of one list from outweighing all others."""
MIN_CANDIDATES = 100
"""Items each sample brings in at least."""
_CHUNK_ENTRIES = 2**22
"""Merged entries held at once."""
_DECIMALS = 12
"""Sums of the same fractions in another order are equal to so many."""


@dataclass(frozen=True, kw_only=True)
class Merging:
    """How many samples each history gets, and how they become one list.

    Attributes:
        samples: 1..256; 1 merges nothing.
        merge: "reciprocal-rank" or "mean-score".
    """

    samples: int = 1
    merge: str = RECIPROCAL_RANK

    def __post_init__(self) -> None:
        if not 1 <= self.samples <= MAX_SAMPLES:
            raise UsageError(f"samples must be between 1 and {MAX_SAMPLES}, got {self.samples}")
        look_up(MERGES, self.merge, "merge")


SINGLE = Merging()
"""One sample, ranked as it is."""


def check_sampled(model: SequentialRecommender, output: str, sampling: Sampling, merging: Merging) -> None:
    """Refuse several samples, or a temperature, where nothing is drawn.

    Raises:
        UsageError: the output of the model does not come out of a diffusion, or the noise is zero.
    """
    asked = [f"{merging.samples} samples"] if merging.samples > 1 else []
    asked += [f"temperature {sampling.temperature:g}"] if sampling.temperature != 1 else []
    if not asked:
        return
    if output not in model.sampled_outputs:
        raise UsageError(
            f"{' and '.join(asked)} need a model that samples; {model.name} by its {output} draws nothing",
            hint="take a diffusion model, such as adrec after its last stage",
        )
    if sampling.noise == "zero":
        raise UsageError(f"{' and '.join(asked)} change nothing with zero noise", hint="--noise seeded or common")


def merged_top_k(
    representations: Sequence[torch.Tensor],
    vectors_VD: torch.Tensor,
    k: int,
    excluded: list[npt.NDArray[np.int64]],
    candidates: npt.NDArray[np.int64] | None = None,
    *,
    merge: str = RECIPROCAL_RANK,
    bias: HistoryBias | None = None,
) -> list[Ranked]:
    """Return the best k items of each row over all samples, equal ones by item index.

    By reciprocal rank, an item's score is the sum of 1 / (60 + rank) over the samples; each brings in its best items,
    `MIN_CANDIDATES` or k if that is more, and has no say about others.

    Args:
        representations: representation_BD of each sample.
        vectors_VD, k, excluded, candidates: as `top_k`.
        merge: of `MERGES`.
        bias: as `top_k`.

    Source: Cormack, Clarke, Büttcher, "Reciprocal Rank Fusion Outperforms Condorcet and Individual Rank Learning
    Methods", SIGIR 2009.
    """
    if look_up(MERGES, merge, "merge") or len(representations) == 1:
        return top_k(mean_sample(representations), vectors_VD, k, excluded, candidates, bias)
    depth = max(k, MIN_CANDIDATES)
    rows = max(1, _CHUNK_ENTRIES // (depth * len(representations)))
    results: list[Ranked] = []
    for begin in range(0, len(representations[0]), rows):
        end = begin + rows
        some = None if bias is None else bias.rows(slice(begin, end))
        lists = [
            top_k(one[begin:end], vectors_VD, depth, excluded[begin:end], candidates, some) for one in representations
        ]
        results += _fused(lists, k)
    return results


def _fused(lists: list[list[Ranked]], k: int) -> list[Ranked]:
    """Merge the lists of each row; lists[s][b] is what sample s says of row b."""
    users = len(lists[0])
    lengths = [len(ranked.items) for sample in lists for ranked in sample]
    owner = np.repeat(np.tile(np.arange(users), len(lists)), lengths)
    rank = np.arange(1, len(owner) + 1) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    item = np.concatenate([ranked.items for sample in lists for ranked in sample])
    width = int(item.max(initial=0)) + 1
    keys, inverse = np.unique(owner * width + item, return_inverse=True)
    score = np.bincount(inverse, weights=1.0 / (RANK_OFFSET + rank), minlength=len(keys)).round(_DECIMALS)
    owner, item = keys // width, keys % width
    order = np.lexsort((item, -score, owner))
    ends = np.searchsorted(owner, np.arange(users), side="right")
    starts = np.concatenate([[0], ends[:-1]])
    return [
        Ranked(items=item[chosen], scores=score[chosen].astype(np.float32))
        for chosen in (order[start : min(end, start + k)] for start, end in zip(starts, ends, strict=True))
    ]


def merged_target_ranks(
    model: SequentialRecommender,
    sequences: Sequences,
    cases: Cases,
    *,
    output: str,
    sampling: Sampling,
    device: torch.device,
    merging: Merging = SINGLE,
    negatives: npt.NDArray[np.int64] | None = None,
    mask_seen: bool = False,
    on_progress: Callable[[int, int], bool] = lambda done, total: True,
) -> npt.NDArray[np.int64] | None:
    """Rank the target of each case as `target_ranks` does, by the merged samples.

    By reciprocal rank, a target that no sample has among its best `MIN_CANDIDATES` is last of all; metrics do not look
    so far.

    Raises:
        UsageError: as `check_sampled`.
    """
    check_sampled(model, output, sampling, merging)
    if merging.samples == 1 or MERGES[merging.merge]:
        return target_ranks(
            model, sequences, cases, output=output, sampling=sampling, device=device, negatives=negatives,
            mask_seen=mask_seen, samples=merging.samples, on_progress=on_progress,
        )  # fmt: skip
    ranks = np.zeros(len(cases), dtype=np.int64)
    vectors_VD = model.item_vectors_VD().detach()
    done = 0
    batches = represented(
        model, sequences.items, cases.starts, cases.ends, output=output, sampling=sampling, device=device,
        samples=merging.samples,
    )  # fmt: skip
    for numbers, representations, bias in batches:
        targets = cases.targets[numbers]
        if negatives is not None:
            ranks[numbers] = _fused_sampled_ranks(representations, vectors_VD, targets, negatives[numbers], bias)
        else:
            histories = (sequences.items[cases.starts[n] : cases.ends[n]] for n in numbers) if mask_seen else ()
            seen = [np.setdiff1d(history, target) for history, target in zip(histories, targets, strict=False)]
            ranks[numbers] = _fused_full_ranks(representations, vectors_VD, targets, seen, bias)
        done += len(numbers)
        if not on_progress(done, len(cases)):
            return None
    return ranks


def _fused_full_ranks(
    representations: Sequence[torch.Tensor],
    vectors_VD: torch.Tensor,
    targets: npt.NDArray[np.int64],
    seen: list[npt.NDArray[np.int64]],
    bias: HistoryBias | None = None,
) -> npt.NDArray[np.int64]:
    """Return the rank of each target among the items of the merged list, equal scores before it; V where it is not."""
    excluded = seen or [np.empty(0, dtype=np.int64)] * len(targets)
    merged = merged_top_k(representations, vectors_VD, max(MIN_CANDIDATES, *CUTOFFS), excluded, bias=bias)
    ranks = np.full(len(targets), len(vectors_VD) - 1, dtype=np.int64)
    for row, (best, target) in enumerate(zip(merged, targets.tolist(), strict=True)):
        (at,) = np.nonzero(best.items == target)
        if len(at):
            ranks[row] = (best.scores >= best.scores[at[0]]).sum()
    return ranks


def _fused_sampled_ranks(
    representations: Sequence[torch.Tensor],
    vectors_VD: torch.Tensor,
    targets: npt.NDArray[np.int64],
    negatives: npt.NDArray[np.int64],
    bias: HistoryBias | None = None,
) -> npt.NDArray[np.int64]:
    """Return the rank of each target among its negatives, all of which every sample ranks; a negative that is the
    target itself is no competitor.
    """
    both_BN = torch.from_numpy(np.column_stack([targets, negatives])).to(vectors_VD.device)
    same_BN = both_BN == both_BN[:, :1]
    same_BN[:, 0] = False
    fused_BN = torch.zeros(both_BN.shape, dtype=torch.float64, device=vectors_VD.device)
    for representation_BD in representations:
        scores_BN = scores_of(representation_BD, vectors_VD, both_BN, bias).masked_fill(same_BN, float("-inf"))
        # 1 + how many score higher; equal scores share the best of their ranks.
        rank_BN = 1 + scores_BN.shape[1] - torch.searchsorted(scores_BN.sort(dim=1).values, scores_BN, right=True)
        fused_BN += 1.0 / (RANK_OFFSET + rank_BN)
    fused_BN = fused_BN.round(decimals=_DECIMALS).masked_fill(same_BN, float("-inf"))
    return (fused_BN >= fused_BN[:, :1]).sum(dim=1).cpu().numpy()
