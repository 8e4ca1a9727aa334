"""The files of a plan, each read on a worker of Spark by what reads it in this process."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from adrec_cli.data.options import PreprocessOptions
from adrec_cli.data.plan import Plan
from adrec_cli.data.reading.source_content import Reader, ReadFiles, scratch_folder
from adrec_cli.engines.merging import join_files, read_apart
from adrec_cli.engines.spark.session import open_context
from adrec_cli.errors import AdrecError, InputError
from adrec_cli.wording import speak_shell, speaks_shell

if TYPE_CHECKING:
    from pyspark import SparkContext

MOST_EVENTS: Final = 100_000_000
"""Of one file: what Spark moves in one piece is shorter than 2 GiB."""


@contextlib.contextmanager
def open_reader(options: PreprocessOptions) -> Iterator[Reader]:
    """Yield what reads the files of a plan on Spark.

    Raises:
        as `open_context`.
    """
    with open_context(options.spark_master) as context:
        yield functools.partial(read_on_workers, context)


def read_on_workers(context: SparkContext, plan: Plan, scratch: Path) -> ReadFiles:
    """Read the files of a plan, a file a task, and join them here.

    Args:
        context: of Spark.
        plan: whose files every worker finds under the same path.
        scratch: is not needed: each worker has a folder of its own.

    Raises:
        InputError: as `read_files`; or what only all files decide is not the same for each.
        StorageError: if Spark gives up.
    """
    from pyspark import StorageLevel

    numbers = context.parallelize(range(len(plan.paths)), len(plan.paths))
    read = numbers.map(functools.partial(_read_one, plan, speaks_shell())).persist(StorageLevel.DISK_ONLY)
    try:
        for fault in filter(None, read.map(_find_fault).collect()):
            raise fault
        files = list(read.toLocalIterator(prefetchPartitions=True))
    finally:
        read.unpersist()
    return join_files(files)


def _read_one(plan: Plan, shell: bool, number: int) -> ReadFiles | AdrecError:
    """Read one file, on a worker; what is wrong with it is returned, as Spark would try three times more."""
    try:
        with speak_shell(shell), scratch_folder(None) as scratch:
            read = read_apart(plan, number, scratch)
    except AdrecError as error:
        return error
    if len(read.interactions) > MOST_EVENTS:
        return InputError(
            f"{plan.paths[number]} has {len(read.interactions):,} interactions; a worker takes {MOST_EVENTS:,} at most",
            hint="write the log in more files",
        )
    return read


def _find_fault(outcome: ReadFiles | AdrecError) -> AdrecError | None:
    return outcome if isinstance(outcome, AdrecError) else None
