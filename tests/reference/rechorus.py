"""ReChorus's counting on its own files, written plainly: scores of the target and of its negatives, row by row."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path

import polars as pl


def sampled_metrics(
    path: Path, score: Callable[[str, str], float], cutoffs: tuple[int, ...] = (5, 10, 20)
) -> Mapping[str, float]:
    """Return HR and NDCG as ReChorus 2 counts them: the rank of the target is how many of all candidates, itself and
    repeated negatives included, score at least as high.

    Args:
        path: of a Parquet file with user_id, item_id and neg_items.
        score: of a user and an item, raw ids.
        cutoffs: the k of "@k".

    Source: `BaseRunner.evaluate_method` of ReChorus 2; the first ReChorus sorts instead, which differs only in ties.
    """
    table = pl.read_parquet(path)
    ranks = []
    for user, target, negatives in table.select("user_id", "item_id", "neg_items").iter_rows():
        scores = [score(str(user), str(item)) for item in (target, *negatives)]
        ranks.append(sum(other >= scores[0] for other in scores))
    found = {}
    for k in cutoffs:
        hits = [rank for rank in ranks if rank <= k]
        found[f"hr@{k}"] = len(hits) / len(ranks)
        found[f"ndcg@{k}"] = sum(1 / math.log2(rank + 1) for rank in hits) / len(ranks)
    return found
