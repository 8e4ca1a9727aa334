"""Events that the steps of a command report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

OnEvent = Callable[[object], None]


def ignore(_event: object) -> None:
    """Tell nobody."""


@dataclass(frozen=True, kw_only=True)
class Warned:
    """Something that deserves a look; the command goes on.

    Attributes:
        message: one line with the figure.
    """

    message: str


@dataclass(frozen=True, kw_only=True)
class RankingProgress:
    """Cases ranked so far."""

    done: int
    total: int
