"""A Spark to run on: the one that spark-submit describes or that runs here already, else one of this process."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import adrec_cli
from adrec_cli.errors import StorageError, UsageError
from adrec_cli.wording import option

if TYPE_CHECKING:
    from pyspark import SparkConf, SparkContext

_QUIET: Final = {"spark.ui.enabled": "false", "spark.ui.showConsoleProgress": "false"}
_HERE: Final = {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}
"""Of a Spark that is this machine alone: nothing outside reaches it."""
_SUBMITTED: Final = "PYSPARK_GATEWAY_PORT"
"""Is set where spark-submit has started this process."""
_REASON: Final = re.compile(r"(?!org\.|java\.)[\w.]+(Error|Exception|Exit): ")
_LONGEST: Final = 300


def may_be_elsewhere(master: str | None) -> bool:
    """Return whether workers of Spark may be on other machines, before it is started.

    Args:
        master: as `open_context` takes it; which one spark-submit names is not known yet.
    """
    pyspark = sys.modules.get("pyspark")
    running = None if pyspark is None else pyspark.SparkContext._active_spark_context
    if running is not None:
        master = running.master
    return _SUBMITTED in os.environ if master is None else not master.startswith("local")


@contextlib.contextmanager
def open_context(master: str | None) -> Iterator[SparkContext]:
    """Yield Spark, and stop it if nothing else had started it.

    Args:
        master: where it runs; None leaves it to spark-submit, and takes all cores of this machine without one.

    Raises:
        UsageError: Spark or Java is not installed, or another master runs in this process.
        StorageError: while open, if Spark gives up.
    """
    try:
        from py4j.protocol import Py4JError
        from pyspark import SparkConf, SparkContext
        from pyspark.errors import PySparkException
    except ImportError as error:
        raise UsageError("this engine needs PySpark", hint="pip install 'adrec-cli[spark]'") from error
    running = SparkContext._active_spark_context
    if running is not None and master not in (None, running.master):
        raise UsageError(
            f"Spark runs on {running.master} here, not on {master}", hint=f"leave {option('spark_master')} out"
        )
    interrupt = signal.getsignal(signal.SIGINT)
    try:
        context = running or SparkContext(conf=_configure(SparkConf(), master))
        context.setLogLevel("ERROR")
        yield context
    except (Py4JError, PySparkException) as error:
        raise _giving_up(error) from error
    finally:
        if running is None and SparkContext._active_spark_context is not None:
            SparkContext._active_spark_context.stop()
        if signal.getsignal(signal.SIGINT) is not interrupt and threading.current_thread() is threading.main_thread():
            # Spark takes the signal for itself, and never gives it back.
            signal.signal(signal.SIGINT, interrupt)


def _configure(settings: SparkConf, master: str | None) -> SparkConf:
    """Return the settings of a Spark that is started here; what spark-submit says stands.

    Raises:
        UsageError: Java is not installed.
    """
    settings.setAppName("adrec")
    if master is not None:
        settings.setMaster(master)
    if _SUBMITTED in os.environ:
        return settings
    if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
        raise UsageError("Spark needs Java 17", hint="install it, or say in JAVA_HOME where it is")
    master = settings.get("spark.master", "local[*]")
    settings.setMaster(master)
    # Workers have what this process has: the same Python, and the same adrec.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    settings.setExecutorEnv("PYTHONPATH", str(Path(adrec_cli.__file__).parents[1]))
    for key, value in {**_QUIET, **(_HERE if master.startswith("local") else {})}.items():
        settings.set(key, value)
    return settings


def _giving_up(error: Exception) -> StorageError:
    """Return the error that tells why Spark failed; what adrec itself refuses does not come this way."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    # Behind the first line Java tells where it was called; what went wrong on a worker stands last of Python's lines.
    reasons = [line for line in lines if _REASON.match(line)] or lines[:1] or ["no reason given"]
    return StorageError(
        f"Spark gave up: {reasons[-1][:_LONGEST]}",
        hint="every worker needs adrec, the files under the same path, and memory for the largest file",
    )
