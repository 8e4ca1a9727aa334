"""`--promote-if "ndcg@10 >= current - 0.002"`: when a new model takes the place of the current one."""

from __future__ import annotations

import re
from dataclasses import dataclass

from adrec_cli.errors import UsageError
from adrec_cli.ranking.metrics import METRICS
from adrec_cli.wording import option

_RULE = re.compile(
    r"\s*(?P<metric>[a-z][a-z0-9_-]*)@(?P<k>[1-9]\d{0,4})\s*(?P<operator>>=|>)\s*(?P<against>current|mostpop)\s*"
    r"(?:(?P<sign>[+-])\s*(?P<number>\d{1,9}(?:\.\d{1,9})?|\.\d{1,9})\s*(?P<percent>%)?\s*)?"
)
EXAMPLE = "ndcg@10 >= current - 0.002 and ndcg@10 > mostpop"
CURRENT, MOST_POPULAR = "current", "mostpop"
"""What a new model is compared with: the current model, or the most popular items for everybody."""


@dataclass(frozen=True, kw_only=True)
class PromotionRule:
    """A bound that follows from another model's value.

    Attributes:
        metric: such as ndcg@10.
        strict: the bound itself is not enough.
        offset: added to the other's value, or as a share of its size.
        relative: whether the offset is a share of the other's value.
        against: whose value that is, `CURRENT` or `MOST_POPULAR`.
    """

    metric: str
    strict: bool = False
    offset: float = 0.0
    relative: bool = False
    against: str = CURRENT

    def bound(self, current: float) -> float:
        """Return what a new model has to reach."""
        return current + self.offset * (abs(current) if self.relative else 1)

    def allows(self, candidate: float, current: float) -> bool:
        """Whether a new model may take the place of the current one."""
        bound = self.bound(current)
        return candidate > bound if self.strict else candidate >= bound

    def __str__(self) -> str:
        size = f"{abs(self.offset) * 100:g}%" if self.relative else f"{abs(self.offset):g}"
        offset = f" {'-' if self.offset < 0 else '+'} {size}" if self.offset else ""
        return f"{self.metric} {'>' if self.strict else '>='} {self.against}{offset}"


def parse_promotion_rules(text: str) -> tuple[PromotionRule, ...]:
    """Read rules with `and` between them, all of which must hold.

    Raises:
        UsageError: one is not of the form `parse_promotion_rule` reads.
    """
    return tuple(parse_promotion_rule(part) for part in re.split(r"\band\b", text))


def parse_promotion_rule(text: str) -> PromotionRule:
    """Read METRIC@K OP current|mostpop [+|- NUMBER [%]], where OP is >= or >.

    Raises:
        UsageError: it is not of this form, or the metric is unknown.
    """
    found = _RULE.fullmatch(text)
    if found is None:
        raise UsageError(
            f"{option('promote_if', text)} is not understood", hint=f"for example: {option('promote_if', EXAMPLE)}"
        )
    if found["metric"] not in METRICS:
        raise UsageError(
            f"{option('promote_if')}: unknown metric {found['metric']!r}", hint=f"one of: {', '.join(METRICS)}"
        )
    number = float(found["number"] or 0) / (100 if found["percent"] else 1)
    return PromotionRule(
        metric=f"{found['metric']}@{found['k']}",
        strict=found["operator"] == ">",
        offset=-number if found["sign"] == "-" else number,
        relative=found["percent"] is not None,
        against=found["against"],
    )
