"""Numbers and files that would take the machine are refused before anything is started."""

from __future__ import annotations

import gzip
import inspect
import os
import threading
import typing
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer.main
from hypothesis import given
from hypothesis import strategies as st

from adrec_cli.cli import bounds, failures
from adrec_cli.cli.app import app
from adrec_cli.cli.bounds import require_bounded
from adrec_cli.cli.show.terminal import Terminal
from adrec_cli.errors import UsageError
from adrec_cli.promotion.options import PromotionOptions
from adrec_cli.runtime import MOST_THREADS, set_threads
from tests.robustness.processes import typed_here


def whole_number_options() -> list[tuple[str, str]]:
    """Every option of every command that takes a whole number."""
    commands = typer.main.get_command(app).commands
    found: list[tuple[str, str]] = []
    for name, command in commands.items():
        flags = {parameter.name: parameter.opts[0] for parameter in command.params}
        for parameter in inspect.signature(command.callback).parameters.values():
            kind = (typing.get_args(parameter.annotation) or (None,))[0]
            if int in (kind, *typing.get_args(kind)):
                found.append((name, flags[parameter.name]))
    assert len(found) > 50
    return found


NEEDED = {"recommend": ["--user", "u1"], "export": ["x.onnx"], "inspect": ["adrec"], "datasets show": ["demo"]}
SOURCED = ("run", "preprocess", "train", "pretrain", "sweep", "tune", "evaluate")


@pytest.mark.parametrize(("command", "flag"), whole_number_options(), ids=" ".join)
def test_every_count_has_an_upper_bound(command: str, flag: str, tmp_path: Path) -> None:
    words = [*command.split(), *(["shop"] if command in SOURCED else NEEDED.get(command, []))]
    before = threading.active_count()
    ended = typed_here([*words, flag, 2**64, "--workspace", tmp_path / "none"])
    assert ended.exit_code == 2, ended.stderr
    assert threading.active_count() == before
    assert not (tmp_path / "none").exists()


def test_a_hundred_thousand_threads_are_refused(workspace: Path) -> None:
    for words in (["run", "shop"], ["recommend", "--user", "u1"], ["serve"], ["inspect", "finetune"]):
        said = typed_here([*words, "--threads", 100_000, "--workspace", workspace]).require_one_error(2)
        assert f"--threads must be at most {MOST_THREADS:,}" in said
    for count in (0, -1, MOST_THREADS + 1):
        with pytest.raises(UsageError, match="threads"):
            set_threads(count)


@given(st.floats() | st.integers())
def test_numbers_that_are_typed_are_finite(number: float) -> None:
    finite = abs(number) <= 2**31 - 1 if isinstance(number, int) else number - number == 0
    try:
        require_bounded({"tolerance": number, "wait": float("inf"), "seed": 2**63 - 1, "force": True, "model": "x"})
        assert finite
    except UsageError:
        assert not finite


@pytest.mark.parametrize("tolerance", [float("nan"), float("inf"), -float("inf")])
def test_a_tolerance_is_finite(tolerance: float, workspace: Path) -> None:
    typed_here(["run", "shop", "--tolerance", tolerance, "--workspace", workspace]).require_one_error(2)
    with pytest.raises(UsageError, match="finite"):
        PromotionOptions(tolerance=tolerance)


@pytest.mark.parametrize(
    "error",
    [RuntimeError("can't start new thread"), BlockingIOError(11, "Resource temporarily unavailable"),
     BaseException("called `Result::unwrap()` on an `Err` value: ThreadPoolBuildError { kind: IOError }")],
)  # fmt: skip
def test_a_pool_that_cannot_start_says_what_to_lower(error: BaseException, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as ended, failures.report_failures(Terminal(), debug=False):
        raise error
    assert ended.value.exit_code == 7
    assert "lower --threads" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ["preprocess", "PIPE"], ["run", "PIPE"], ["preprocess", "CSV", "--items", "PIPE"],
        ["recommend", "--users", "PIPE", "--out", "r.csv"], ["recommend", "--all", "--events", "PIPE", "--out", "-"],
        ["recommend", "--all", "--candidates", "PIPE", "--out", "r.csv"],
        ["evaluate", "finetune", "--negatives", "PIPE"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_a_pipe_is_refused_at_once(
    words: list[str], workspace: Path, csv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    typed = [{"PIPE": str(pipe), "CSV": str(csv)}.get(word, word) for word in words]
    said = typed_here([*typed, "--workspace", workspace]).require_one_error(3)
    assert "can be read only once" in said


def test_a_process_substitution_is_refused_at_once(csv: Path, tmp_path: Path) -> None:
    read, write = os.pipe()
    os.write(write, csv.read_bytes()[:1000])
    os.close(write)
    said = typed_here(["preprocess", f"/dev/fd/{read}", "--workspace", tmp_path / "ws"]).require_one_error(3)
    os.close(read)
    assert "can be read only once" in said


def test_bounds_know_only_options_that_are() -> None:
    commands = typer.main.get_command(app).commands.values()
    names = {parameter.name for command in commands for parameter in command.params}
    assert set(bounds._MOST) <= names


@pytest.mark.thorough
def test_a_bomb_of_parquet_stops_at_a_limit_with_its_name(tmp_path: Path) -> None:
    rows = 60_000_000
    chunk = pa.table(
        {name: pa.repeat(value, rows // 10) for name, value in (("user_id", 1), ("item_id", 2), ("timestamp", 3))}
    )
    with pq.ParquetWriter(tmp_path / "bomb.parquet", chunk.schema, compression="zstd") as writer:
        for _ in range(10):
            writer.write_table(chunk, row_group_size=rows // 10)
    assert (tmp_path / "bomb.parquet").stat().st_size < 1_000_000
    ended = typed_here(["preprocess", tmp_path / "bomb.parquet", "--workspace", tmp_path / "ws"])
    said = ended.require_one_error(3)
    assert "60,000,000 rows" in said
    assert "--max-rows" in ended.stderr
    assert ended.seconds < 5


@pytest.mark.parametrize("suffix", ["csv", "parquet", "arrow", "csv.gz"])
def test_limits_that_are_given_hold(suffix: str, csv: Path, tmp_path: Path) -> None:
    table, path = pl.read_csv(csv), tmp_path / f"shop.{suffix}"
    if suffix == "parquet":
        table.write_parquet(path)
    elif suffix == "arrow":
        table.write_ipc(path)
    else:
        path.write_bytes(gzip.compress(csv.read_bytes()) if suffix == "csv.gz" else csv.read_bytes())
    typed = ["preprocess", path, "--workspace", tmp_path / "ws"]
    assert "--max-rows" in typed_here([*typed, "--max-rows", table.height - 1]).stderr
    typed_here([*typed, "--max-rows", table.height - 1]).require_one_error(3)
    if suffix == "csv.gz":
        ended = typed_here([*typed, "--max-bytes", csv.stat().st_size - 1])
        assert "--max-bytes" in ended.stderr
        ended.require_one_error(3)
    limits = ["--max-rows", table.height, "--max-bytes", csv.stat().st_size]
    assert typed_here([*typed, *limits]).exit_code == 0
    typed_here([*typed, "--max-rows", 0]).require_one_error(2)
