"""Merging of samples as written in its definition: every item of every user in plain loops, with exact fractions."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import torch


def merged(
    representations: Sequence[torch.Tensor],
    vectors_VD: torch.Tensor,
    k: int,
    left_out: Sequence[set[int]],
    *,
    merge: str,
    depth: int,
) -> list[list[tuple[int, Fraction | float]]]:
    """Return (item, score) of the best k of each row.

    Args:
        representations: one (B, D) a sample.
        vectors_VD: of the items; row 0 is padding.
        k: at most.
        left_out: items each row must not get.
        merge: "reciprocal-rank" or "mean-score".
        depth: items a sample brings in by reciprocal rank.
    """
    found = []
    for row, without in enumerate(left_out):
        lists = [
            {item: float(sample[row] @ vectors_VD[item]) for item in range(1, len(vectors_VD)) if item not in without}
            for sample in representations
        ]
        total: dict[int, Fraction | float] = {}
        for scores in lists:
            order = sorted(scores, key=lambda item: (-scores[item], item))
            for rank, item in enumerate(order, start=1):
                if merge == "mean-score":
                    total[item] = total.get(item, 0) + scores[item] / len(lists)
                elif rank <= depth:
                    total[item] = total.get(item, Fraction(0)) + Fraction(1, 60 + rank)
        found.append(sorted(total.items(), key=lambda pair: (-pair[1], pair[0]))[:k])
    return found
