"""Several denoised samples of each history, merged into one list: what only a model that samples can do.

Every sample denoises from noise of its own, and so may point to other items. Samples are merged by reciprocal rank,
which lets an item in that a single sample puts on top, or by the mean score.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from adrec_cli.errors import UsageError, look_up
from adrec_cli.layers.repeats import HistoryBias
from adrec_cli.models.base import SequentialRecommender
from adrec_cli.models.sampling import Sampling
from adrec_cli.ranking.ranked import Ranked
from adrec_cli.ranking.samples import MERGES, RECIPROCAL_RANK, Merging, choose_depth
from adrec_cli.ranking.scores import mean_sample, top_k
from adrec_cli.wording import option, say_count

RANK_OFFSET = 60
"""The constant of reciprocal rank fusion, which keeps the first ranks of one list from outweighing all others."""
_CHUNK_ENTRIES = 2**22
"""Merged entries held at once."""
DECIMALS = 12
"""Decimals to which sums of the same fractions in another order are equal."""


def check_sampled(model: SequentialRecommender, output: str, sampling: Sampling, merging: Merging) -> None:
    """Refuse several samples, or a temperature, where nothing is drawn.

    Raises:
        UsageError: the output of the model does not come out of a diffusion, or the noise is zero.
    """
    asked = [f"{say_count(merging.samples, 'sample')}"] if merging.samples > 1 else []
    asked += [f"temperature {sampling.temperature:g}"] if sampling.temperature != 1 else []
    if not asked:
        return
    if output not in model.sampled_outputs:
        raise UsageError(
            f"{' and '.join(asked)} need a model that samples; {model.name} by its {output} draws nothing",
            hint="take a diffusion model, such as adrec after its last stage",
        )
    if sampling.noise == "zero":
        raise UsageError(
            f"{' and '.join(asked)} change nothing with zero noise", hint=f"{option('noise', 'seeded')} or common"
        )


def merge_top_k(
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
    depth = choose_depth(k)
    rows = max(1, _CHUNK_ENTRIES // (depth * len(representations)))
    results: list[Ranked] = []
    for begin in range(0, len(representations[0]), rows):
        end = begin + rows
        some = None if bias is None else bias.rows(slice(begin, end))
        lists = [
            top_k(one[begin:end], vectors_VD, depth, excluded[begin:end], candidates, some) for one in representations
        ]
        results += _fuse(lists, k)
    return results


def _fuse(lists: list[list[Ranked]], k: int) -> list[Ranked]:
    """Merge the lists of each row; lists[s][b] is what sample s says of row b."""
    users = len(lists[0])
    lengths = [len(ranked.items) for sample in lists for ranked in sample]
    owner = np.repeat(np.tile(np.arange(users), len(lists)), lengths)
    rank = np.arange(1, len(owner) + 1) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    item = np.concatenate([ranked.items for sample in lists for ranked in sample])
    width = int(item.max(initial=0)) + 1
    keys, inverse = np.unique(owner * width + item, return_inverse=True)
    score = np.bincount(inverse, weights=1.0 / (RANK_OFFSET + rank), minlength=len(keys)).round(DECIMALS)
    owner, item = keys // width, keys % width
    order = np.lexsort((item, -score, owner))
    ends = np.searchsorted(owner, np.arange(users), side="right")
    starts = np.concatenate([[0], ends[:-1]])
    return [
        Ranked(items=item[chosen], scores=score[chosen].astype(np.float32))
        for chosen in (order[start : min(end, start + k)] for start, end in zip(starts, ends, strict=True))
    ]
