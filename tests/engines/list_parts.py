"""Parts of interactions in a list, as an engine has them on its workers."""

from __future__ import annotations

import itertools

import numpy as np

from adrec_cli.data.interactions import Interactions
from adrec_cli.engines.parts import UserRows, choose_edges


class ListParts:
    """What an engine does on workers, done here."""

    def __init__(self, parts):
        self.parts = list(parts)

    def step(self, change):
        changed = [change(part) for part in self.parts]
        self.parts = [part for part, _ in changed]
        total = changed[0][1]
        for _, told in changed[1:]:
            total = total + told
        return total

    def __iter__(self):
        return iter(self.parts)


def spread(interactions: Interactions, most: int) -> ListParts:
    """Return interactions in parts of `most` or fewer, unless a user has more."""
    edges = choose_edges(interactions.user_counts(), most)
    parts = []
    for first, after in itertools.pairwise(edges):
        theirs = (interactions.user >= first) & (interactions.user < after)
        taken = interactions.take(theirs)
        rows = UserRows(
            first=int(first), users=int(after - first), items=len(interactions.item_ids),
            user=(taken.user - np.int32(first)), item=taken.item, time=taken.time, split=taken.part,
        )  # fmt: skip
        parts.append(rows)
    return ListParts(parts)
