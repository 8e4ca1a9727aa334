"""Files that are named beside a source, items and what is joined, each of which may lie elsewhere."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from adrec_cli.data.addresses import find_address
from adrec_cli.data.options import PreprocessOptions
from adrec_cli.data.remote_files import bring_source
from adrec_cli.events import OnEvent


@contextlib.contextmanager
def bring_beside(options: PreprocessOptions, on_event: OnEvent) -> Iterator[PreprocessOptions]:
    """Yield options in which files at addresses are copies while open; errors as `bring_source`."""
    with contextlib.ExitStack() as brought:

        def bring(path: Path | None) -> Path | None:
            if (address := find_address(path)) is None:
                return path
            here = bring_source(address, offline=options.offline, on_event=on_event)
            return Path(brought.enter_context(here))

        yield replace(options, items=bring(options.items), join=bring(options.join))
