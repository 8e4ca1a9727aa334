"""Example recommendations, to somebody with a single event: they name no person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from adrec_cli.data.item_values import ItemValues
from adrec_cli.loading.recommender import Histories, Recommender
from adrec_cli.models.sampling import FAST_SAMPLING
from adrec_cli.schema import CATEGORY, COUNT, ITEM_ID, TITLE

EXAMPLES, SHOWN = 4, 5
"""How many are made, and how many items each shows."""
_LOOKED_AT = 1_000
"""Popular items among which those of different categories are looked for."""


@dataclass(frozen=True, kw_only=True)
class NamedItem:
    """An item: its raw id, and its title where it is known."""

    item_id: str
    title: str | None


@dataclass(frozen=True, kw_only=True)
class Examples:
    """Items, and what a model recommends to somebody who has had nothing else.

    Attributes:
        model: its name.
        checkpoint_sha256: of what was asked.
        promoted: it is the one that `recommend` uses.
        lists: an item, and what comes after it, best first.
    """

    model: str
    checkpoint_sha256: str
    promoted: bool
    lists: list[tuple[NamedItem, list[NamedItem]]]


def make_examples(recommender: Recommender) -> Examples:
    """Ask a model for what goes with popular items; the same model gives the same lists."""
    items = recommender.items
    first = choose_items(items)
    seconds = np.zeros(1, dtype=np.int64) if recommender.model.reads_times else None
    histories = Histories.join([np.array([item], dtype=np.int32) for item in first], [seconds] * len(first))
    ranked, _ = recommender.rank(histories, SHOWN, include_seen=False, sampling=FAST_SAMPLING)
    return Examples(
        model=recommender.checkpoint.metadata.model,
        checkpoint_sha256=recommender.checkpoint.sha256,
        promoted=recommender.promoted,
        lists=[
            (_name(items, item), [_name(items, other) for other in best.items.tolist()])
            for item, best in zip(first, ranked, strict=True)
        ],
    )


def choose_items(items: pl.DataFrame) -> Sequence[int]:
    """Return the indices of the most popular items, of different categories as far as there are some.

    Args:
        items: with ids, counts of train events and perhaps categories, by index from 1.
    """
    ordered = items.with_row_index(offset=1).sort([COUNT, ITEM_ID], descending=[True, False]).head(_LOOKED_AT)
    popular: list[int] = ordered["index"].to_list()
    if CATEGORY not in items.columns:
        return popular[:EXAMPLES]
    categories = ItemValues.split(ordered, CATEGORY)
    chosen: list[int] = []
    taken: set[str] = set()
    for row, item in enumerate(popular, 1):
        own = set(categories.names_of(row))
        if not own & taken:
            chosen.append(item)
            taken |= own
    return [*chosen, *(item for item in popular if item not in chosen)][:EXAMPLES]


def _name(items: pl.DataFrame, item: int) -> NamedItem:
    titled = TITLE in items.columns
    return NamedItem(item_id=items[ITEM_ID][item - 1], title=items[TITLE][item - 1] if titled else None)
