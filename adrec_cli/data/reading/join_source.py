"""What is asked to be joined to the events."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class JoinSource:
    """What is joined to the events.

    Attributes:
        path: of the file.
        on: the column both have, or "order_id=id" where its name differs there.
    """

    path: Path
    on: str

    @property
    def keys(self) -> tuple[str, str]:
        """The column of the events and that of the other file."""
        own, _, other = self.on.partition("=")
        return own.strip(), (other or own).strip()
