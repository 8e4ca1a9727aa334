"""What Spark makes of a log is, byte for byte, what Polars makes of it."""

from __future__ import annotations

import contextlib
import sys
import tempfile
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adrec_cli.artifacts.manifest import read_manifest, write_manifest
from adrec_cli.data.forgotten import add_forgotten
from adrec_cli.data.plan import make_plan
from adrec_cli.engines.spark import log as spark_log
from adrec_cli.engines.spark import reading
from adrec_cli.errors import InputError, UsageError
from adrec_cli.pipeline.preprocess import PreprocessOptions, preprocess, preview
from tests.data.table_files import START, read_sequences, run, write_csv
from tests.engines.logs import logs, read_made, try_run, write_log
from tests.examples import tries

# PySpark leaves its sockets to be closed by whoever collects them.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")

CUTS = st.fixed_dictionaries(
    {
        "min_interactions": st.sampled_from([0, 2, 3]),
        "max_length": st.sampled_from([0, 3]),
        "ties": st.sampled_from(["source", "item"]),
        "duplicates": st.sampled_from(["drop", "keep"]),
        "on_bad_row": st.just("error"),
    }
)
SPLITS = st.sampled_from(
    [{}, {"split": "time", "valid_from": "-3h", "test_from": "2014-05-13"}, {"split": "cold-items"}]
)


def make(engine, source, workspace, **options):
    return run(source, workspace / engine, name="log", engine=engine, **options)


