"""A source and the files that are named beside it, items and what is joined, each of which may lie elsewhere."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from adrec_cli.data.addresses import find_address
from adrec_cli.data.options import PreprocessOptions
from adrec_cli.data.remote_files import bring_source


@contextlib.contextmanager
def bring_files(
    source: str, options: PreprocessOptions, on_event: Callable[[object], None]
) -> Iterator[tuple[str, PreprocessOptions]]:
    """Yield a source and options in which files at addresses are copies while open; errors as `bring_source`."""
    with contextlib.ExitStack() as brought:

        def bring(place: str) -> str:
            return brought.enter_context(bring_source(place, offline=options.offline, on_event=on_event))

        def bring_beside(path: Path | None) -> Path | None:
            return path if (address := find_address(path)) is None else Path(bring(address))

        beside = replace(options, items=bring_beside(options.items), join=bring_beside(options.join))
        yield bring(source), beside
