"""What times cannot tell a model that reads them: they may be days only, or of many events the same."""

from __future__ import annotations

import numpy as np

from adrec_cli.data.sequences import Sequences

_DAY = 86_400
_MOST_ZONES = 2
"""Times of day at which days begin: summer and winter of one zone."""
_FEW = 0.05
"""Share of events at the same second that nothing is said of."""


def describe_doubts(sequences: Sequences) -> str:
    """Return one line on how inexact the times of events are; "" where they are not.

    Raises:
        InputError: there are no times.
    """
    seconds = sequences.seconds
    doubts = []
    if len(np.unique(seconds % _DAY)) <= _MOST_ZONES:
        doubts.append("times are whole days, so that gaps within a day are not known")
    follows = np.ones(len(seconds), dtype=bool)
    follows[sequences.offsets[:-1][sequences.lengths > 0]] = False
    gaps = np.diff(seconds, prepend=0)[follows]
    if (same := float((gaps == 0).mean()) if len(gaps) else 0.0) >= _FEW:
        doubts.append(f"{same:.0%} of events are at the same second as the one before")
    if (earlier := float((gaps < 0).mean()) if len(gaps) else 0.0) > 0:
        doubts.append(f"{earlier:.1%} of events are earlier than the one before, which counts as the same time")
    return "; ".join(doubts)
