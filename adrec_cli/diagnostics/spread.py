"""How far item vectors lie apart."""

from __future__ import annotations

import torch

STANDARDISING_EPSILON = 1e-9
MAX_PAIRED_ITEMS = 10_000
"""Largest number of items, evenly spaced, between all pairs of which distances are taken."""
MAX_MEASURED_ITEMS = 65_536
"""Largest number of items, evenly spaced, that figures are of."""
_ROWS_AT_ONCE = 1024


def embedding_variance(vectors_ND: torch.Tensor) -> float:
    """Return the variance over the items, averaged over the dimensions."""
    return float(vectors_ND.var(dim=0, correction=0).mean())


def mean_cosine(vectors_ND: torch.Tensor) -> float:
    """Return the mean cosine over all ordered pairs of items, an item with itself included."""
    unit_ND = torch.nn.functional.normalize(vectors_ND, dim=1)
    return float(unit_ND.mean(dim=0).square().sum())


def mean_cosine_of_others(vectors_ND: torch.Tensor) -> float:
    """Return the mean cosine over all pairs of two different items; 0 where there is no pair."""
    unit_ND = torch.nn.functional.normalize(vectors_ND, dim=1)
    pairs = max(len(unit_ND) * (len(unit_ND) - 1), 1)
    return float((unit_ND.sum(dim=0).square().sum() - unit_ND.square().sum()) / pairs)


def mean_distance(vectors_ND: torch.Tensor) -> float:
    """Return the mean Euclidean distance over all ordered pairs of items, an item with itself included."""
    paired_ND = evenly_spaced(vectors_ND, MAX_PAIRED_ITEMS)
    # Matrix products are faster, and lose some digits of small distances.
    mode = "donot_use_mm_for_euclid_dist" if len(paired_ND) <= _ROWS_AT_ONCE else "use_mm_for_euclid_dist"
    sums = [
        torch.cdist(rows_RD, paired_ND, compute_mode=mode).sum() for rows_RD in torch.split(paired_ND, _ROWS_AT_ONCE)
    ]
    return float(torch.stack(sums).sum()) / len(paired_ND) ** 2


def evenly_spaced(vectors_ND: torch.Tensor, count: int) -> torch.Tensor:
    """Return at most `count` rows, evenly spaced, the same ones every time."""
    return vectors_ND[evenly_spaced_rows(len(vectors_ND), count).to(vectors_ND.device)]


def evenly_spaced_rows(total: int, count: int) -> torch.Tensor:
    """Return at most `count` of the numbers 0..total-1, ascending and evenly spaced."""
    if total <= count:
        return torch.arange(total)
    return torch.arange(count) * total // count


def standardize(vectors_ND: torch.Tensor) -> torch.Tensor:
    """Return the vectors with mean 0 and standard deviation 1 in every dimension; a constant one becomes 0."""
    deviation_D = vectors_ND.std(dim=0, correction=0) + STANDARDISING_EPSILON
    return (vectors_ND - vectors_ND.mean(dim=0)) / deviation_D
