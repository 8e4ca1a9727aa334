"""One Spark for the suite; its tests are skipped where PySpark or Java is not installed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session")
def spark() -> Iterator[object]:
    pytest.importorskip("pyspark", reason="the extra spark is not installed")
    if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
        pytest.skip("Java is not installed, which Spark runs on")
    from adrec_cli.engines.spark.session import open_context

    with open_context("local[2]") as context:
        yield context
