"""Options declared once: a field says in words what it chooses, and the command line makes a flag of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

_CHOICE: Final = "choice"


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What a user sees of an option.

    Attributes:
        typed: the type of what is typed; a list where it may be given several times.
        help: a sentence of its own.
        metavar: what stands for the value in the help.
        panel: of the help that lists it; "" for the first one.
        known: values that are offered; others may be possible.
        environment: variable that gives it where nobody types it.
        can_be_off: whether there is a flag that turns it off.
    """

    typed: Any
    help: str
    metavar: str | None = None
    panel: str = ""
    known: Sequence[str] = ()
    environment: str | None = None
    can_be_off: bool = False


def choice(default: Any, typed: Any, help: str, **more: Any) -> Any:
    """Return a field of a dataclass of options that the command line offers too.

    Args:
        default: of the field, and of its flag.
        typed, help: as in `Choice`.
        more: the rest of `Choice`.
    """
    return dataclasses.field(default=default, metadata={_CHOICE: Choice(typed=typed, help=help, **more)})


def choices_of(options: type[Any]) -> Iterator[tuple[str, Any, Choice]]:
    """Yield name, default and description of every option that a dataclass offers."""
    for entry in dataclasses.fields(options):
        if _CHOICE in entry.metadata:
            yield entry.name, entry.default, entry.metadata[_CHOICE]
