"""The nights of the model that is served, read again when its file has changed."""

from __future__ import annotations

from pathlib import Path

from adrec_cli.artifacts.nights import Night, read_nights
from adrec_cli.errors import AdrecError
from adrec_cli.schema import NIGHTS_FILE


class NightsFile:
    """What runs noted in the folders of a data set's models.

    Attributes:
        folder: of the data set.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._known: dict[str, tuple[tuple[int, int, int], list[Night]]] = {}

    def of(self, model: str) -> list[Night]:
        """Return the nights of a model, oldest first; those known before where the file cannot be read now."""
        path = self.folder / model / NIGHTS_FILE
        seen, nights = self._known.get(model, ((0, 0, 0), []))
        try:
            status = path.stat()
            looks = (status.st_mtime_ns, status.st_size, status.st_ino)
            if looks != seen:
                nights = read_nights(path.parent)
                self._known[model] = looks, nights
        except FileNotFoundError:
            return []
        except (AdrecError, OSError):
            return nights
        return nights
