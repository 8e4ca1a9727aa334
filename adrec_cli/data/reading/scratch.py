"""A folder for temporary copies, which is removed again."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from adrec_cli.artifacts.atomic import storage_error

SCRATCH_FOLDER: Final = ".scratch"


@contextmanager
def scratch_folder(folder: Path | None) -> Iterator[Path]:
    """Yield a folder for temporary copies and remove it: in a data set's folder, or the system's if None.

    The caller holds the lock of the data set's folder, so what a killed run left there is removed first.

    Raises:
        StorageError: it cannot be made.
    """
    parent = None if folder is None else folder / SCRATCH_FOLDER
    try:
        if parent is not None:
            shutil.rmtree(parent, ignore_errors=True)
            parent.mkdir(parents=True, exist_ok=True)
        made = tempfile.TemporaryDirectory(prefix="adrec-", dir=parent)
    except OSError as error:
        raise storage_error("write", parent or Path(tempfile.gettempdir()), error) from error
    try:
        with made as name:
            yield Path(name)
    except OSError as error:
        raise storage_error("write", parent or Path(made.name), error) from error
    finally:
        if parent is not None:
            with contextlib.suppress(OSError):
                parent.rmdir()
