"""Options of a run that concern the current model: when it is replaced, what is kept, and whether it is the start."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from adrec_cli.cli.options.common import option

if TYPE_CHECKING:
    from adrec_cli.promotion.promote import PromotionOptions

_PANEL = "The current model"


@dataclass(frozen=True, kw_only=True)
class Promotion:
    """What becomes of the current model."""

    promote_if: Annotated[
        str | None,
        option("--promote-if", panel=_PANEL, metavar="RULE",
                help='Rule such as "ndcg@10 >= current - 0.002" or "hr@20 > current + 1% and ndcg@10 > mostpop".'),
    ] = None  # fmt: skip
    tolerance: Annotated[
        float,
        option("--tolerance", panel=_PANEL, metavar="X", help="Allowed drop of the metric if there is no rule."),
    ] = 0.0  # fmt: skip
    keep: Annotated[
        int, option("--keep", panel=_PANEL, metavar="N", help="Number of promoted models to keep for adrec rollback.")
    ] = 5
    cold: Annotated[
        bool, option("--cold", panel=_PANEL, help="Train from fresh weights rather than from the current model.")
    ] = False

    def options(self) -> PromotionOptions:
        """Return the options as the pipeline takes them."""
        from adrec_cli.promotion.promote import PromotionOptions
        from adrec_cli.promotion.rule import parse_promotion_rules

        rules = () if self.promote_if is None else parse_promotion_rules(self.promote_if)
        return PromotionOptions(rules=rules, tolerance=self.tolerance, keep=self.keep)
