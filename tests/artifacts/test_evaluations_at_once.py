"""Two who change the evaluations of one folder at the same time, as seeds that are evaluated side by side do."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from adrec_cli.artifacts import atomic
from adrec_cli.artifacts import evaluation as evaluations
from adrec_cli.artifacts.evaluation import read_evaluation, read_ranks, write_evaluation
from adrec_cli.artifacts.lock import exclusive
from adrec_cli.forgetting import ranks as forgetting
from tests.artifacts.test_evaluation import evaluation, table

_LONG_ENOUGH = 0.3
"""Seconds in which the other is done if nothing keeps it waiting."""


class Other:
    """Somebody else, who begins at a moment, and goes on at once unless kept waiting."""

    def __init__(self, do: Callable[[], object]) -> None:
        self.thread, self.failed = threading.Thread(target=self._run, args=(do,)), None

    def _run(self, do: Callable[[], object]) -> None:
        try:
            do()
        except BaseException as error:
            self.failed = error

    def begin(self) -> None:
        if not self.thread.ident:
            self.thread.start()
            self.thread.join(_LONG_ENOUGH)

    def end(self) -> None:
        assert self.thread.ident, "it never began"
        self.thread.join()
        assert self.failed is None


def beginning_in(function: Callable[..., Any], other: Other, *, before: bool) -> Callable[..., Any]:
    def call(*arguments: Any, **named: Any) -> Any:
        if before and threading.current_thread() is not other.thread:
            other.begin()
        done = function(*arguments, **named)
        if not before and threading.current_thread() is not other.thread:
            other.begin()
        return done

    return call


def require_whole(path: Path) -> None:
    """Check that the ranks are those that the figures were computed from: both have the seed of whoever wrote them."""
    assert read_ranks(path).provenance["seed"] == read_evaluation(path).seed


@pytest.mark.parametrize(("name", "before"), [("write_bytes", True), ("write_bytes", False), ("replacing", True)])
def test_what_is_left_is_of_one_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, before: bool
) -> None:
    path = tmp_path / "reports/a.json"
    other = Other(lambda: write_evaluation(evaluation(path, seed=2), table([2, 2])))
    monkeypatch.setattr(evaluations, name, beginning_in(getattr(evaluations, name), other, before=before))
    write_evaluation(evaluation(path, seed=1), table([1, 1]))
    other.end()
    require_whole(path)


def test_ranks_that_are_written_again_without_somebody_are_those_of_their_evaluation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "reports/a.json"
    write_evaluation(evaluation(path, seed=1), table([1, 1]))
    other = Other(lambda: write_evaluation(evaluation(path, seed=2), table([2, 2])))
    monkeypatch.setattr(forgetting.pl, "read_parquet", beginning_in(pl.read_parquet, other, before=True))
    forgetting.forget_in_ranks(tmp_path, {"u1"})
    other.end()
    require_whole(path)
    assert set(read_ranks(path).ranks.tolist()) == {read_evaluation(path).seed}


def test_ranks_of_an_evaluation_that_is_being_written_are_not_taken_for_left_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "reports/a.json"
    other = Other(lambda: forgetting.forget_in_ranks(tmp_path, {"u1"}))
    monkeypatch.setattr(evaluations, "write_bytes", beginning_in(evaluations.write_bytes, other, before=True))
    write_evaluation(evaluation(path, seed=1), table([1, 1]))
    other.end()
    require_whole(path)


@pytest.mark.parametrize("begun", [False, True])
def test_a_lock_that_removes_temporaries_removes_none_that_is_being_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, begun: bool
) -> None:
    path = tmp_path / "reports/a.json"
    path.parent.mkdir()

    def hold() -> None:
        with exclusive(path.parent, "clean"):
            pass

    other = Other(hold)
    monkeypatch.setattr(atomic, "_sync", beginning_in(atomic._sync, other, before=not begun))
    write_evaluation(evaluation(path, seed=1), table([1, 1]))
    other.end()
    require_whole(path)
