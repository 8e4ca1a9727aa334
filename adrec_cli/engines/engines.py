"""The engines by name."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from types import MappingProxyType
from typing import Final

from adrec_cli.data.option_checks import Engine
from adrec_cli.data.options import PreprocessOptions
from adrec_cli.data.reading.source_content import Reader, read_files
from adrec_cli.engines.spark.reading import open_reader


def _stay_here(options: PreprocessOptions) -> AbstractContextManager[Reader]:
    return contextlib.nullcontext(read_files)


ENGINES: Final[Mapping[Engine, Callable[[PreprocessOptions], AbstractContextManager[Reader]]]] = MappingProxyType(
    {"polars": _stay_here, "spark": open_reader}
)
"""What opens the reader of each engine."""


def choose_reader(options: PreprocessOptions) -> AbstractContextManager[Reader]:
    """Return what reads the files of a plan, to be opened.

    Raises:
        UsageError: when opened, if the engine is not installed.
    """
    return ENGINES[options.engine](options)
