"""Several files that belong together, read while nothing is locked and others may exchange them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

from adrec_cli.artifacts.atomic import file_identity
from adrec_cli.artifacts.evaluation import list_evaluations
from adrec_cli.artifacts.matching_paths import matching_paths
from adrec_cli.errors import AdrecError
from adrec_cli.schema import CURRENT_FILE, MANIFEST_FILE

T = TypeVar("T")

_MOST_LOOKS: Final = 4


def list_told(folder: Path) -> list[Path]:
    """Return the files of a data set's folder that say what it is, which models are current, and how good they are."""
    current = sorted(matching_paths(folder, f"*/{CURRENT_FILE}"))
    return [folder / MANIFEST_FILE, *current, *list_evaluations(folder)]


def read_steadily(watched: Callable[[], list[Path]], read: Callable[[], T]) -> T:
    """Return what is read of files that change one after the other, read again where they have changed meanwhile.

    Args:
        watched: returns files and folders, of which one at least is another whenever what is read has changed.
        read: reads; what it raises counts as what it returns. What changes each time is read four times, and then
            taken as it is found.

    Raises:
        AdrecError: what reading raises.
    """

    def look() -> list[tuple[Path, tuple[int, ...] | None]]:
        return [(path, file_identity(path)) for path in watched()]

    for _ in range(_MOST_LOOKS - 1):
        before = look()
        try:
            found = read()
        except AdrecError:
            if look() == before:
                raise
        else:
            if look() == before:
                return found
    return read()
