"""Lists and ranks as plainly as can be: one history at a time, every item scored, all of them sorted."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from adrec_cli.models.base import SequentialRecommender
from adrec_cli.models.batch import HistoryBatch
from adrec_cli.models.sampling import Sampling
from adrec_cli.runtime import make_generator

AGES, COUNTS, GAIN = (1, 2, 4, 8, 16, 32), (2, 3), 10.0
Values = npt.NDArray[np.float64]


def score_everything(
    model: SequentialRecommender,
    output: str,
    history: Sequence[int],
    seconds: Sequence[int],
    sampling: Sampling,
    samples: int = 1,
) -> Values:
    """Return scores_SV of all items by each sample, minus infinity for padding.

    Args:
        model: in evaluation.
        output, sampling, samples: as a `Scorer` is asked.
        history: item indices, oldest first, at least one.
        seconds: when each was, for a model that reads it.
    """
    read = list(history[-model.max_length :])
    batch = HistoryBatch(
        items_BL=torch.tensor([read]),
        lengths_B=torch.tensor([len(read)]),
        seconds_BL=torch.tensor([list(seconds[-model.max_length :])]) if model.reads_times else None,
    )
    generator = make_generator(sampling.seed, "sampling", sampling.noise)
    with torch.inference_mode():
        drawn = [
            model.represent(batch, output=output, sampling=sampling, generator=generator)[0] for _ in range(samples)
        ]
        vectors_VD = model.item_vectors_VD().double().numpy()
    scores_SV: Values = np.stack([vectors_VD @ one.double().numpy() for one in drawn])
    if model.repeats is not None:
        weight = model.repeats.weight.detach().double().flatten().numpy() * GAIN
        for item in set(read):
            age = read[::-1].index(item)
            bucket = sum(age >= least for least in AGES) * (len(COUNTS) + 1)
            scores_SV[:, item] += weight[bucket + sum(read.count(item) >= least for least in COUNTS)]
    scores_SV[:, 0] = -np.inf
    return scores_SV


def merge_ranks(scores_SV: Values, allowed: set[int], depth: int, near: float) -> dict[int, float] | None:
    """Return the sum of 1 / (60 + rank) of what the samples bring in; None where scores are too near to be ordered.

    Args:
        scores_SV: of each sample.
        allowed: items that may come back.
        depth: items each sample brings in.
        near: difference of scores that rounding may turn round.
    """
    total: dict[int, float] = {}
    for scores_V in scores_SV:
        order = sorted(allowed, key=lambda item: (-scores_V[item], item))
        if any(scores_V[above] - scores_V[below] < near for above, below in itertools.pairwise(order[: depth + 1])):
            return None
        for rank, item in enumerate(order[:depth], start=1):
            total[item] = total.get(item, 0.0) + 1 / (60 + rank)
    return total


def require_best(
    found: Sequence[tuple[int, float]], scores: dict[int, float], k: int, near: float, what: object
) -> None:
    """Check that a list has the k best of all items with a score, best first, equal ones by item index.

    Args:
        found: item and score, as they were given.
        scores: of each item that may come back.
        k: items that were asked for.
        near: difference of scores that rounding may make.
        what: was asked, for the message.
    """
    items = [item for item, _ in found]
    assert len(items) == min(k, len(scores)), what
    assert len(set(items)) == len(items), what
    assert set(items) <= scores.keys(), what
    for item, score in found:
        assert abs(score - scores[item]) <= near * (1 + abs(scores[item])), (what, item, score, scores[item])
    assert found == sorted(found, key=lambda pair: (-pair[1], pair[0])), what
    left = [score for item, score in scores.items() if item not in items]
    assert not left or not items or max(left) <= min(scores[item] for item in items) + near, what
