"""Several things read one after the other, those that cannot be read set aside."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from adrec_cli.errors import AdrecError

S = TypeVar("S")
T = TypeVar("T")


def read_each(sources: Iterable[S], read: Callable[[S], T], damaged: list[str]) -> Iterator[tuple[S, T]]:
    """Yield each source with what was read of it.

    Args:
        sources: paths or names, say.
        read: reads one; what it refuses is left out.
        damaged: gets the message of each that is left out.
    """
    for source in sources:
        try:
            content = read(source)
        except AdrecError as error:
            # What a run has removed since it was listed is not damaged.
            if isinstance(source, Path) and not os.path.lexists(source):
                continue
            damaged.append(error.message)
        else:
            yield source, content
