"""What options of preprocessing may be, each for itself and beside the others."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from adrec_cli.data.names import DUPLICATES, ENGINES, EPOCH_FORMATS, OVERLAPS, SPLITS, TIES, TIME_UNITS, BadRowPolicy
from adrec_cli.data.reading.conditions import parse_condition
from adrec_cli.data.reading.read_limits import ReadLimits
from adrec_cli.errors import UsageError
from adrec_cli.wording import option

BAD_ROW_POLICIES: Final[tuple[BadRowPolicy, ...]] = ("error", "skip")
_CLOSED: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "ties": TIES, "duplicates": DUPLICATES, "overlap": OVERLAPS, "split": SPLITS,
        "timestamp_unit": TIME_UNITS, "on_bad_row": BAD_ROW_POLICIES, "engine": ENGINES,
    }
)  # fmt: skip
"""What options with a closed set of values may be."""
_COUNTS: Final = ("min_interactions", "min_user_interactions", "min_item_interactions", "max_length", "keep_data")
_SHA256: Final = re.compile("any|[0-9a-f]{64}")


def check_options(options: Mapping[str, Any]) -> None:
    """Refuse options that cannot be.

    Args:
        options: by key, as `PreprocessOptions` has them, which is not imported: it calls this.

    Raises:
        UsageError: naming the first of them.
    """
    ReadLimits(rows=options["max_rows"], bytes=options["max_bytes"])
    for key, known in _CLOSED.items():
        _one_of(key, options[key], known)
    _check_times(options)
    if options["on"] is not None and options["join"] is None and options["update"] is None:
        raise UsageError(
            f"{option('on')} says what {option('join')} is joined on",
            hint=f"give that too: {option('join', 'FILE')}",
        )
    if options["database"] is not None and options["sql"] is None:
        raise UsageError(
            f"{option('database')} is where {option('sql')} is asked", hint=f"give that too: {option('sql', 'QUERY')}"
        )
    if options["spark_master"] is not None and options["engine"] != "spark":
        raise UsageError(
            f"{option('spark_master')} says where Spark runs", hint=f"say {option('engine', 'spark')}, or leave it out"
        )
    for condition in filter(None, options["where"] or ()):
        parse_condition(condition)
    if options["download_sha256"] is not None and not _SHA256.fullmatch(options["download_sha256"]):
        raise UsageError(
            f"{option('download_sha256', options['download_sha256'])} is not a SHA-256",
            hint="64 digits 0-9 and a-f, or: any",
        )
    for key in _COUNTS:
        value = options[key]
        if value is not None and value < 0:
            raise UsageError(f"{option(key, value)} is negative", hint="0 turns it off")
    if options["max_length"] in (1, 2):
        raise UsageError(
            f"{option('max_length', options['max_length'])} leaves no training event",
            hint="keep at least 3, or 0 for all",
        )


def _check_times(options: Mapping[str, Any]) -> None:
    if options["timestamp_format"] is not None:
        # Polars reads formats and zones: only where one is given is it needed.
        from adrec_cli.data.reading.time_formats import check_format

        check_format(options["timestamp_format"])
        if options["timestamp_unit"] not in (None, EPOCH_FORMATS.get(options["timestamp_format"])):
            raise UsageError(
                f"{option('timestamp_unit', options['timestamp_unit'])} and "
                f"{option('timestamp_format', options['timestamp_format'])} exclude each other",
                hint="leave one out",
            )
    if options["timezone"] is not None:
        from adrec_cli.data.reading.time_zones import check_zone

        check_zone(options["timezone"])


def _one_of(key: str, value: str | None, allowed: tuple[str, ...]) -> None:
    if value is not None and value not in allowed:
        raise UsageError(f"{option(key, value)} is unknown", hint=f"one of: {', '.join(allowed)}")
