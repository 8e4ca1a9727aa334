"""Numbers as one line of small bars."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

_BARS = "▁▂▃▄▅▆▇█"


def sparkline(values: Sequence[float], width: int, *, lowest: float | None = None) -> str:
    """Return at most `width` bars; where there are more values each bar is the mean of its share.

    Args:
        values: finite.
        width: bars at most.
        lowest: value of the lowest bar; the least value by default.
    """
    if not values or width < 1:
        return ""
    count = min(width, len(values))
    edges = [number * len(values) // count for number in range(count + 1)]
    means = [sum(values[low:high]) / (high - low) for low, high in itertools.pairwise(edges)]
    floor = min(means) if lowest is None else lowest
    span = max(means) - floor
    if span <= 0:
        return _BARS[len(_BARS) // 2] * count
    return "".join(_BARS[round((max(mean - floor, 0)) / span * (len(_BARS) - 1))] for mean in means)
