"""Where long work reports what happens while it runs: progress, warnings, what it does next."""

from __future__ import annotations

from collections.abc import Callable

OnEvent = Callable[[object], None]
"""Gets each event, a dataclass of the part that reports it."""


def ignore(event: object) -> None:
    """Do nothing with an event."""
