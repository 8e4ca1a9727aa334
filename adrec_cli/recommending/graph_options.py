"""What a graph of a model is to give: what a user can choose when exporting one."""

from __future__ import annotations

from dataclasses import dataclass

from adrec_cli.choices import choice, require_allowed
from adrec_cli.errors import UsageError
from adrec_cli.recommending.options import MAX_K
from adrec_cli.wording import option


@dataclass(frozen=True, kw_only=True)
class GraphOptions:
    """What a graph gives.

    Attributes:
        k: of the best items, with their scores; None gives the scores of all items, also of those in the history.
        include_seen: items of the history may be among the best.
    """

    k: int | None = choice(
        None, int, "Number of best items the graph returns. [default: the scores of all items]", metavar="K", least=1,
        most=MAX_K,
    )  # fmt: skip
    include_seen: bool = choice(False, bool, "Whether items of the history may be among the best.", can_be_off=True)

    def __post_init__(self) -> None:
        require_allowed(self)
        if self.include_seen and self.k is None:
            raise UsageError(
                f"without {option('k')} a graph gives the scores of all items, those of the history too",
                hint=f"leave out {option('include_seen')}, or give {option('k', 10)} too",
            )


ALL_SCORES = GraphOptions()
"""The scores of all items."""
