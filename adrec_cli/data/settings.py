"""Options of preprocessing with the defaults of a source filled in, by a table of where each default comes from."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from adrec_cli.artifacts.manifest import Manifest
from adrec_cli.data.datasets import Filters, SourceFiles
from adrec_cli.data.moments import Moment, check_order, read_moment
from adrec_cli.data.names import EPOCH_FORMATS, TIME_UNITS, UTC_ZONE, BadRowPolicy, Duplicates, Split, Ties, TimeUnit
from adrec_cli.data.options import PreprocessOptions
from adrec_cli.data.reading.column_names import Column
from adrec_cli.data.reading.remembered import recall_options
from adrec_cli.errors import UsageError
from adrec_cli.wording import option


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


@dataclass(frozen=True, kw_only=True)
class _Default:
    """Where a setting comes from that is not asked for.

    Attributes:
        also: another option that asks for it, among others.
        form: what it is called among the files of a named data set; "" if they do not say it.
        cut: whether the cut of a data set or its variant says it.
        inherited: whether it stays what it was for the data set that is added to.
        otherwise: what it is where nobody says anything.
    """

    also: str = ""
    form: str = ""
    cut: bool = False
    inherited: bool = True
    otherwise: Any = None


_DEFAULTS: Final[Mapping[str, _Default]] = MappingProxyType(
    {
        "variant": _Default(inherited=False),
        "user_column": _Default(form="user"),
        "item_column": _Default(form="item"),
        "timestamp_column": _Default(form="timestamp"),
        "rating_column": _Default(form="rating"),
        "header": _Default(form="header"),
        "separator": _Default(form="separator"),
        "encoding": _Default(form="encoding"),
        "timezone": _Default(form="timezone"),
        "join": _Default(),
        "on": _Default(),
        "where": _Default(cut=True, otherwise=()),
        "min_rating": _Default(cut=True),
        "min_user_interactions": _Default(also="min_interactions", cut=True, otherwise=0),
        "min_item_interactions": _Default(also="min_interactions", cut=True, otherwise=0),
        "max_length": _Default(cut=True, otherwise=0),
        "duplicates": _Default(cut=True, otherwise="drop"),
        "ties": _Default(cut=True, otherwise="source"),
        "items_column": _Default(),
        "on_bad_row": _Default(otherwise="error"),
        "keep_blanks": _Default(otherwise=False),
    }
)
"""Of each setting but those that depend on others: the split with its moments, the unit and the format of times."""


_CUT: Final = ("min_rating", "min_user_interactions", "min_item_interactions", "max_length", "ties", "duplicates")


def drop_findings(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was asked for of a manifest's parameters, without what was found or done."""
    return {key: value for key, value in parameters.items() if key not in ("found", "updated")}


def inherit(manifest: Manifest) -> dict[str, Any]:
    """Return what was asked for when a data set that is added to was made: its cut, and how it was read."""
    cut = {name: manifest.parameters.get(name) for name in (*_CUT, "split", "valid_from", "test_from")}
    return {**cut, **recall_options(manifest)}


def settle(
    options: PreprocessOptions, form: SourceFiles | None, filters: Filters, inherited: Mapping[str, Any] | None = None
) -> Settings:
    """Fill the defaults of a source into the options.

    Args:
        options: as the user gave them.
        form: the files of a named data set that were found, if it is one.
        filters: the default cut of the data set or its variant.
        inherited: parameters of the data set that is added to; they stand above `form`, and in place of `filters`.

    Raises:
        UsageError: options contradict one another.
    """
    before = inherited or {}
    asked = {**vars(options), "join": None if options.join is None else options.join.name}
    says = {} if form is None else vars(form)
    cut = vars(filters) if inherited is None else {}
    found = {}
    for name, default in _DEFAULTS.items():
        places = (
            asked.get(name),
            asked.get(default.also),
            before.get(name) if default.inherited else None,
            says.get(default.form),
            cut.get(name) if default.cut else None,
        )
        found[name] = next((value for value in places if value not in (None, "")), default.otherwise)
    split = options.split or ("time" if options.valid_from is not None else before.get("split") or cut.get("split"))
    return Settings(
        **{**found, "where": tuple(filter(None, found["where"]))},
        timestamp_unit=_unit(options, before, form),
        timestamp_format=_format(options, before, form),
        split=split,
        **_settle_moments(options, before, split, options.timezone or before.get("timezone") or UTC_ZONE),
    )


def _settle_moments(
    options: PreprocessOptions, before: Mapping[str, Any], split: Split | None, zone: str
) -> dict[str, Any]:
    """Return where validation and test begin in a split by time; nowhere in another.

    Raises:
        UsageError: one of them is missing, they are the wrong way round, or nothing is split by time.
    """
    moments: dict[str, Moment | None] = {}
    for name in ("valid_from", "test_from"):
        asked = getattr(options, name)
        # Moments of a split by time mean nothing to another split that takes its place.
        inherited = before.get(name) if split == "time" else None
        moments[name] = inherited if asked is None else read_moment(asked, name, zone)
    valid_from, test_from = moments["valid_from"], moments["test_from"]
    if split != "time":
        if valid_from is not None or test_from is not None:
            raise UsageError(
                f"{option('valid_from')} and {option('test_from')} belong to {option('split', 'time')}",
                hint=f"add {option('split', 'time')}",
            )
        return moments
    if valid_from is None or test_from is None:
        raise UsageError(
            f"{option('split', 'time')} needs {option('valid_from')} and {option('test_from')}",
            hint="for example 2014-01-01, or -14d",
        )
    check_order(valid_from, test_from)
    return moments


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
