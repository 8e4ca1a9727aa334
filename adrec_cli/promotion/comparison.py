"""A new model beside another one, in figures."""

from __future__ import annotations

from dataclasses import dataclass

from adrec_cli.promotion.rule import CURRENT


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two models on the same targets.

    Attributes:
        metric, protocol: of the values, which are means over users.
        candidate, current: values; the latter of what it is compared with.
        difference: candidate less current; low and high bound it at the level, by a paired bootstrap over users.
        users: compared on.
        unknown_targets: cases the other model cannot rank, as it does not know the target or anything before it;
            they count as missed.
        against: the current model, or MostPopular.
    """

    metric: str
    protocol: str
    candidate: float
    current: float
    difference: float
    low: float
    high: float
    level: float
    resamples: int
    users: int
    unknown_targets: int
    against: str = CURRENT

    def __str__(self) -> str:
        return (
            f"{self.metric} {self.candidate:.4f}, {self.against} {self.current:.4f}, difference {self.difference:+.4f} "
            f"[{self.low:+.4f}, {self.high:+.4f}] on {self.users:,} users ({self.protocol})"
        )
