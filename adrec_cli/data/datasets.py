"""Named data sets: one TOML each, read strictly."""

from __future__ import annotations

import dataclasses
import tomllib
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from adrec_cli.artifacts.atomic import storage_error
from adrec_cli.data.filters import TIES, Duplicates, Ties
from adrec_cli.data.reading.times import TIME_UNITS
from adrec_cli.data.splits import SPLITS, Split
from adrec_cli.errors import InputError, UsageError


@dataclass(frozen=True, kw_only=True)
class SourceFiles:
    """One form a data set's interactions come in; the first form whose files are found is taken.

    Attributes:
        files: all of them are needed, in this order; "*" is allowed.
        url: https address of the one file, or of the zip archive that holds the files as `members`.
        sha256: of what the address gives; "" if nobody has checked it.
        members: names of the files inside the archive, as many as `files`.
        parts: "train", "valid" or "test" for each file where the source is split already.
        columns: names for files without header.
        user, item, timestamp, rating: names of the columns; "" for the customary ones.
        timestamp_unit, separator, encoding: "" finds out.
        header: whether the first row names the columns; None finds out.
    """

    files: tuple[str, ...]
    url: str = ""
    sha256: str = ""
    members: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    user: str = ""
    item: str = ""
    timestamp: str = ""
    rating: str = ""
    timestamp_unit: str = ""
    separator: str = ""
    encoding: str = ""
    header: bool | None = None

    def __post_init__(self) -> None:
        _check(bool(self.files), "sources.files is empty")
        _check(not self.url or self.url.startswith("https://"), f"sources.url {self.url!r} is not https")
        _check(not self.sha256 or len(self.sha256) == 64, f"sources.sha256 {self.sha256!r} has not 64 digits")
        _check(len(self.members) in (0, len(self.files)), "sources.members and sources.files differ in length")
        _check(len(self.parts) in (0, len(self.files)), "sources.parts and sources.files differ in length")
        _check(
            set(self.parts) <= {"train", "valid", "test"}, f"sources.parts {self.parts!r} are not train, valid, test"
        )
        _check(self.timestamp_unit in ("", *TIME_UNITS), f"sources.timestamp_unit {self.timestamp_unit!r} is unknown")


@dataclass(frozen=True, kw_only=True)
class ItemFile:
    """A file about the items; the first that is found is joined.

    Attributes:
        files: one file name.
        url, sha256, members, columns, separator, encoding, header: as for the sources.
        item, title, category: names of columns, "" for the customary ones.
        category_flags: columns with 1 or 0 whose names make the category.
        keep: other columns to keep; all if not given.
    """

    files: tuple[str, ...]
    url: str = ""
    sha256: str = ""
    members: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    separator: str = ""
    encoding: str = ""
    header: bool | None = None
    item: str = ""
    title: str = ""
    category: str = ""
    category_flags: tuple[str, ...] = ()
    keep: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        _check(len(self.files) == 1, "items.files must be one name")
        _check(not self.url or self.url.startswith("https://"), f"items.url {self.url!r} is not https")


@dataclass(frozen=True, kw_only=True)
class Filters:
    """Default options of a data set; None leaves adrec's own default.

    Attributes:
        min_rating: interactions below it are left out.
        min_user_interactions, min_item_interactions: the k-core.
        max_length: newest interactions kept of a user.
        duplicates: whether events with the same user, item and time stay.
        ties: order among equal times.
        split: how validation and test are held out.
    """

    min_rating: float | None = None
    min_user_interactions: int | None = None
    min_item_interactions: int | None = None
    max_length: int | None = None
    duplicates: Duplicates | None = None
    ties: Ties | None = None
    split: Split | None = None

    def __post_init__(self) -> None:
        _check(self.ties in (None, *TIES), f"filters.ties {self.ties!r} is not one of {', '.join(TIES)}")
        _check(self.split in (None, *SPLITS), f"filters.split {self.split!r} is not one of {', '.join(SPLITS)}")


@dataclass(frozen=True, kw_only=True)
class Expected:
    """Statistics the default options give.

    Attributes:
        users, items, interactions: None where unknown.
        source: who published them.
        checked: whether adrec's tests have seen them come out of the real file.
    """

    users: int | None = None
    items: int | None = None
    interactions: int | None = None
    source: str = ""
    checked: bool = False


@dataclass(frozen=True, kw_only=True)
class Variant:
    """Another cut of the same files, chosen with `--variant`."""

    notes: str = ""
    filters: Filters = field(default_factory=Filters)
    expected: Expected = field(default_factory=Expected)


