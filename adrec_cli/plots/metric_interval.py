"""A metric with its interval: the point that several pictures draw."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class MetricInterval:
    """A metric of one model, run or slice.

    Attributes:
        value: mean, a fraction.
        lower, upper: of its 95% interval; both the value itself where there is none.
    """

    value: float
    lower: float
    upper: float

    @property
    def below_and_above(self) -> list[list[float]]:
        """How far the interval reaches to either side, as matplotlib's `errorbar` takes it."""
        return [[max(self.value - self.lower, 0.0)], [max(self.upper - self.value, 0.0)]]
