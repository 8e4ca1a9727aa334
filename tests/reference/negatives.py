"""Drawn negatives as plainly as can be: all are tested again after each redrawing."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from adrec_cli.data.sequences import Sequences
from adrec_cli.ranking.protocols import Cases


def drawn_negatives(sequences: Sequences, cases: Cases, count: int, seed: int) -> npt.NDArray[np.int64]:
    """Return what `draw_negatives` does; for tens of users."""
    random = np.random.default_rng(seed)
    drawn = random.integers(1, sequences.item_count + 1, size=(len(cases), count))
    seen = [set(sequences.history(user).tolist()) for user in cases.users.tolist()]
    while True:
        bad = [(row, column) for row in range(len(cases)) for column in range(count) if drawn[row, column] in seen[row]]
        if not bad:
            return drawn
        for (row, column), item in zip(bad, random.integers(1, sequences.item_count + 1, size=len(bad)), strict=True):
            drawn[row, column] = item
