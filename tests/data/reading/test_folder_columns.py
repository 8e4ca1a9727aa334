"""What only names of folders hold is read where it is needed, as if the files held it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from adrec_cli.artifacts.manifest import read_manifest
from adrec_cli.data.newest_events import read_newest_events
from adrec_cli.data.taken_files import as_files
from adrec_cli.errors import InputError
from adrec_cli.pipeline.preprocess import PreprocessResult
from tests.data.table_files import START, read_bounds, read_sequences, run
from tests.object_store import ASKED as ASKED_FOR
from tests.object_store import bucket, endpoint

__all__ = ["bucket", "endpoint"]
pytestmark = pytest.mark.usefixtures("in_shell")

WRITERS: dict[str, Callable[[pl.DataFrame, Path], object]] = {
    "csv": lambda frame, path: frame.write_csv(path),
    "jsonl": lambda frame, path: frame.write_ndjson(path),
    "parquet": lambda frame, path: frame.write_parquet(path),
    "tsv": lambda frame, path: frame.write_csv(path, separator="\t", include_header=False),
}
FRAME = {"user_id": ["007", "8", "007"], "item_id": ["a", "b", "c"]}
TIMES = {"timestamp": [START, START + 60, START + 120]}


def write_log(root: Path, folders: dict[str, dict[str, list[Any]]], ending: str = "csv") -> str:
    """Write a file into each folder, and return the pattern of all."""
    for folder, columns in folders.items():
        (root / folder).mkdir(parents=True)
        WRITERS[ending](pl.DataFrame(columns), root / folder / f"part-0.{ending}")
    return str(root / "**" / f"*.{ending}")


def same(first: PreprocessResult, second: PreprocessResult) -> bool:
    made = [(one.manifest.sequences_sha256, one.manifest.items_sha256) for one in (first, second)]
    return made[0] == made[1]


DAYS = ["2026-01-01", "2026-01-02", "2026-01-10"]


@pytest.mark.parametrize("ending", WRITERS)
@pytest.mark.parametrize("name", ["dt", "date", "event_date", "day"])
def test_the_time_of_a_day_is_that_of_a_column(tmp_path: Path, name: str, ending: str) -> None:
    log = write_log(tmp_path / "log", {f"{name}={day}": FRAME for day in DAYS}, ending)
    made = run(log, tmp_path / "ws", name="log")
    own = write_log(tmp_path / "own", {day: {**FRAME, "date": [day] * 3} for day in DAYS})
    assert same(made, run(own, tmp_path / "ws", name="own"))
    assert f"read from the names of folders: {name}" in made.notes
    assert made.manifest.reading["columns"]["timestamp"] == name
    assert read_sequences(made.folder)["007"] == ["a", "c"] * 3


TWO: dict[str, list[Any]] = {"user_id": ["a", "b"], "item_id": ["x", "y"], "timestamp": [START, START + 1]}
ASKED = {
    "user": ("user_id", "user_id", {}),
    "user by another name": ("user_id", "who", {"user_column": "who"}),
    "item": ("item_id", "sku", {}),
    "time": ("timestamp", "seen", {"timestamp_column": "seen"}),
}


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize("asked", ASKED)
def test_ids_and_times_are_those_of_a_column(tmp_path: Path, asked: str, ending: str) -> None:
    missing, name, options = ASKED[asked]
    frame = {column: values for column, values in TWO.items() if column != missing}
    values = ["2026-01-01 10%3A00", "2026-01-02 09%3A30"] if name == "seen" else ["007", "10", "a%2Fb", "two words"]
    log = write_log(tmp_path / "log", {f"{name}={value.replace(' ', '%20')}": frame for value in values}, ending)
    made = run(log, tmp_path / "ws", name="log", **options)
    plain = [value.replace("%3A", ":").replace("%2F", "/") for value in values]
    held = {f"{number:02}": {**frame, name: [value] * 2} for number, value in enumerate(plain)}
    own = run(write_log(tmp_path / "own", held), tmp_path / "ws", name="own", **options)
    assert read_sequences(made.folder) == read_sequences(own.folder)
    assert read_bounds(made.folder) == read_bounds(own.folder)


def test_year_month_and_day_are_joined(tmp_path: Path) -> None:
    folders = {f"year=2026/month={month}/day={day}": FRAME for month in (1, 11) for day in ("02", "30")}
    made = run(write_log(tmp_path / "log", folders), tmp_path / "ws", name="log")
    assert made.manifest.reading["columns"]["timestamp"] == ["year", "month", "day"]
    assert made.manifest.statistics["first_time"].startswith("2026-01-02")
    assert made.manifest.statistics["last_time"].startswith("2026-11-30")


def test_a_condition_selects_folders(tmp_path: Path) -> None:
    kinds = {"view": 0, "buy": 1}
    later = {kind: [time + n for time in TIMES["timestamp"]] for kind, n in kinds.items()}
    log = write_log(tmp_path / "log", {f"event={kind}": {**FRAME, "timestamp": later[kind]} for kind in kinds})
    for condition, kept in (("event = buy", 3), ("event in view,buy", 6)):
        made = run(log, tmp_path / "ws", name=f"kept-{kept}", where=(condition,))
        assert made.manifest.statistics["interactions"] == kept
    with pytest.raises(InputError):
        run(log, tmp_path / "ws", name="none", where=("event = typo",))


def test_what_nobody_needs_is_not_read_and_said(tmp_path: Path) -> None:
    log = write_log(tmp_path / "log", {f"date=2026-01-0{n}/hour={n}": {**FRAME, **TIMES} for n in (1, 2)})
    made = run(log, tmp_path / "ws", name="log")
    assert "not read, as only names of folders hold it: date, hour" in made.notes
    assert made.manifest.statistics["first_time"].startswith("2014-05")
    bare = write_log(tmp_path / "bare", {f"date=2026-01-0{n}/hour={n}": FRAME for n in (1, 2)})
    notes = run(bare, tmp_path / "ws", name="bare").notes
    assert "read from the names of folders: date" in notes
    assert "not read, as only names of folders hold it: hour" in notes
    rows = run(bare, tmp_path / "ws", name="rows", timestamp_unit="order").notes
    assert "not read, as only names of folders hold it: date, hour" in rows


def test_what_files_hold_too_is_read_from_them(tmp_path: Path) -> None:
    frame = {"user_id": ["001"], "timestamp": [START]}
    log = write_log(tmp_path, {f"category={n}": {**frame, "category": [f"c{n}"]} for n in (0, 1)})
    folder = run(log, tmp_path / "ws", name="log", item_column="category").folder
    assert read_sequences(folder) == {"001": ["c0", "c1"]}


BROKEN: dict[str, tuple[dict[str, dict[str, list[Any]]], str]] = {
    "renamed": ({"dt=2026-01-01": FRAME, "tag=2026-01-02": FRAME}, r"tag=.*no folder of it names 'dt'"),
    "missing": ({"dt=2026-01-01": FRAME, "rest": FRAME}, r"rest.*no folder of it names 'dt'"),
    "twice": ({"dt=2026-01-01": FRAME, "dt=2026-01-02/dt=2026-01-03": FRAME}, r"its folders differ in 'dt'"),
    "its own": ({"dt=2026-01-01": FRAME, "dt=2026-01-02": {**FRAME, "dt": ["x"] * 3}}, r"it has a column 'dt'"),
    "two": ({"dt=2026-01-01/seen=2026-01-02": FRAME}, r"dt \(.*\) and seen \(.*\) could each be the time"),
}  # fmt: skip


@pytest.mark.parametrize("how", BROKEN)
def test_folders_that_do_not_agree_are_refused(tmp_path: Path, how: str) -> None:
    folders, message = BROKEN[how]
    with pytest.raises(InputError, match=message) as refused:
        run(write_log(tmp_path / "log", folders), tmp_path / "ws", name="log")
    assert "\n" not in refused.value.message
    assert refused.value.hint


def test_a_missing_value_is_a_missing_id(tmp_path: Path) -> None:
    frame = {"item_id": ["a", "b"], "timestamp": [START, START + 1]}
    log = write_log(tmp_path, {f"user_id={user}": frame for user in ("007", "__HIVE_DEFAULT_PARTITION__")})
    with pytest.raises(InputError, match="user_id"):
        run(log, tmp_path / "ws", name="log")
    made = run(log, tmp_path / "ws", name="log", on_bad_row="skip")
    assert read_sequences(made.folder) == {"007": ["a", "b"]}


def test_a_header_that_stands_again_is_no_event(tmp_path: Path) -> None:
    log = write_log(tmp_path, {"user_id=7": {"item_id": ["a", "b"], "timestamp": [START, START + 1]}})
    file = tmp_path / "user_id=7/part-0.csv"
    file.write_text(file.read_text() * 2)
    assert read_sequences(run(log, tmp_path / "ws", name="log").folder) == {"7": ["a", "b"]}


def test_an_update_reads_them_the_same_way(tmp_path: Path) -> None:
    log = write_log(tmp_path / "log", {f"dt={day}": FRAME for day in DAYS[:2]})
    folder = run(log, tmp_path / "ws", name="log", duplicates="keep").folder
    night = write_log(tmp_path / "night", {f"dt={DAYS[2]}": FRAME})
    done = run(night, tmp_path / "ws", update=folder)
    assert read_sequences(done.folder)["007"] == ["a", "c"] * 3
    assert run(night, tmp_path / "ws", update=folder).skipped
    with pytest.raises(InputError, match=r"is not written as log was read: expected .*dt"):
        run(write_log(tmp_path / "other", {"tag=2026-01-11": FRAME}), tmp_path / "ws", update=folder)


@pytest.mark.parametrize(("missing", "name"), [("user_id", "user_id"), ("timestamp", "dt")])
def test_newer_events_are_read_the_same_way(tmp_path: Path, missing: str, name: str) -> None:
    frame = {column: values for column, values in TWO.items() if column != missing}
    values = DAYS if name == "dt" else ["007", "8", "9"]
    log = write_log(tmp_path / "log", {f"{name}={value}": frame for value in values[:2]})
    manifest = run(log, tmp_path / "ws", name="log").manifest
    write_log(tmp_path / "newer", {f"{name}={values[2]}": frame})
    events = read_newest_events(tmp_path / f"newer/{name}={values[2]}/part-0.csv", manifest)
    users = ["a", "b"] if name == "dt" else ["9", "9"]
    assert events.rows() == list(zip(users, TWO["item_id"], strict=True))


def test_the_same_rows_of_another_day_are_other_events_and_a_renamed_folder_is_seen(tmp_path: Path) -> None:
    log = write_log(tmp_path / "log", {f"dt={day}": FRAME for day in DAYS[:2]})
    made = run(log, tmp_path / "ws", name="log", duplicates="keep")
    assert made.manifest.statistics["interactions"] == 6
    assert [source["folders"] for source in read_manifest(made.folder).sources] == [f"dt={day}" for day in DAYS[:2]]
    assert run(log, tmp_path / "ws", name="log", duplicates="keep").skipped
    (tmp_path / "log" / f"dt={DAYS[1]}").rename(tmp_path / "log/dt=2026-01-03")
    again = run(log, tmp_path / "ws", name="log", duplicates="keep")
    assert not again.skipped
    assert again.manifest.statistics["last_time"].startswith("2026-01-03")


def test_a_folder_of_folders_that_say_a_value_is_read_as_a_whole(tmp_path: Path) -> None:
    log = tmp_path / "log"
    write_log(log, {f"dt=2026-01-0{day}/hour={hour}": FRAME for day in (1, 2) for hour in (2, 10)})
    for name in ("_temporary/0/part-0.csv", ".hidden/part-0.csv", "dt=2026-01-03/_SUCCESS"):
        (log / name).parent.mkdir(parents=True)
        (log / name).write_text("nothing to read")
    made = run(log, tmp_path / "ws")
    assert made.folder.name == "log"
    assert [source["folders"] for source in made.manifest.sources] == [
        f"dt=2026-01-0{day}/hour={hour}" for day in (1, 2) for hour in (2, 10)
    ]
    assert same(made, run(str(log / "dt=*/*/part-*.csv"), tmp_path / "ws", name="pattern"))
    (log / "old").mkdir()
    with pytest.raises(InputError, match="is a folder without files") as refused:
        run(log, tmp_path / "ws")
    assert "**" in str(refused.value.hint)


@pytest.mark.parametrize("source", ["s3://lake/log", "s3://lake/log/dt=2026-01-01/", "s3://lake/log/dt=2026-01-01/p*"])
def test_objects_are_read_with_what_their_folders_say(source: str, bucket: Any, tmp_path: Path) -> None:
    for day in DAYS:
        with bucket.open_output_stream(f"lake/log/dt={day}/part-0.csv", compression=None) as file:
            file.write(pl.DataFrame(FRAME).write_csv().encode())
    some = DAYS if source == "s3://lake/log" else DAYS[:1]
    write_log(tmp_path / "log", {f"dt={day}": FRAME for day in some})
    here = run(tmp_path / "log", tmp_path / "here", name="log")
    there = run(source, tmp_path / "there", name="log")
    assert same(here, there)
    assert as_files(here.manifest.sources) == as_files(there.manifest.sources)
    ASKED_FOR.clear()
    assert run(source, tmp_path / "there", name="log").skipped
    assert not [path for method, path in ASKED_FOR if method == "GET" and path.endswith(".csv")]
    single = run("s3://lake/log/dt=2026-01-01/part-0.csv", tmp_path / "there", name="single")
    assert single.manifest.statistics["last_time"].startswith("2026-01-01")
    (tmp_path / "there/log/manifest.json").unlink()
    with bucket.open_output_stream("lake/log/dt=2026-01-01/part-0.csv", compression=None) as file:
        file.write(b"what,is,this\n1,2,3\n")
    with pytest.raises(InputError, match=r"^s3://lake/log/dt=2026-01-01/part-0\.csv") as refused:
        run(source, tmp_path / "there", name="log")
    assert "/tmp" not in refused.value.message.replace("s3://", "")
