"""What the steps of a command tell whoever watches."""

from __future__ import annotations

from collections.abc import Callable

OnEvent = Callable[[object], None]


def ignore(_event: object) -> None:
    """Tell nobody."""
