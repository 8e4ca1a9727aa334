"""What was said about the times of a source."""

from __future__ import annotations

from dataclasses import dataclass

from adrec_cli.data.names import UTC_ZONE, TimeUnit


@dataclass(frozen=True, kw_only=True)
class TimeOptions:
    """How times are read.

    Attributes:
        unit: of numbers; None finds it.
        form: as `--timestamp-format` takes it, save for numbers since 1970; None finds it.
        zone: IANA name, of times that say none.
        unit_is_said: whether somebody said the unit; one that was found for earlier files is held to the next ones as
            if it were found for them.
    """

    unit: TimeUnit | None = None
    form: str | None = None
    zone: str = UTC_ZONE
    unit_is_said: bool = True