@pytest.mark.usefixtures("spark")
@settings(max_examples=tries(3), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(logs(), CUTS, SPLITS)
def test_both_engines_make_the_same_bytes(log, cut, split):
    form, files = log
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        patch.setattr(spark_log, "MOST_EVENTS", 20)
        folder = Path(name)
        source = write_log(folder / "log", form, files)
        made = {
            engine: try_run(lambda engine=engine: make(engine, source, folder, **cut, **split))
            for engine in ("polars", "spark")
        }
        if isinstance(made["polars"], tuple):
            assert made["spark"] == made["polars"]
            return
        assert read_made(made["spark"].folder) == read_made(made["polars"].folder)
        assert (made["spark"].notes, made["spark"].removed) == (made["polars"].notes, made["polars"].removed)


@pytest.mark.usefixtures("spark")
def test_files_without_times_follow_each_other_by_number(tmp_path):
    for number in (1, 2, 10):
        write_log(tmp_path / f"{number}", "rows", [[("u", f"i{number}", 0)]])
    source = tmp_path / "*/part-*.csv"
    made = {engine: make(engine, source, tmp_path) for engine in ("polars", "spark")}
    assert read_made(made["spark"].folder) == read_made(made["polars"].folder)
    assert read_sequences(made["spark"].folder) == {"u": ["i1", "i2", "i10"]}


@pytest.mark.usefixtures("spark")
@pytest.mark.parametrize("folders", [("dt=2026-01-01", "dt=2026-01-02"), ("dt=2026-01-01", "tag=2026-01-02")])
def test_what_folders_say_is_the_same_too(tmp_path, folders):
    for folder in folders:
        write_log(tmp_path / "logs" / folder, "rows", [[("u", "a", 0), ("v", "b", 0)]])
    made = {
        engine: try_run(lambda engine=engine: make(engine, tmp_path / "logs", tmp_path, duplicates="keep"))
        for engine in ("polars", "spark")
    }
    if folders[1].startswith("tag"):
        assert [one[0] for one in made.values()] == [InputError, InputError]
        return
    assert read_made(made["spark"].folder) == read_made(made["polars"].folder)
    assert made["spark"].notes == made["polars"].notes
    assert made["polars"].manifest.statistics["last_time"].startswith("2026-01-02")


@pytest.mark.usefixtures("spark")
def test_an_update_is_the_same_too(tmp_path):
    nights = [
        write_csv(tmp_path / f"{number}.csv", [(f"u{one % 3}", f"i{one % 5}", START + one) for one in some])
        for number, some in enumerate((range(20), range(15, 40)))
    ]
    for engine in ("polars", "spark"):
        make(engine, nights[0], tmp_path, min_interactions=2)
        run(nights[1], tmp_path / engine, update=tmp_path / engine / "log", engine=engine)
    assert read_made(tmp_path / "spark" / "log") == read_made(tmp_path / "polars" / "log")


@pytest.mark.usefixtures("spark")
def test_who_was_forgotten_and_what_was_taken_stay_out(tmp_path, monkeypatch):
    monkeypatch.setattr(spark_log, "MOST_EVENTS", 20)
    events = [[(f"u{one % 4}", f"i{one % 5}", START + one) for one in some] for some in (range(20), range(20, 40))]
    source = write_log(tmp_path / "log", "csv", [events[0], events[0], events[1]])
    made = {}
    for engine in ("polars", "spark"):
        folder = make(engine, source, tmp_path, duplicates="keep").folder
        manifest = add_forgotten(read_manifest(folder), ["u0", "u3"], [], "ab" * 32)
        write_manifest(folder, manifest)
        made[engine] = make(engine, source, tmp_path, duplicates="keep", min_interactions=2, force=True)
    assert any("adds nothing" in note for note in made["spark"].notes)
    assert any("forgotten" in note for note in made["spark"].notes)
    assert made["spark"].manifest.statistics["users"] == 2
    assert read_made(made["spark"].folder) == read_made(made["polars"].folder)


@pytest.mark.usefixtures("spark")
def test_a_split_and_an_item_file_are_the_same_too(tmp_path):
    folder = tmp_path / "log"
    folder.mkdir()
    for number, name in enumerate(("train", "valid", "test")):
        write_csv(folder / f"{name}.csv", [(f"u{one}", f"i{one + number}", START + number) for one in range(5)])
    items = write_csv(tmp_path / "items.csv", [(f"i{one}", f"Title {one}") for one in range(7)], header="item_id,title")
    made = [make(engine, folder, tmp_path, items=items).folder for engine in ("polars", "spark")]
    assert read_made(made[1]) == read_made(made[0])
    assert "title" in pl.read_parquet(made[1] / "items.parquet").columns


@pytest.mark.usefixtures("spark")
def test_a_preview_is_the_same_too(tmp_path):
    source = write_log(tmp_path / "log", "csv", [[("u", item, START) for item in "abc"], [("v", "a", START + 1)]])
    seen = [
        preview(str(source), workspace=tmp_path, options=PreprocessOptions(engine=engine))
        for engine in ("polars", "spark")
    ]
    assert seen[0] == seen[1]


@pytest.mark.usefixtures("spark")
def test_what_is_wrong_on_a_worker_is_said_as_here(tmp_path):
    source = write_log(tmp_path / "log", "csv", [[("u", "a", START)], [("u", "", START)], [("", "b", START)]])
    said = {}
    for engine in ("polars", "spark"):
        with pytest.raises(InputError) as error:
            make(engine, source, tmp_path)
        said[engine] = (error.value.message, error.value.hint)
    assert said["spark"] == said["polars"]
    assert "part-1.csv" in said["spark"][0]


def test_one_spark_has_one_master(spark, tmp_path):
    source = write_csv(tmp_path / "log.csv", [("u", "a", START)])
    with pytest.raises(UsageError, match=r"local\[2\]"):
        run(source, tmp_path, engine="spark", spark_master="local[1]")


def test_a_file_may_be_too_large_for_a_worker(tmp_path, monkeypatch):
    source = write_csv(tmp_path / "log.csv", [("u", item, START) for item in "abc"])
    plan = make_plan(
        str(source), workspace=tmp_path, raw=None, options=PreprocessOptions(), on_event=lambda event: None
    )
    size = source.stat().st_size
    monkeypatch.setattr(reading, "MOST_EVENTS", 2)
    told = reading._read_one(plan, False, (0, size))
    assert isinstance(told, InputError)
    assert "3 interactions" in told.message
    other = reading._read_one(plan, False, (0, size + 1))
    assert isinstance(other, InputError)
    assert f"{size} bytes" in other.message
    source.unlink()
    assert isinstance(reading._read_one(plan, False, (0, size)), InputError)


def test_workers_elsewhere_need_whole_paths(tmp_path, monkeypatch):
    write_csv(tmp_path / "log.csv", [("u", "a", START)])
    monkeypatch.chdir(tmp_path)
    options = PreprocessOptions()
    for source, refused in (("log.csv", True), (str(tmp_path / "log.csv"), False)):
        plan = make_plan(source, workspace=tmp_path, raw=None, options=options, on_event=lambda event: None)
        with pytest.raises(UsageError) if refused else contextlib.nullcontext():
            reading._require_absolute(plan)


def test_a_master_needs_the_engine(tmp_path):
    with pytest.raises(UsageError, match="spark_master"):
        preprocess("log.csv", workspace=tmp_path, options=PreprocessOptions(spark_master="local[2]"))


def test_what_is_missing_is_said(tmp_path, monkeypatch):
    source = write_csv(tmp_path / "log.csv", [("u", "a", START)])
    monkeypatch.setitem(sys.modules, "pyspark", None)
    with pytest.raises(UsageError) as error:
        run(source, tmp_path, engine="spark")
    assert "adrec-cli[spark]" in error.value.hint
