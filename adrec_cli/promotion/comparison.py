"""A new model beside another one, in figures."""

from __future__ import annotations

from dataclasses import dataclass

from adrec_cli.artifacts.evaluation import Evaluation
from adrec_cli.promotion.rule import CURRENT
from adrec_cli.wording import option, say_count

HEADLINES = ("ndcg@10", "hr@10")
"""What a night is summed up in."""


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
            f"[{self.low:+.4f}, {self.high:+.4f}] on {say_count(self.users, 'user')} ({self.protocol})"
        )


def compare_with_most_popular(measured: Evaluation, baseline: Evaluation) -> str:
    """Return a warning where the same items for everybody would do better, "" where they do not."""
    below = [name for name in HEADLINES if measured.metrics[name] < baseline.metrics[name]]
    if not below:
        return ""
    figures = ", ".join(f"{name} {measured.metrics[name]:.4f} against {baseline.metrics[name]:.4f}" for name in below)
    return (
        f"the new model is below MostPopular on {measured.protocol}: {figures}; "
        f"with {option('promote_if', f'{below[0]} > mostpop')} such a model is not promoted"
    )