@dataclass(frozen=True, kw_only=True)
class DatasetSpec:
    """A named data set.

    Attributes:
        name: of the TOML file, without ending; the folder in the workspace has it too.
        title, licence, citation, homepage, notes: for people.
        generated: made by adrec itself, from no file.
        sources: forms of its interactions, in the order they are looked for.
        items: forms of its item file.
        filters, expected: the default cut.
        variants: other cuts by name.
        recipe: training options; another part of adrec reads them.
    """

    name: str
    title: str
    licence: str
    citation: str
    homepage: str = ""
    notes: str = ""
    generated: bool = False
    sources: tuple[SourceFiles, ...] = ()
    items: tuple[ItemFile, ...] = ()
    filters: Filters = field(default_factory=Filters)
    expected: Expected = field(default_factory=Expected)
    variants: Mapping[str, Variant] = field(default_factory=dict)
    recipe: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check(self.generated or bool(self.sources), "there is no [[sources]]")


def dataset_folder() -> Path:
    """Return the folder of the TOML files: in the installed package, else in the source checkout."""
    package = Path(__file__).resolve().parent.parent
    installed = package / "datasets"
    return installed if installed.is_dir() else package.parent / "datasets"


def dataset_names() -> list[str]:
    """Return the names of all data sets adrec knows, sorted."""
    return sorted(path.stem for path in dataset_folder().glob("*.toml"))


def load_dataset_spec(name: str) -> DatasetSpec:
    """Read the description of a named data set.

    Raises:
        UsageError: there is none of that name.
        InputError: its TOML is damaged or has an unknown key.
    """
    if name not in dataset_names():
        raise UsageError(
            f"there is no data set named {name!r}", hint=f"one of: {', '.join(dataset_names())}; or the path of a file"
        )
    return read_dataset_spec(dataset_folder() / f"{name}.toml")


def read_dataset_spec(path: Path) -> DatasetSpec:
    """Read and check one TOML file.

    Raises:
        InputError: it is damaged, or a key is unknown, missing or of the wrong type.
        StorageError: it cannot be read.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        spec: DatasetSpec = _build(DatasetSpec, {**content, "name": path.stem}, "")
    except OSError as error:
        raise storage_error("read", path, error) from error
    except (ValueError, TypeError) as error:
        raise InputError(f"{path}: {error}", hint="mend the TOML file") from error
    return spec


def _check(holds: bool, message: str) -> None:
    if not holds:
        raise ValueError(message)


def _build(kind: Any, table: Mapping[str, Any], where: str) -> Any:
    """Build a dataclass from a TOML table; every key must be one of its fields."""
    hints = typing.get_type_hints(kind)
    for key in table:
        if key not in hints:
            raise ValueError(f"unknown key {where + key!r}, expected one of {', '.join(sorted(hints))}")
    missing = [
        entry.name
        for entry in dataclasses.fields(kind)
        if entry.default is dataclasses.MISSING
        and entry.default_factory is dataclasses.MISSING
        and entry.name not in table
    ]
    if missing:
        raise ValueError(f"missing key {where + missing[0]!r}")
    return kind(**{key: _convert(hints[key], value, where + key) for key, value in table.items()})


def _convert(hint: Any, value: Any, where: str) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return _convert(next(a for a in arguments if a is not type(None)), value, where)
    if origin is tuple:
        if not isinstance(value, list):
            raise ValueError(f"{where} is {value!r}, expected a list")
        return tuple(_convert(arguments[0], entry, f"{where}.") for entry in value)
    if origin is typing.Literal:
        if value not in arguments:
            raise ValueError(f"{where} is {value!r}, expected one of {', '.join(arguments)}")
        return value
    if origin is Mapping:
        if not isinstance(value, dict):
            raise ValueError(f"{where} is {value!r}, expected a table")
        if arguments[1] is Any:
            return value
        return {key: _convert(arguments[1], entry, f"{where}.{key}.") for key, entry in value.items()}
    if dataclasses.is_dataclass(hint):
        if not isinstance(value, dict):
            raise ValueError(f"{where} is {value!r}, expected a table")
        return _build(hint, value, where if where.endswith(".") else where + ".")
    if hint is float and type(value) is int:
        return float(value)
    if type(value) is not hint:
        raise ValueError(f"{where} is {value!r}, expected {hint.__name__}")
    return value
