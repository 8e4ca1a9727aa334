"""Vectors of another program that lie elsewhere, brought here with the ids beside them while they are read."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from adrec_cli.artifacts.vectors_file import ids_file
from adrec_cli.data.addresses import find_address
from adrec_cli.data.remote_files import bring_source
from adrec_cli.errors import InputError
from adrec_cli.events import ignore

_IDS_BESIDE: Final = (".npy", ".safetensors")
"""Files that may have their ids in another one."""


@contextlib.contextmanager
def bring_vectors(places: Iterable[Path]) -> Iterator[dict[Path, Path]]:
    """Yield where files of vectors can be read while open: copies of those at addresses.

    Args:
        places: path or address of each.

    Raises:
        InputError, UsageError, StorageError: as `bring_source`.
    """
    with contextlib.ExitStack() as brought:

        def bring(address: str) -> Path:
            return Path(brought.enter_context(bring_source(address, offline=False, on_event=ignore)))

        here: dict[Path, Path] = {}
        for place in places:
            address, ids = find_address(place), find_address(ids_file(place))
            here[place] = place.resolve() if address is None else bring(address)
            if address is not None and ids is not None and place.suffix.lower() in _IDS_BESIDE:
                # Whoever reads them says what is missing.
                with contextlib.suppress(InputError):
                    os.replace(bring(ids), ids_file(here[place]))
        yield here
