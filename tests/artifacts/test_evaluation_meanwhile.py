"""Whoever reads the ranks of an evaluation while others write it finds all of one, whenever that happens."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from adrec_cli.artifacts import evaluation as evaluations
from adrec_cli.artifacts.evaluation import (
    first_ranks_path,
    ranks_path,
    read_evaluation,
    read_ranks,
    settle_evaluation,
    verify_ranks,
    write_evaluation,
)
from tests.artifacts.moments import read_at_each_moment
from tests.artifacts.test_evaluation import evaluation, table

RANKS = {0: [1, 2], 9: [5, 6]}


def write(path: Path, seed: int) -> None:
    write_evaluation(evaluation(path, seed=seed), table(RANKS[seed]))


def unsettle(path: Path) -> None:
    """Leave what a writer does that was killed after the evaluation."""
    sha256 = read_evaluation(path).ranks_sha256
    ranks_path(path).rename(first_ranks_path(path, sha256))
    ranks_path(path).write_bytes(b"of the evaluation before")


MEANWHILE: dict[str, Callable[[Path], None]] = {
    "settled": lambda path: settle_evaluation(path, read_evaluation(path)),
    "written": lambda path: write(path, 9),
    "written there and back": lambda path: (write(path, 9), write(path, 0))[0],
    "written and killed": lambda path: (write(path, 9), unsettle(path))[0],
    "written there and back and killed": lambda path: (write(path, 9), write(path, 0), unsettle(path))[0],
}


@pytest.mark.parametrize("open_ranks", [read_ranks, verify_ranks])
@pytest.mark.parametrize("killed", [False, True])
@pytest.mark.parametrize("meanwhile", MEANWHILE.values(), ids=MEANWHILE)
def test_a_change_at_any_moment_of_reading_leaves_all_of_one(
    tmp_path: Path, meanwhile: Callable[[Path], None], killed: bool, open_ranks: Callable[[Path], Any]
) -> None:
    def begin(number: int) -> Path:
        path = tmp_path / f"{number}.json"
        write(path, 0)
        if killed:
            unsettle(path)
        return path

    steps = [(Path, "is_file"), (evaluations, "read_evaluation")]
    for found in read_at_each_moment(begin, open_ranks, meanwhile, steps):
        assert found is None or found.ranks.tolist() == RANKS[found.provenance["seed"]]
