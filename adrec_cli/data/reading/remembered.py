"""How a data set was read, as its manifest remembers it: the next file is read like the first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from adrec_cli.artifacts.manifest import Manifest
from adrec_cli.data.reading.column_names import Column, Role, TimeColumn

if TYPE_CHECKING:
    from adrec_cli.data.reading.table import Table

READING_OPTIONS: Final = (
    "user_column", "item_column", "timestamp_column", "rating_column", "header", "separator", "encoding",
    "timestamp_unit", "timestamp_format", "timezone", "where", "join", "on", "on_bad_row", "keep_blanks",
)  # fmt: skip
"""Options of reading: fields of `PreprocessOptions` and `Settings`, and, but for the columns, keys of a reading."""

_AS_ONE: Final = {
    "timestamp_column": ("timestamp_unit", "timestamp_format"),
    "timestamp_unit": ("timestamp_format",),
    "timestamp_format": ("timestamp_unit",),
}
"""What falls with an option that is given again: the unit was found in a column that is not read any longer."""
_OWN_NAMES: Final = {"items": "item", "timestamps": "timestamp"}
_NAMED_LAYOUTS: Final = ("jsonl", "parquet", "arrow")


@dataclass(frozen=True, kw_only=True)
class Remembered:
    """How a data set was read.

    Attributes:
        dataset: its name.
        reading: its manifest's `reading`, less what the command at hand says otherwise.
    """

    dataset: str
    reading: Mapping[str, Any]

    @property
    def columns(self) -> dict[Role, TimeColumn]:
        """The column of each role: a name as the file has it, or a position from 1 where nothing names it.

        A time in several columns has a list of them.
        """
        return dict(self.reading.get("columns", {}))

    def get(self, option: str) -> Any:
        """Return what was found or said for an option of reading; None if nothing was."""
        return self.reading.get(option)

    def drop(self, options: Mapping[str, Any]) -> Remembered:
        """Return the same without what `options` (those of the command, None where not given) say."""
        given = {name for name in READING_OPTIONS if options.get(name) is not None}
        fallen = given | {also for name in given for also in _AS_ONE.get(name, ())}
        reading = {key: value for key, value in self.reading.items() if key not in fallen}
        kept = {role: column for role, column in self.columns.items() if f"{role}_column" not in given}
        return replace(self, reading={**reading, "columns": kept})

    def merge(self, reading: Mapping[str, Any]) -> dict[str, Any]:
        """Return what to remember after one more file: what it says, and for the rest what was remembered before."""
        said = {key: value for key, value in reading.items() if value is not None}
        return {**self.reading, **said, "columns": {**self.columns, **reading["columns"]}}


def recall_reading(manifest: Manifest) -> Remembered:
    """Return how a data set was read; of a manifest of format 1, what its parameters say about it."""
    reading = manifest.reading
    if not reading:
        found = manifest.parameters.get("found", {})
        columns = {_OWN_NAMES.get(role, role): name for role, name in found.get("columns", {}).items()}
        said = {name: manifest.parameters.get(name) for name in READING_OPTIONS if not name.endswith("_column")}
        found = {key: found.get(key) for key in ("layout", "separator", "header")}
        reading = {"columns": columns, **said, **{key: value for key, value in found.items() if value is not None}}
    return Remembered(dataset=manifest.dataset, reading=reading)


def describe_reading(
    table: Table,
    columns: Mapping[str, str | list[str]],
    said: Mapping[str, Any],
    found: Mapping[str, Any],
    assumed: list[str],
) -> dict[str, Any]:
    """Return what a manifest remembers about a reading.

    Args:
        table: the first file.
        columns: the name of the column of each role, as the table has it; a list for a time in several columns.
        said: the options of reading that were given, None where not.
        found: what was found for others, by the option's name.
        assumed: a sentence each.
    """
    named = table.header or table.layout in _NAMED_LAYOUTS
    positions = {name: position for position, name in enumerate(table.columns, start=1)}

    def spell(name: str) -> Column:
        return name if named or name not in positions else positions[name]

    read = {
        _OWN_NAMES.get(role, role): spell(name) if isinstance(name, str) else [spell(part) for part in name]
        for role, name in columns.items()
    }
    read |= {_OWN_NAMES.get(role, role): place["position"] for role, place in found.get("repeated", {}).items()}
    options = {name: said.get(name) for name in READING_OPTIONS if not name.endswith("_column")}
    return {
        "layout": table.layout,
        "columns": read,
        "width": None if named else len(table.columns),
        **options,
        "header": table.header,
        "separator": table.separator or None,
        **found,
        "assumed": list(assumed),
    }


def recall_options(manifest: Manifest) -> dict[str, Any]:
    """Return what was asked for about the reading of a data set, its item file included; None where nothing was."""
    return {name: manifest.parameters.get(name) for name in (*READING_OPTIONS, "items_column", "min_rating")}
