"""Times as numbers: units, what is plausible, and moments as people type and read them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from adrec_cli.data.names import UTC_ZONE, TimeUnit
from adrec_cli.errors import UsageError

LATEST: Final = 4_102_444_800
"""Seconds of 2100-01-01; what lies beyond is taken for a mistake."""

_PER_SECOND: Final = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
# Below 1e8 a number could be anything; 1e8 s is 1973, and the ranges of the units do not meet.
_UNIT_FLOOR: Final = {"s": 10**8, "ms": 10**11, "us": 10**14, "ns": 10**17}


def find_unit(values: NDArray[np.int64] | NDArray[np.float64]) -> TimeUnit | None:
    """Return the unit of epoch times by their magnitude, that of the median; None where it fits none."""
    sample = values[:: max(1, len(values) // 100_000)]
    half = (len(sample) - 1) // 2
    # Not the mean of the two middle values: half seconds, half milliseconds would give a time between them.
    middle = float(np.partition(sample, half)[half])
    units: tuple[TimeUnit, ...] = ("ns", "us", "ms", "s")
    return next((unit for unit in units if middle >= _UNIT_FLOOR[unit]), None)


def plausible(
    values: NDArray[np.int64] | NDArray[np.float64], unit: TimeUnit, *, found: bool = False, slack: int = 0
) -> NDArray[np.bool_]:
    """Return which times lie between the epoch and 2100.

    Args:
        values: numbers of the unit.
        unit: of these.
        found: whether the unit was found: then they must lie in its range.
        slack: by how much of the unit they may lie outside.
    """
    if unit == "order":
        # Positions are stored as they are: a fraction would be lost, and with it the order.
        whole: NDArray[np.bool_] = (values == np.rint(values)) & (np.abs(values) < 1 << 62)
        return whole
    low = _UNIT_FLOOR[unit] if found else 0
    high = min(LATEST * _PER_SECOND[unit] + slack, np.iinfo(np.int64).max)
    result: NDArray[np.bool_] = (values >= low - slack) & (values < high)
    return result


def to_microseconds(values: NDArray[np.int64] | NDArray[np.float64], unit: TimeUnit) -> NDArray[np.int64]:
    """Convert plausible times of a unit to microseconds; "order" is kept as it stands."""
    if unit == "order":
        return values.astype(np.int64, copy=False)
    if unit == "ns":
        return (values // 1000).astype(np.int64, copy=False)
    factor = 10**6 // _PER_SECOND[unit]
    if factor == 1:
        return values.astype(np.int64, copy=False)
    if values.dtype.kind == "f":
        return np.rint(values * factor).astype(np.int64)
    return values.astype(np.int64, copy=False) * factor


def parse_moment(text: str | datetime, what: str, zone: str = UTC_ZONE) -> int:
    """Return the microseconds of an ISO date or time given as an option.

    Args:
        text: the moment; without a zone it is meant in `zone`.
        what: it is, for messages.
        zone: IANA name.

    Raises:
        UsageError: it is neither.
    """
    try:
        moment = text if isinstance(text, datetime) else datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"{what}: {text!r} is not a date or time", hint="write it as 2014-05-01") from error
    local = moment.tzinfo is None
    since = (moment.replace(tzinfo=UTC) if local else moment) - datetime(1970, 1, 1, tzinfo=UTC)
    microseconds = (since.days * 86_400 + since.seconds) * 10**6 + since.microseconds
    if not local or zone == UTC_ZONE:
        return microseconds
    from adrec_cli.data.reading.time_zones import local_to_utc

    return int(local_to_utc(np.array([microseconds]), zone).times[0])


def moment_text(microseconds: int) -> str:
    """Return a time as ISO 8601 text in UTC."""
    seconds, rest = divmod(microseconds, 10**6)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest).isoformat().replace("+00:00", "Z")
