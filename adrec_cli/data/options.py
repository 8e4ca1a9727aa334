"""What a user can choose when preprocessing, and what that comes to for one source."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from adrec_cli.data.filters import DUPLICATES, TIES, Duplicates, Ties
from adrec_cli.data.reading.bad_rows import BadRowPolicy
from adrec_cli.data.reading.read_limits import ReadLimits
from adrec_cli.data.reading.roles import Column
from adrec_cli.data.reading.time_formats import EPOCH_FORMATS, check_format
from adrec_cli.data.reading.time_zones import check_zone
from adrec_cli.data.reading.times import TIME_UNITS, TimeUnit
from adrec_cli.data.reading.where import parse_condition
from adrec_cli.data.splits import SPLITS, Split
from adrec_cli.errors import UsageError
from adrec_cli.wording import command, option

BAD_ROW_POLICIES: Final[tuple[BadRowPolicy, ...]] = ("error", "skip")
_CLOSED: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "ties": TIES, "duplicates": DUPLICATES, "split": SPLITS, "timestamp_unit": TIME_UNITS,
        "on_bad_row": BAD_ROW_POLICIES,
    }
)  # fmt: skip
"""What options with a closed set of values may be."""


@dataclass(frozen=True, kw_only=True)
class PreprocessOptions:
    """Options of preprocessing; None means the data set's default, else adrec's.

    Attributes:
        name: of the data set in the workspace; default: the named data set, or the stem of the file.
        variant: another published cut of a named data set.
        user_column, item_column, timestamp_column, rating_column: a name, or a position from 1.
        header: whether the first row names the columns.
        separator, encoding: of text files; found if None.
        timestamp_unit: s, ms, us, ns, or order for numbers that are no times; found if None.
        timestamp_format: of strptime, or iso, dmy, mdy, month-name, yyyymmdd, epoch-s (ms, us, ns); found if None.
        timezone: IANA name, of times and moments that say none; UTC if None.
        join: file with a row for each order, session or basket of the events, whose columns come behind theirs.
        on: the column that both have, or "order_id=id" where its name differs there.
        where: conditions that an event must meet, such as "event in view,purchase"; an empty one takes back those of
            the data set that is added to.
        min_rating: interactions rated below it are left out.
        min_interactions: k of the k-core, for users and items; the next two set one of them.
        min_user_interactions, min_item_interactions: fewest interactions of a user, of an item; 0 for none.
        max_length: newest interactions kept of a user; 0 for all.
        duplicates: "drop" keeps the first of events with the same user, item and time; "keep" keeps all.
        ties: "source" keeps the source's order among equal times, "item" takes ascending item ids.
        split: "leave-one-out", "time" (needs valid_from and test_from), "given" for split
            sources, or "cold-items", which holds out items with all their events.
        valid_from, test_from: where validation and test begin: ISO dates, in `timezone` where they say none, or as long
            before the newest event as -14d, -2w or -12h says; an update moves these with its newest event.
        items: file with titles and categories.
        items_column: its column of item ids; found if None.
        on_bad_row: "error" (the default) or "skip".
        keep_blanks: blanks around an id belong to it; otherwise they are taken off.
        max_rows: of a file; None takes what no honest file of its size exceeds.
        max_bytes: that a compressed file unpacks to; None likewise.
        download_sha256: what a download must have whose SHA-256 the data set does not name; "any" takes what comes.
        yes: download more than 100 MB too.
        offline: download nothing.
        strict: refuse an update that is not plausible, rather than warn of it.
        update: folder of a preprocessed data set whose item indices are kept and whose events are added to.
        retake: take files that were gone back from with `adrec rollback --data`.
        keep_data: former generations of the data set that stay; as many as before if None, at first 3.
    """

    name: str | None = None
    variant: str | None = None
    user_column: Column | None = None
    item_column: Column | None = None
    timestamp_column: Column | None = None
    rating_column: Column | None = None
    header: bool | None = None
    separator: str | None = None
    encoding: str | None = None
    timestamp_unit: TimeUnit | None = None
    timestamp_format: str | None = None
    timezone: str | None = None
    join: Path | None = None
    on: str | None = None
    where: Sequence[str] | None = None
    min_rating: float | None = None
    min_interactions: int | None = None
    min_user_interactions: int | None = None
    min_item_interactions: int | None = None
    max_length: int | None = None
    duplicates: Duplicates | None = None
    ties: Ties | None = None
    split: Split | None = None
    valid_from: str | None = None
    test_from: str | None = None
    items: Path | None = None
    items_column: Column | None = None
    on_bad_row: BadRowPolicy | None = None
    keep_blanks: bool | None = None
    max_rows: int | None = None
    max_bytes: int | None = None
    download_sha256: str | None = None
    yes: bool = False
    offline: bool = False
    strict: bool = False
    update: Path | None = None
    retake: bool = False
    keep_data: int | None = None

    @property
    def limits(self) -> ReadLimits:
        """What is read of a file at most."""
        return ReadLimits(rows=self.max_rows, bytes=self.max_bytes)

    def __post_init__(self) -> None:
        _ = self.limits
        for key, known in _CLOSED.items():
            _one_of(key, getattr(self, key), known)
        if self.timestamp_format is not None:
            check_format(self.timestamp_format)
            unit = EPOCH_FORMATS.get(self.timestamp_format)
            if self.timestamp_unit not in (None, unit):
                raise UsageError(
                    f"{option('timestamp_unit', self.timestamp_unit)} and "
                    f"{option('timestamp_format', self.timestamp_format)} exclude "
                    "each other",
                    hint="leave one out",
                )
        if self.on is not None and self.join is None and self.update is None:
            raise UsageError(
                f"{option('on')} says what {option('join')} is joined on",
                hint=f"give that too: {option('join', 'FILE')}",
            )
        if self.timezone is not None:
            check_zone(self.timezone)
        for condition in filter(None, self.where or ()):
            parse_condition(condition)
        if self.download_sha256 is not None and not re.fullmatch("any|[0-9a-f]{64}", self.download_sha256):
            raise UsageError(
                f"{option('download_sha256', self.download_sha256)} is no SHA-256",
                hint="64 digits 0-9 and a-f, or: any",
            )
        counts = ("min_interactions", "min_user_interactions", "min_item_interactions", "max_length", "keep_data")
        for key in counts:
            value = getattr(self, key)
            if value is not None and value < 0:
                raise UsageError(f"{option(key, value)} is negative", hint="0 turns it off")
        if self.max_length in (1, 2):
            raise UsageError(
                f"{option('max_length', self.max_length)} leaves no training event",
                hint="keep at least 3, or 0 for all",
            )

    def changes_the_cut(self) -> bool:
        """Return whether an option changes which interactions are kept, so that published counts do not apply."""
        cut = (
            "where",
            "min_rating",
            "min_interactions",
            "min_user_interactions",
            "min_item_interactions",
            "max_length",
            "duplicates",
        )
        return any(getattr(self, key) is not None for key in cut) or self.update is not None


def spell_command(source: str, options: PreprocessOptions) -> str:
    """Return the command that was typed, without its columns, so that a hint can complete it."""
    typed = {
        entry.name: getattr(options, entry.name)
        for entry in dataclasses.fields(PreprocessOptions)
        if not entry.name.endswith("_column") and getattr(options, entry.name) != entry.default
    }
    return command("preprocess", source, **typed)


def _one_of(key: str, value: str | None, allowed: tuple[str, ...]) -> None:
    if value is not None and value not in allowed:
        raise UsageError(f"{option(key, value)} is unknown", hint=f"one of: {', '.join(allowed)}")
