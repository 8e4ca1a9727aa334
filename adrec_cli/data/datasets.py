"""What the TOML of a named data set says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from adrec_cli.data.names import SPLITS, TIES, TIME_UNITS, Duplicates, Split, Ties
from adrec_cli.data.pins import Download
from adrec_cli.wording import say_count

DEMO_SEED: Final = 20250519
DEMO_VERSION: Final = 2
"""Of the generator of the demo, which the manifest keeps in place of files."""


@dataclass(frozen=True, kw_only=True)
class SourceFiles:
    """One form a data set's interactions come in; the first form whose files are found is taken.

    Attributes:
        files: all of them are needed, in this order; "*" is allowed.
        downloads: where each file is published, in the same order; or the one zip archive that holds the files as
            `members`.
        url, sha256: the same for a single address; the checksum is "" if nobody has recorded it.
        members: names of the files inside the archive, as many as `files`.
        parts: "train", "valid" or "test" for each file where the source is split already.
        columns: names for files without header.
        user, item, timestamp, rating: names of the columns; "" for the customary ones.
        timestamp_unit, timestamp_format, separator, encoding: "" finds out.
        timezone: of times that say none; "" is UTC.
        header: whether the first row names the columns; None finds out.
    """

    files: tuple[str, ...]
    downloads: tuple[Download, ...] = ()
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
    timestamp_format: str = ""
    timezone: str = ""
    separator: str = ""
    encoding: str = ""
    header: bool | None = None

    def __post_init__(self) -> None:
        _check(bool(self.files), "sources.files is empty")
        _check_published(self, "sources")
        _check(len(self.parts) in (0, len(self.files)), "sources.parts and sources.files differ in length")
        _check(
            set(self.parts) <= {"train", "valid", "test"}, f"sources.parts {self.parts!r} are not train, valid, test"
        )
        _check(self.timestamp_unit in ("", *TIME_UNITS), f"sources.timestamp_unit {self.timestamp_unit!r} is unknown")

    @property
    def published(self) -> tuple[Download, ...]:
        """Return what is downloaded: a file each, or the archive of `members`; nothing where it is fetched by hand."""
        return _list_downloads(self)


@dataclass(frozen=True, kw_only=True)
class ItemFile:
    """A file about the items; the first that is found is joined.

    Attributes:
        files: one file name.
        downloads, url, sha256, members, columns, separator, encoding, header: as for the sources.
        item, title, category: names of columns, "" for the customary ones.
        category_flags: columns with 1 or 0 whose names make the category.
        keep: other columns to keep; all if not given.
    """

    files: tuple[str, ...]
    downloads: tuple[Download, ...] = ()
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
        _check_published(self, "items")

    @property
    def published(self) -> tuple[Download, ...]:
        """Return what is downloaded: the file, or the archive it is a member of."""
        return _list_downloads(self)


@dataclass(frozen=True, kw_only=True)
class Filters:
    """Default options of a data set; None leaves adrec's own default.

    Attributes:
        where: conditions that an event must meet, as "event = view".
        min_rating: interactions below it are left out.
        min_user_interactions, min_item_interactions: the k-core.
        max_length: newest interactions kept of a user.
        duplicates: whether events with the same user, item and time stay.
        ties: order among equal times.
        split: how validation and test are held out.
    """

    where: tuple[str, ...] | None = None
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
class Parameter:
    """What a description of several data sets leaves open, such as a category.

    Attributes:
        values: each possible value, with texts that stand for `{KEY}` in the description.
    """

    values: Mapping[str, Mapping[str, str]]

    def __post_init__(self) -> None:
        _check(bool(self.values), "parameter.values is empty")


@dataclass(frozen=True, kw_only=True)
class DatasetSpec:
    """A named data set.

    Attributes:
        name: of the TOML file, without ending; the folder in the workspace has it too.
        title, licence, citation, homepage, notes: for people.
        by_hand: how its files are got where nothing can be downloaded: "sign in, and unpack events.csv".
        parameter: of a description that is one of several data sets.
        generated: made by adrec itself, from no file.
        sources: forms of its interactions, in the order they are looked for.
        items: forms of its item file.
        negatives: by part, "valid" or "test", the names a published file with the items to rank against may have; one
            that is among the files of a source is downloaded from there.
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
    by_hand: str = ""
    parameter: Parameter | None = None
    generated: bool = False
    sources: tuple[SourceFiles, ...] = ()
    items: tuple[ItemFile, ...] = ()
    negatives: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    filters: Filters = field(default_factory=Filters)
    expected: Expected = field(default_factory=Expected)
    variants: Mapping[str, Variant] = field(default_factory=dict)
    recipe: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check(self.generated or bool(self.sources), "there is no [[sources]]")
        _check(set(self.negatives) <= {"valid", "test"}, f"negatives {sorted(self.negatives)} are not valid, test")
        _check(all(self.negatives.values()), "negatives name no file")


def _check(holds: bool, message: str) -> None:
    if not holds:
        raise ValueError(message)


def _check_published(form: SourceFiles | ItemFile, where: str) -> None:
    """Check that a form says of each of its files, or of their archive, where it is published."""
    _check(not (form.url and form.downloads), f"{where} has both url and downloads")
    _check(not form.sha256 or len(form.sha256) == 64, f"{where}.sha256 {form.sha256!r} has not 64 digits")
    _check(not form.sha256 or bool(form.url), f"{where}.sha256 belongs to an url")
    _check(len(form.members) in (0, len(form.files)), f"{where}.members and {where}.files differ in length")
    try:
        published = form.published
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error
    wanted = 1 if form.members else len(form.files)
    _check(len(published) in (0, wanted), f"{where} names {say_count(len(published), 'download')}, expected {wanted}")


def _list_downloads(form: SourceFiles | ItemFile) -> tuple[Download, ...]:
    return form.downloads or ((Download(urls=(form.url,), sha256=form.sha256),) if form.url else ())
