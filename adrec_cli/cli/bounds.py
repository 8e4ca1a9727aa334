"""Numbers that are typed, held to what a machine can do before anything is started."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from adrec_cli.errors import UsageError
from adrec_cli.runtime import MOST_THREADS
from adrec_cli.wording import option

MOST_COUNT: Final = 2**31 - 1
_MOST: Final[Mapping[str, int]] = MappingProxyType(
    {
        "threads": MOST_THREADS, "keep_data": 10_000, "seed": 2**63 - 1, "max_rows": 2**62, "max_bytes": 2**62,
    }
)  # fmt: skip
"""Of options by their names in Python; of all others `MOST_COUNT`."""
_MAY_BE_INFINITE: Final = frozenset({"wait"})


def require_bounded(values: Mapping[str, Any]) -> None:
    """Refuse a count that no machine can do, and a number that is not finite.

    Args:
        values: of options, by their names in Python.

    Raises:
        UsageError: naming the option and the bound.
    """
    for name, value in values.items():
        most = _MOST.get(name, MOST_COUNT)
        if isinstance(value, int) and not isinstance(value, bool) and abs(value) > most:
            raise UsageError(f"{option(name)} must be at most {most:,}, got {_shorten(value)}")
        if name == "threads" and value is not None and value < 1:
            raise UsageError(f"{option(name)} must be at least 1, got {value}")
        if isinstance(value, float) and not math.isfinite(value) and name not in _MAY_BE_INFINITE:
            raise UsageError(f"{option(name)} must be a finite number, got {value}")


def _shorten(number: int) -> str:
    return f"{number:,}" if abs(number) < 10**30 else "a number of more than 30 digits"
