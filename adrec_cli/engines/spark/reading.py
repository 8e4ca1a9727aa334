"""The files of a plan, each read on a worker of Spark by what reads it in this process."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from adrec_cli.data.coding import union_all
from adrec_cli.data.interactions import Interactions
from adrec_cli.data.options import PreprocessOptions
from adrec_cli.data.plan import Plan
from adrec_cli.data.reading.decoding import unreadable
from adrec_cli.data.reading.file_order import settle_order
from adrec_cli.data.reading.read_report import ReadReport
from adrec_cli.data.reading.scratch import scratch_folder
from adrec_cli.data.reading.source_content import Reader, ReadFiles, check_alike
from adrec_cli.data.reading.table import Table
from adrec_cli.engines.merging import merge_reports, read_apart
from adrec_cli.engines.spark.log import FileIds, SparkLog
from adrec_cli.engines.spark.session import open_context
from adrec_cli.errors import AdrecError, InputError, UsageError
from adrec_cli.wording import say_count, speak_shell, speaks_shell

if TYPE_CHECKING:
    from pyspark import SparkContext

MOST_EVENTS: Final = 100_000_000
"""Of one file: what Spark moves in one piece is shorter than 2 GiB."""


@dataclass(frozen=True, kw_only=True)
class FileHead:
    """What the driver needs to know of a file, whose rows stay on the worker."""

    table: Table
    report: ReadReport
    user_ids: pl.Series
    item_ids: pl.Series
    user_counts: NDArray[np.int64]


@contextlib.contextmanager
def open_reader(options: PreprocessOptions) -> Iterator[Reader[SparkLog]]:
    """Yield what reads the files of a plan on Spark.

    Raises:
        as `open_context`.
    """
    with open_context(options.spark_master) as context:
        yield functools.partial(read_on_workers, context)


def read_on_workers(context: SparkContext, plan: Plan, scratch: Path) -> ReadFiles[SparkLog]:
    """Read the files of a plan, a file a task; their rows stay where they are read.

    Args:
        context: of Spark.
        plan: whose files every worker finds under the same path.
        scratch: is not needed: each worker has a folder of its own.

    Raises:
        InputError: as `read_files`; or what only all files decide is not the same for each.
        UsageError: a path is relative, and the workers are elsewhere.
        StorageError: if Spark gives up.
    """
    from pyspark import StorageLevel

    if not (context.master or "").startswith("local"):
        _require_absolute(plan)
    sizes = [(number, path.stat().st_size) for number, path in enumerate(plan.paths)]
    read = context.parallelize(sizes, len(sizes)).map(functools.partial(_read_one, plan, speaks_shell()))
    read = read.persist(StorageLevel.DISK_ONLY)
    heads = []
    for head in read.map(_tell_head).collect():
        if isinstance(head, AdrecError):
            raise head
        heads.append(head)
    tables = [head.table for head in heads]
    check_alike(tables)
    report = merge_reports(tables, [head.report for head in heads])
    user_ids, users = union_all([head.user_ids for head in heads])
    item_ids, items = union_all([head.item_ids for head in heads])
    if plan.parts is None:
        settle_order(tables, users, report)
    files = [
        FileIds(user=user, item=item, user_counts=head.user_counts)
        for user, item, head in zip(users, items, heads, strict=True)
    ]
    log = SparkLog(read=read, files=files, user_ids=user_ids, item_ids=item_ids, split=plan.parts is not None)
    return ReadFiles(tables=tables, interactions=log, report=report)


def _require_absolute(plan: Plan) -> None:
    for path in (*plan.paths, *(() if plan.join is None else (plan.join.path,))):
        if not path.is_absolute():
            raise UsageError(
                f"{path} is another place for each of Spark's workers", hint=f"give the whole path: {path.absolute()}"
            )


def _read_one(plan: Plan, shell: bool, file: tuple[int, int]) -> ReadFiles[Interactions] | AdrecError:
    """Read one file, on a worker; what is wrong with it is returned, as Spark would try three times more.

    Args:
        plan: names the file, among others.
        shell: whether a command was typed.
        file: its number and the bytes that the driver knows it to have.
    """
    number, size = file
    path = plan.paths[number]
    try:
        if (there := path.stat().st_size) != size:
            return InputError(
                f"{path} has {say_count(there, 'byte')} where a worker looks, and {size:,} here",
                hint="every worker must find the same files",
            )
        with speak_shell(shell), scratch_folder(None) as scratch:
            read = read_apart(plan, number, scratch)
    except OSError as error:
        return unreadable(path, error)
    except AdrecError as error:
        return error
    if len(read.interactions) > MOST_EVENTS:
        return InputError(
            f"{path} has {say_count(len(read.interactions), 'interaction')}; a worker takes {MOST_EVENTS:,} at most",
            hint="write the log in more files",
        )
    return read


def _tell_head(outcome: ReadFiles[Interactions] | AdrecError) -> FileHead | AdrecError:
    if isinstance(outcome, AdrecError):
        return outcome
    interactions = outcome.interactions
    return FileHead(
        table=outcome.tables[0],
        report=outcome.report,
        user_ids=interactions.user_ids,
        item_ids=interactions.item_ids,
        user_counts=interactions.user_counts(),
    )
