"""The engines by name."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from types import MappingProxyType
from typing import Final, cast

from adrec_cli.data.interactions import Interactions
from adrec_cli.data.names import Engine
from adrec_cli.data.options import PreprocessOptions
from adrec_cli.data.reading.source_content import Reader, SourceContent, read_files
from adrec_cli.engines.spark.log import SparkLog
from adrec_cli.engines.spark.reading import open_reader

AnyReader = Reader[Interactions | SparkLog]


def _stay_here(options: PreprocessOptions) -> AbstractContextManager[Reader[Interactions]]:
    return contextlib.nullcontext(read_files)


ENGINES: Final[Mapping[Engine, Callable[[PreprocessOptions], AbstractContextManager[AnyReader]]]] = MappingProxyType(
    {"polars": _stay_here, "spark": open_reader}
)
"""What opens the reader of each engine."""


def choose_reader(options: PreprocessOptions) -> AbstractContextManager[AnyReader]:
    """Return what reads the files of a plan, to be opened.

    Raises:
        UsageError: when opened, if the engine is not installed.
    """
    return ENGINES[options.engine](options)


def bring_here(content: SourceContent[Interactions | SparkLog]) -> SourceContent[Interactions]:
    """Return what was read with its interactions in this process."""
    log = content.interactions
    here = log if isinstance(log, Interactions) else log.gather()
    return cast("SourceContent[Interactions]", replace(content, interactions=here))
