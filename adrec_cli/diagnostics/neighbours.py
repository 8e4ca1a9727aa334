"""Which item vectors point the same way."""

from __future__ import annotations

import torch


def nearest_neighbours(vectors_ND: torch.Tensor, row: int, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the k rows with the greatest cosine to a row, itself left out, and these cosines; nearest first.

    Ties stand in ascending row.
    """
    unit_ND = torch.nn.functional.normalize(vectors_ND, dim=1)
    cosines_N = unit_ND @ unit_ND[row]
    order_N = torch.argsort(cosines_N, descending=True, stable=True)
    nearest_K = order_N[order_N != row][:k]
    return nearest_K, cosines_N[nearest_K]
