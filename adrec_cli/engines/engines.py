"""The engines by name."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from types import MappingProxyType
from typing import Final, cast

from adrec_cli.data.addresses import find_address, is_address, show_address
from adrec_cli.data.interactions import Interactions
from adrec_cli.data.names import Engine
from adrec_cli.data.options import PreprocessOptions
from adrec_cli.data.reading.source_content import Reader, SourceContent, read_files
from adrec_cli.data.source_names import find_table
from adrec_cli.engines.spark.log import SparkLog
from adrec_cli.engines.spark.reading import open_reader
from adrec_cli.engines.spark.session import may_be_elsewhere
from adrec_cli.errors import UsageError
from adrec_cli.wording import option

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


def require_in_reach(source: str, options: PreprocessOptions) -> None:
    """Refuse an address or a query, whose copy is on this machine, where workers are on others.

    Raises:
        UsageError: naming what can be done instead.
    """
    if options.engine != "spark" or not may_be_elsewhere(options.spark_master):
        return
    if address := source if is_address(source) else find_address(options.join):
        what = show_address(address)
    else:
        what = "the answer of a database" if options.sql is not None else str(find_table(source) or "")
    if what:
        raise UsageError(
            f"{what} would be copied to this machine, where Spark's workers do not see it",
            hint="name a path that every worker has, or let Spark run on this machine: "
            f"{option('spark_master', 'local[*]')}",
        )


def bring_here(content: SourceContent[Interactions | SparkLog]) -> SourceContent[Interactions]:
    """Return what was read with its interactions in this process."""
    log = content.interactions
    here = log if isinstance(log, Interactions) else log.gather()
    return cast("SourceContent[Interactions]", replace(content, interactions=here))
