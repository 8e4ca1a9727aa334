"""What only names of folders hold is never called missing, and the query in the hint reads it."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from adrec_cli.errors import InputError
from tests.data.table_files import START, read_sequences, run
from tests.robustness.processes import typed_here

pytestmark = pytest.mark.usefixtures("in_shell")


def write_log(folder: Path, ending: str) -> str:
    """Write a log of two categories, and return the pattern of its files."""
    for number, category in enumerate(("01", "two words")):
        rows: dict[str, list[Any]] = {
            "user_id": [f"00{user}" for user in range(3)],
            "item_id": [f"0{number}{user}" for user in range(3)],
            "timestamp": [START + number] * 3,
        }
        place = folder / "their log" / f"category={category.replace(' ', '%20')}"
        place.mkdir(parents=True)
        frame, file = pl.DataFrame(rows), place / f"part-0.{ending}"
        {"csv": frame.write_csv, "jsonl": frame.write_ndjson, "parquet": frame.write_parquet}[ending](file)
    return str(folder / "their log/*/*")


ASKED: dict[str, dict[str, Any]] = {
    "condition": {"where": ("category = 01",)},
    "time": {"timestamp_column": "category"},
    "a part of the time": {"timestamp_column": "timestamp,category"},
}


@pytest.mark.parametrize("asked", ASKED)
def test_what_only_folders_hold_is_not_called_missing(tmp_path: Path, asked: str) -> None:
    with pytest.raises(InputError, match=r"only names of folders hold 'category', and those are not read$"):
        run(write_log(tmp_path, "csv"), tmp_path / "ws", name="log", **ASKED[asked])


def test_what_files_hold_too_is_read_from_them(tmp_path: Path) -> None:
    pattern = write_log(tmp_path, "csv")
    for number, file in enumerate(sorted(tmp_path.rglob("*.csv"))):
        file.write_text(f"user_id,timestamp,category\n001,{START + number},c{number}\n")
    folder = run(pattern, tmp_path / "ws", name="log", item_column="category", min_interactions=0).folder
    assert read_sequences(folder) == {"001": ["c0", "c1"]}


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_the_query_of_the_hint_reads_them(tmp_path: Path, ending: str) -> None:
    pytest.importorskip("duckdb")
    pattern, where = write_log(tmp_path, ending), ["--where", "category = 01"]
    told = typed_here(["preprocess", pattern, "--name", "log", *where, "-w", tmp_path / "ws"])
    told.require_one_error(3)
    hint = told.stderr.partition("read them with ")[2]
    done = typed_here(["preprocess", "log", *shlex.split(hint), *where, "-w", tmp_path / "ws"])
    assert done.exit_code == 0, done.stderr
    assert read_sequences(tmp_path / "ws/log") == {f"00{user}": [f"00{user}"] for user in range(3)}
    rest = typed_here(
        ["preprocess", "rest", *shlex.split(hint), "--where", "category = 'two words'", "-w", tmp_path / "ws"]
    )
    assert rest.exit_code == 0, rest.stderr
    assert read_sequences(tmp_path / "ws/rest") == {f"00{user}": [f"01{user}"] for user in range(3)}
