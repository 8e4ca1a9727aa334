"""A copy of what lies at an address is on this machine alone; needs neither Spark nor a network."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from adrec_cli.data import remote_files, remote_versions
from adrec_cli.data.options import PreprocessOptions
from adrec_cli.engines.reach import require_in_reach
from adrec_cli.errors import UsageError
from adrec_cli.pipeline.preprocess import preprocess, preview

pytestmark = pytest.mark.usefixtures("in_shell")


@pytest.fixture
def nobody_fetches(monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch(*given: object) -> Path:
        raise AssertionError

    monkeypatch.setattr(remote_files, "SCHEMES", dict.fromkeys(remote_files.SCHEMES, fetch))
    # Nor asks for versions, for whom a network that is not there takes seconds.
    monkeypatch.setattr(remote_versions, "_look_up", lambda address: [])


@pytest.fixture(autouse=True)
def nothing_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the Spark that other tests keep running in this process, whose master would count."""
    monkeypatch.delenv("PYSPARK_GATEWAY_PORT", raising=False)
    if pyspark := sys.modules.get("pyspark"):
        monkeypatch.setattr(pyspark.SparkContext, "_active_spark_context", None)


@pytest.mark.parametrize("make", [preprocess, preview])
@pytest.mark.parametrize("master", ["spark://head:7077", "yarn", None])
@pytest.mark.usefixtures("nobody_fetches")
def test_workers_elsewhere_get_no_copy(make, master, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if master is None:
        monkeypatch.setenv("PYSPARK_GATEWAY_PORT", "1")
    options = PreprocessOptions(engine="spark", spark_master=master)
    with pytest.raises(UsageError, match=r"s3://lake/a\.csv would be copied to this machine") as raised:
        make("s3://KEY:SECRET@lake/a.csv", workspace=tmp_path / "w", options=options)
    assert "--spark-master 'local[*]'" in raised.value.hint
    assert not (tmp_path / "w").exists()


def test_workers_elsewhere_get_no_answer_and_no_table(tmp_path: Path) -> None:
    (tmp_path / "lake" / "_delta_log").mkdir(parents=True)
    spread = PreprocessOptions(engine="spark", spark_master="yarn")
    with pytest.raises(UsageError, match="the answer of a database would be copied to this machine"):
        preprocess("shop", workspace=tmp_path / "w", options=replace(spread, sql="SELECT 1"))
    with pytest.raises(UsageError, match="/lake would be copied to this machine"):
        preprocess(str(tmp_path / "lake"), workspace=tmp_path / "w", options=spread)
    assert not (tmp_path / "w").exists()


@pytest.mark.parametrize(
    ("source", "options"),
    [
        ("s3://lake/a.csv", PreprocessOptions(engine="spark")),
        ("s3://lake/a.csv", PreprocessOptions(engine="spark", spark_master="local[2]")),
        ("s3://lake/a.csv", PreprocessOptions()),
        ("lake/a.csv", PreprocessOptions(engine="spark", spark_master="yarn")),
    ],
)
def test_only_a_copy_for_workers_elsewhere_is_refused(source: str, options: PreprocessOptions) -> None:
    """The copy, the workers and the engine each decide: with all three it is refused, and with any of them not."""
    require_in_reach(source, options)
    with pytest.raises(UsageError, match="would be copied"):
        require_in_reach("s3://lake/a.csv", replace(options, engine="spark", spark_master="yarn"))


@pytest.mark.usefixtures("nobody_fetches")
def test_a_name_that_cannot_be_is_refused_before_anything_is_copied(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot name a data set"):
        preprocess("s3://lake/a.csv", workspace=tmp_path, options=PreprocessOptions(name="a/b"))
