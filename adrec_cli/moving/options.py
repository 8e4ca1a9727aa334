"""Whether a push also removes what nobody needs, and when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from adrec_cli.choices import choice, require_allowed

GRACE_HOURS: Final = 24.0
"""For how long contents stay that no inventory names any more: a push or a pull must not take longer."""


@dataclass(frozen=True, kw_only=True)
class PruneOptions:
    """Whether a push also removes what nobody needs, and when.

    Attributes:
        prune: remove contents that no data set there has, or has had for `grace` hours.
        grace: at least as long as a push or a pull of anybody takes, or nobody else may push or pull meanwhile.
    """

    prune: bool = choice(False, bool, "Afterwards, remove contents of PLACE that nothing there has used for a while.")
    grace: float = choice(
        GRACE_HOURS,
        float,
        "Hours that contents must be unused before they are removed; no push or pull may take longer.",
        metavar="HOURS",
        least=0,
    )

    def __post_init__(self) -> None:
        require_allowed(self)


NO_PRUNING: Final = PruneOptions()
