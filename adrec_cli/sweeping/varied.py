"""An option of a sweep with the values it takes, as people type them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from adrec_cli.errors import UsageError
from adrec_cli.wording import option


@dataclass(frozen=True, kw_only=True)
class Varied:
    """An option and the values it takes.

    Attributes:
        key: as typed, such as lambda.
        values: at least one.
    """

    key: str
    values: tuple[Any, ...]


def parse_varied(text: str) -> Varied:
    """Return what `lambda=0.001,0.01` means.

    Raises:
        UsageError: not of the form KEY=VALUE,VALUE.
    """
    # Not at the top: it loads Polars.
    from adrec_cli.sweeping.option_keys import parse_values

    key, equals, values = (part.strip() for part in text.partition("="))
    if not key or not equals or not values:
        raise UsageError(
            f"{option('vary')} takes KEY=VALUE,VALUE,..., got {text!r}",
            hint=f"for example {option('vary', 'steps=5,10,20,50')}",
        )
    parsed = parse_values(values)
    unique = [value for position, value in enumerate(parsed) if value not in parsed[:position]]
    if not unique or "" in unique:
        raise UsageError(
            f"{option('vary', text)} has an empty value", hint=f"for example {option('vary', 'steps=5,10,20,50')}"
        )
    return Varied(key=key, values=tuple(unique))
