"""What a filter left out."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class FilterApplied:
    """What one filter left out.

    Attributes:
        name: of the filter, as the option is called.
        interactions, users, items: how many are gone.
        rounds: passes it took, for the k-core.
    """

    name: str
    interactions: int
    users: int = 0
    items: int = 0
    rounds: int = 1
