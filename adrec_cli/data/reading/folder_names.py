"""What the names of folders say, as of a log that is partitioned: `day=2024-01-31/part-0.parquet`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath
from urllib.parse import unquote


def names_a_value(folder: str) -> bool:
    """Return whether the name of a folder says a column and a value: `day=2024-01-31`."""
    return "=" in folder[1:]


def find_folder_values(path: PurePath) -> dict[str, list[str]]:
    """Return what the folders of a path say, by column; more than one value if they do not agree.

    Args:
        path: of a file.
    """
    said: dict[str, list[str]] = {}
    for folder in filter(names_a_value, path.parent.parts):
        name, _, value = folder.partition("=")
        values = said.setdefault(unquote(name), [])
        if (text := unquote(value)) not in values:
            values.append(text)
    return said


def find_folder_columns(paths: Sequence[PurePath]) -> list[str]:
    """Return the names of columns that the folders of files have values of."""
    return list(dict.fromkeys(name for path in paths for name in find_folder_values(path)))


def show_folders(path: PurePath) -> str:
    """Return the folders of a file that say something, as they stand; "" if none does."""
    return "/".join(filter(names_a_value, path.parent.parts))
