"""When a new model takes the place of the current one, and what stays of old ones: what a user can choose."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from adrec_cli.artifacts.promotion import KEEP
from adrec_cli.choices import choice, require_allowed
from adrec_cli.errors import UsageError
from adrec_cli.wording import command, option

if TYPE_CHECKING:
    from adrec_cli.promotion.rule import PromotionRule

CURRENT_MODEL: Final = "The current model"
"""The panel of the help that lists what concerns it."""

INDEX_FROM: Final = 200_000
"""Items from which a promoted model gets an index unless somebody says otherwise."""


def _read_rules(text: str) -> tuple[PromotionRule, ...]:
    # Not at the top: it loads NumPy.
    from adrec_cli.promotion.rule import parse_promotion_rules

    return parse_promotion_rules(text)


@dataclass(frozen=True, kw_only=True)
class PromotionOptions:
    """When a new model is promoted, and what stays of old ones.

    Attributes:
        rules: all to be met; none demands the monitored metric to be at least the current model's, less the tolerance.
        tolerance: used where there is no rule.
        keep: generations kept, the current one included; at least 2, so that one can go back.
        index: whether one for approximate search is built beside the promoted model.
        warn_drift: share of new users or items, shift of popularity beyond chance, or share of the last nights'
            validation metric lost, above which a night warns.
    """

    rules: tuple[PromotionRule, ...] = choice(
        (),
        str,
        'Rule such as "ndcg@10 >= current - 0.002" or "hr@20 > current + 1% and ndcg@10 > mostpop".',
        key="promote_if",
        read=_read_rules,
        metavar="RULE",
        panel=CURRENT_MODEL,
        usual=True,
    )
    tolerance: float = choice(
        0.0, float, "Allowed drop of the metric if no rule is given.", metavar="X", panel=CURRENT_MODEL
    )
    keep: int = choice(
        KEEP,
        int,
        f"Number of promoted models to keep for {command('rollback')}.",
        metavar="N",
        panel=CURRENT_MODEL,
        most=10_000,
    )
    index: str = choice(
        "auto",
        str,
        f"Index of the items for approximate search; auto: from {INDEX_FROM:,} items on, where faiss is installed.",
        panel=CURRENT_MODEL,
        known=("auto", "always", "never"),
        closed=True,
    )
    warn_drift: float = choice(
        0.2,
        float,
        "Share of new users or items, of a shift of popularity beyond chance, or of validation lost since the last "
        "nights, above which a warning is printed.",
        metavar="SHARE",
        panel=CURRENT_MODEL,
        least=0,
    )

    def __post_init__(self) -> None:
        if self.rules and self.tolerance:
            raise UsageError(
                "a rule has its own tolerance", hint=f"give {option('promote_if')} or {option('tolerance')}, not both"
            )
        if not math.isfinite(self.tolerance):
            raise UsageError(f"{option('tolerance')} must be a finite number, got {self.tolerance}")
        if self.keep < 2:
            raise UsageError(
                f"{option('keep')} must be at least 2, got {self.keep}", hint="the one before is kept to go back to"
            )
        require_allowed(self)
