"""Parts of the cases that tell where a model is good: by item, by history, cold targets, and repeats."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from adrec_cli.ranking.bootstrap import metric_intervals
from adrec_cli.ranking.metrics import metric_table
from adrec_cli.wording import say_count

Integers = npt.NDArray[np.int64]

TOP_SHARE = 0.2
"""Of the catalogue that is head, and of the histories that are long.

Source: the Pareto split of long-tail sequential recommendation, such as MELT (Kim et al., SIGIR 2023) and LLM-ESR (Liu
et al., NeurIPS 2024): the top 20% of items by events are head, the top 20% of users by length of history.
"""


@dataclass(frozen=True, kw_only=True)
class Slice:
    """Some of the cases.

    Attributes:
        definition: in words, with the figures of this data set.
        chosen: which cases.
    """

    definition: str
    chosen: npt.NDArray[np.bool_]


def top_threshold(values: Integers, share: float = TOP_SHARE) -> int:
    """Return the value above which at most this share of the values lies, and as many as equal values allow."""
    descending = np.sort(values)[::-1]
    return int(descending[int(share * len(values))])


def slices_of(
    target_counts: Integers, history_lengths: Integers, item_counts: Integers, repeated: npt.NDArray[np.bool_]
) -> dict[str, Slice]:
    """Return the slices by name; the two of a pair make up all cases.

    They are head and tail, long and short, warm and cold, repeat and explore.

    Args:
        target_counts: train events of each case's target.
        history_lengths: events before each case's target.
        item_counts: train events of every item of the catalogue.
        repeated: which targets stand in their history.
    """
    popular, long = top_threshold(item_counts), top_threshold(history_lengths)
    head = item_counts > popular
    share = item_counts[head].sum() / max(1, item_counts.sum())
    told = (
        f"{say_count(popular, 'train event')} ({head.sum():,} of "
        f"{say_count(len(head), 'item')}, {share:.0%} of the events)"
    )
    is_head, is_long, is_cold = target_counts > popular, history_lengths > long, target_counts == 0
    return {
        "head": Slice(definition=f"targets with more than {told}", chosen=is_head),
        "tail": Slice(definition=f"targets with at most {say_count(popular, 'train event')}", chosen=~is_head),
        "long": Slice(definition=f"histories of more than {say_count(long, 'event')}", chosen=is_long),
        "short": Slice(definition=f"histories of at most {say_count(long, 'event')}", chosen=~is_long),
        "warm": Slice(definition="targets with a train event", chosen=~is_cold),
        "cold": Slice(definition="targets without a train event", chosen=is_cold),
        "repeat": Slice(definition="targets that stand in the history", chosen=repeated),
        "explore": Slice(definition="targets that are new to the user", chosen=~repeated),
    }


def slice_table(
    ranks: Integers,
    users: Integers,
    *,
    target_counts: Integers,
    history_lengths: Integers,
    item_counts: Integers,
    repeated: npt.NDArray[np.bool_],
) -> dict[str, dict[str, Any]]:
    """Return definition, users, cases, metrics and intervals of each slice; an empty one has no metrics.

    Args:
        ranks: 1 for the best, one per case.
        users: whose case it is.
        target_counts, history_lengths, item_counts, repeated: as `slices_of`.
    """
    found = {}
    for name, part in slices_of(target_counts, history_lengths, item_counts, repeated).items():
        of_ranks, of_users = ranks[part.chosen], users[part.chosen]
        found[name] = {
            "definition": part.definition,
            "users": len(np.unique(of_users)),
            "cases": len(of_ranks),
            "metrics": metric_table(of_ranks, of_users) if len(of_ranks) else {},
            "intervals": metric_intervals(of_ranks, of_users) if len(of_ranks) else {},
        }
    return found
