"""How many samples of each history are denoised, and how they become one list: what a user can choose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from adrec_cli.choices import choice, require_allowed
from adrec_cli.models.sampling import RANKING

RECIPROCAL_RANK: Final = "reciprocal-rank"
MERGES: Mapping[str, bool] = MappingProxyType({RECIPROCAL_RANK: False, "mean-score": True})
"""How samples become one list -> whether scores are averaged and ranked once; otherwise lists are fused."""
MAX_SAMPLES: Final = 256
MIN_CANDIDATES: Final = 100
"""Items each sample brings into a merged list at least."""


@dataclass(frozen=True, kw_only=True)
class Merging:
    """How many samples each history gets, and how they become one list.

    Attributes:
        samples: 1..256; 1 merges nothing.
        merge: "reciprocal-rank" or "mean-score".
    """

    samples: int = choice(
        1,
        int,
        "Number of denoised samples per history, merged into one list.",
        metavar="N",
        panel=RANKING,
        least=1,
        most=MAX_SAMPLES,
    )
    merge: str = choice(
        RECIPROCAL_RANK,
        str,
        "Rule that merges samples into one list.",
        panel=RANKING,
        known=tuple(MERGES),
        closed=True,
    )

    def __post_init__(self) -> None:
        require_allowed(self)

    @property
    def ranks_once(self) -> bool:
        """Whether there is one score for each item, rather than several lists to fuse."""
        return self.samples == 1 or MERGES[self.merge]


def choose_depth(k: int) -> int:
    """Return how many items each sample brings into a list of k that is merged by rank; its scores depend on it."""
    return max(k, MIN_CANDIDATES)


SINGLE: Final = Merging()
"""One sample, ranked as it is."""
