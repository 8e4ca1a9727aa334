"""Options of reading and cutting a source: flags of what `PreprocessOptions` declares."""

from __future__ import annotations

from pathlib import Path

from adrec_cli.cli.options.declared import Declared
from adrec_cli.data.options import PreprocessOptions

Preprocessing = Declared[PreprocessOptions]


def preprocess_options(given: Preprocessing, workspace: Path) -> PreprocessOptions:
    """Return the options of preprocessing that flags ask for."""
    update = given.values["update"]
    if update is None:
        return given.options()
    return given.options(update=Path(update) if "/" in update else workspace / update)
