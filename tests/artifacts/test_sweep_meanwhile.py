"""Whoever reads a sweep while it is written finds a record and its own figures; what is under way stays."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from adrec_cli.artifacts import sweep_files
from adrec_cli.artifacts.evaluation import first_ranks_path, ranks_path, read_evaluation, settle_left, write_evaluation
from adrec_cli.artifacts.sweep_files import (
    RESULT_COLUMNS,
    SweepRecord,
    find_unsettled_results,
    first_results_path,
    read_sweep,
    settle_sweep,
    write_sweep,
)
from adrec_cli.schema import FORMAT_VERSION, RESULTS_FILE
from tests.artifacts.moments import read_at_each_moment
from tests.artifacts.test_evaluation import evaluation, table
from tests.made_up import made_up


def write(folder: Path, name: str) -> None:
    row: dict[str, Any] = {column: "x" if kind == pl.String else 1 for column, kind in RESULT_COLUMNS.items()}
    rows = pl.DataFrame([{**row, "run": name}], schema=RESULT_COLUMNS)
    write_sweep(
        folder, made_up(SweepRecord, name=name, differences=[], runs=[], failed=[], format_version=FORMAT_VERSION), rows
    )


def unsettle(folder: Path) -> None:
    """Leave what a writer does that was killed after the record."""
    record, _ = read_sweep(folder)
    (folder / RESULTS_FILE).rename(first_results_path(folder, record.results_sha256))
    (folder / RESULTS_FILE).write_bytes(b"of the sweep before")


MEANWHILE: dict[str, Callable[[Path], object]] = {
    "settled": lambda folder: settle_sweep(folder, sweep_files._read_record(folder / "sweep.json").results_sha256),
    "written": lambda folder: write(folder, "b"),
    "written there and back": lambda folder: (write(folder, "b"), write(folder, "a")),
    "written and killed": lambda folder: (write(folder, "b"), unsettle(folder)),
}


@pytest.mark.parametrize("killed", [False, True])
@pytest.mark.parametrize("meanwhile", MEANWHILE.values(), ids=MEANWHILE)
def test_a_change_at_any_moment_of_reading_leaves_all_of_one(
    tmp_path: Path, meanwhile: Callable[[Path], object], killed: bool
) -> None:
    def begin(number: int) -> Path:
        folder = tmp_path / str(number)
        write(folder, "a")
        if killed:
            unsettle(folder)
        return folder

    for record, results in read_at_each_moment(begin, read_sweep, meanwhile, [(sweep_files, "file_identity")]):
        assert results["run"].to_list() == [record.name]


def test_figures_that_a_killed_writer_left_are_found_and_settled(tmp_path: Path) -> None:
    write(tmp_path, "a")
    assert find_unsettled_results(tmp_path) is None
    unsettle(tmp_path)
    left = find_unsettled_results(tmp_path)
    assert left is not None
    settle_sweep(tmp_path, read_sweep(tmp_path)[0].results_sha256)
    assert not left.exists()
    assert read_sweep(tmp_path)[1]["run"].to_list() == ["a"]


def test_ranks_that_another_writer_is_about_to_put_in_place_stay(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    write_evaluation(evaluation(path), table([1, 2]))
    coming = first_ranks_path(path, 64 * "5")
    coming.write_bytes(b"of an evaluation that is written next")
    settle_left(path)
    assert coming.exists()
    ranks_path(path).rename(first_ranks_path(path, read_evaluation(path).ranks_sha256))
    settle_left(path)
    assert ranks_path(path).exists()
