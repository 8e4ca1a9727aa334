"""Local times of a zone to UTC, where clocks are turned forward and back."""

from __future__ import annotations

import difflib
import zoneinfo
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from adrec_cli.data.names import UTC_ZONE
from adrec_cli.errors import UsageError
from adrec_cli.wording import option

_CHUNK: Final = 1 << 20
# No clock was ever turned by more, and none twice within it.
_BEFORE_A_GAP: Final = pl.duration(hours=25)


@dataclass(frozen=True, kw_only=True)
class LocalTimes:
    """Local times, turned into UTC.

    Attributes:
        times: microseconds since the epoch.
        twice: of each, whether the zone has it twice, as clocks were turned back; the first is taken.
        never: of each, whether the zone does not have it, as clocks were turned forward; it is read as if they had not
            been.
    """

    times: NDArray[np.int64]
    twice: NDArray[np.bool_]
    never: NDArray[np.bool_]


def check_zone(zone: str) -> None:
    """Check the name of a time zone.

    Raises:
        UsageError: there is none of that name.
    """
    try:
        pl.Series([0]).cast(pl.Datetime("us")).dt.replace_time_zone(zone)
    except pl.exceptions.PolarsError as error:
        known = sorted(zoneinfo.available_timezones()) or [UTC_ZONE]
        near = difflib.get_close_matches(zone, known, n=3, cutoff=0.5) or ["Europe/Berlin", UTC_ZONE]
        raise UsageError(
            f"{option('timezone', zone)} is unknown", hint=f"an IANA name, such as {', '.join(near)}"
        ) from error


def local_to_utc(local: NDArray[np.int64], zone: str) -> LocalTimes:
    """Turn the local times of a zone into UTC.

    Args:
        local: microseconds since the epoch as if they were UTC.
        zone: IANA name, checked.
    """
    if zone == UTC_ZONE:
        nothing = np.zeros(len(local), dtype=np.bool_)
        return LocalTimes(times=local, twice=nothing, never=nothing)
    times, twice, never = np.empty_like(local), np.empty(len(local), np.bool_), np.empty(len(local), np.bool_)
    for start in range(0, len(local), _CHUNK):
        part = slice(start, start + _CHUNK)
        clock = pl.col("local").cast(pl.Datetime("us"))
        first, last = (
            clock.dt.replace_time_zone(zone, ambiguous=which, non_existent="null") for which in ("earliest", "latest")
        )
        shifted = (clock - _BEFORE_A_GAP).dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
        read = pl.DataFrame({"local": local[part]}).select(
            times=pl.coalesce(first.dt.epoch("us"), (shifted + _BEFORE_A_GAP).dt.epoch("us")),
            twice=(first != last).fill_null(False),
            never=first.is_null(),
        )
        times[part], twice[part], never[part] = (read[name].to_numpy() for name in ("times", "twice", "never"))
    return LocalTimes(times=times, twice=twice, never=never)
