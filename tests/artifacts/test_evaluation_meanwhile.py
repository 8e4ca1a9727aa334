"""Whoever reads the ranks of an evaluation while others write it finds all of one, whenever that happens."""

from __future__ import annotations

import io
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
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    meanwhile: Callable[[Path], None],
    killed: bool,
    open_ranks: Callable[[Path], Any],
) -> None:
    moment, moments = 0, 1
    while moment < moments:
        path = tmp_path / f"{moment}.json"
        write(path, 0)
        if killed:
            unsettle(path)
        met = 0

        def counted(function: Callable[..., Any], path: Path = path, moment: int = moment) -> Callable[..., Any]:
            def call(*args: Any, **named: Any) -> Any:
                nonlocal met
                met += 1
                if met == moment + 1:
                    meanwhile(path)
                return function(*args, **named)

            return call

        with monkeypatch.context() as patched:
            patched.setattr(io, "open", counted(io.open))
            patched.setattr("builtins.open", counted(open))
            patched.setattr(Path, "is_file", counted(Path.is_file))
            patched.setattr(evaluations, "read_evaluation", counted(read_evaluation))
            found = open_ranks(path)
        if found is not None:
            assert found.ranks.tolist() == RANKS[found.provenance["seed"]]
        moment, moments = moment + 1, met
    assert moments > 3
