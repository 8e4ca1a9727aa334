"""What a user can choose when preprocessing, and what that comes to for one source."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from adrec_cli.data.datasets import Filters, SourceFiles
from adrec_cli.data.filters import DUPLICATES, TIES, Duplicates, Ties
from adrec_cli.data.moments import Moment, check_order, read_moment
from adrec_cli.data.reading.bad_rows import BadRowPolicy
from adrec_cli.data.reading.read_limits import ReadLimits
from adrec_cli.data.reading.roles import Column
from adrec_cli.data.reading.time_formats import EPOCH_FORMATS, check_format
from adrec_cli.data.reading.time_zones import UTC_ZONE, check_zone
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
        split: "leave-one-out", "time" (needs valid_from and test_from), or "given" for split sources.
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


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Options with the defaults of a source filled in; what the manifest keeps as parameters.

    Attributes:
        as in `PreprocessOptions`; None still means "found from the file". Moments are microseconds, or relative.
    """

    variant: str | None
    user_column: Column | None
    item_column: Column | None
    timestamp_column: Column | None
    rating_column: Column | None
    header: bool | None
    separator: str | None
    encoding: str | None
    timestamp_unit: TimeUnit | None
    timestamp_format: str | None
    timezone: str | None
    join: str | None
    on: str | None
    where: tuple[str, ...]
    min_rating: float | None
    min_user_interactions: int
    min_item_interactions: int
    max_length: int
    duplicates: Duplicates
    ties: Ties
    split: Split | None
    valid_from: Moment | None
    test_from: Moment | None
    items_column: Column | None
    on_bad_row: BadRowPolicy
    keep_blanks: bool

    def parameters(self) -> dict[str, Any]:
        """Return the settings as JSON values."""
        values = dataclasses.asdict(self)
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


def settle(
    options: PreprocessOptions, form: SourceFiles | None, filters: Filters, inherited: Mapping[str, Any] | None = None
) -> Settings:
    """Fill the defaults of a source into the options.

    Args:
        options: as the user gave them.
        form: the files of a named data set that were found, if it is one.
        filters: the default cut of the data set or its variant.
        inherited: parameters of the data set that is added to; they stand above `form` and `filters`.

    Raises:
        UsageError: options contradict one another.
    """
    before = inherited or {}
    moments: dict[str, Moment | None] = {"valid_from": None, "test_from": None}
    if inherited is not None:
        names = [entry.name for entry in dataclasses.fields(Filters)]
        filters = Filters(**{name: inherited[name] for name in names if inherited.get(name) is not None})
        filters = dataclasses.replace(filters, where=tuple(filters.where or ()))
        moments.update({name: inherited.get(name) for name in moments})
    split = options.split or (None if options.valid_from is None else "time") or filters.split
    if split != "time":
        # Moments of a split by time mean nothing to another split that takes its place.
        moments = dict.fromkeys(moments)
    timezone = options.timezone or before.get("timezone")
    for name in moments:
        if (asked := getattr(options, name)) is not None:
            moments[name] = read_moment(asked, name, timezone or UTC_ZONE)
    valid_from, test_from = moments["valid_from"], moments["test_from"]
    if split == "time":
        if valid_from is None or test_from is None:
            raise UsageError(
                f"{option('split', 'time')} needs {option('valid_from')} and {option('test_from')}",
                hint="for example 2014-01-01, or -14d",
            )
        check_order(valid_from, test_from)
    elif valid_from is not None or test_from is not None:
        raise UsageError(
            f"{option('valid_from')} and {option('test_from')} belong to {option('split', 'time')}",
            hint=f"add {option('split', 'time')}",
        )
    return Settings(
        variant=options.variant,
        user_column=options.user_column or before.get("user_column") or (form and form.user) or None,
        item_column=options.item_column or before.get("item_column") or (form and form.item) or None,
        timestamp_column=options.timestamp_column
        or before.get("timestamp_column")
        or (form and form.timestamp)
        or None,
        rating_column=options.rating_column or before.get("rating_column") or (form and form.rating) or None,
        header=_first(options.header, before.get("header"), None if form is None else form.header),
        separator=options.separator or before.get("separator") or (form and form.separator) or None,
        encoding=options.encoding or before.get("encoding") or (form and form.encoding) or None,
        timestamp_unit=_unit(options, before, form),
        timestamp_format=_format(options, before, form),
        timezone=timezone or (form and form.timezone) or None,
        join=before.get("join") if options.join is None else options.join.name,
        on=options.on or before.get("on"),
        where=tuple(filter(None, filters.where or () if options.where is None else options.where)),
        min_rating=_first(options.min_rating, filters.min_rating),
        min_user_interactions=_first(
            options.min_user_interactions, options.min_interactions, filters.min_user_interactions
        )
        or 0,
        min_item_interactions=_first(
            options.min_item_interactions, options.min_interactions, filters.min_item_interactions
        )
        or 0,
        max_length=_first(options.max_length, filters.max_length) or 0,
        duplicates=options.duplicates or filters.duplicates or "drop",
        ties=options.ties or filters.ties or "source",
        split=split,
        valid_from=valid_from,
        test_from=test_from,
        items_column=options.items_column or before.get("items_column"),
        on_bad_row=options.on_bad_row or before.get("on_bad_row") or "error",
        keep_blanks=_first(options.keep_blanks, before.get("keep_blanks"), False),
    )


def spell_command(source: str, options: PreprocessOptions) -> str:
    """Return the command that was typed, without its columns, so that a hint can complete it."""
    typed = {
        entry.name: getattr(options, entry.name)
        for entry in dataclasses.fields(PreprocessOptions)
        if not entry.name.endswith("_column") and getattr(options, entry.name) != entry.default
    }
    return command("preprocess", source, **typed)


def _unit(options: PreprocessOptions, before: Mapping[str, Any], form: SourceFiles | None) -> TimeUnit | None:
    """Return the unit of times: as asked for, else as before or as the data set says, where no format is asked for."""
    asked = options.timestamp_unit or EPOCH_FORMATS.get(options.timestamp_format or "")
    if asked is None and options.timestamp_format is None:
        asked = before.get("timestamp_unit") or (None if form is None else form.timestamp_unit)
    return next((unit for unit in TIME_UNITS if asked == unit), None)


def _format(options: PreprocessOptions, before: Mapping[str, Any], form: SourceFiles | None) -> str | None:
    """Return the format of times where they are no numbers of a unit: as asked for, else as before or as the form."""
    if options.timestamp_unit is not None or options.timestamp_format in EPOCH_FORMATS:
        return None
    return options.timestamp_format or before.get("timestamp_format") or (form and form.timestamp_format) or None


def _first(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)


def _one_of(key: str, value: str | None, allowed: tuple[str, ...]) -> None:
    if value is not None and value not in allowed:
        raise UsageError(f"{option(key, value)} is unknown", hint=f"one of: {', '.join(allowed)}")
