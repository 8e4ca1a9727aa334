"""An id that stands for whoever was not known is warned of, with the condition that leaves it out."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from tests.data.table_files import history, read_sequences, run, write_csv

pytestmark = pytest.mark.usefixtures("in_shell")

PEOPLE = [event for number in range(40) for event in history(f"u{number}", ["a", "b", "c"])]


def crowd(user: str, events: int) -> list[tuple[str, str, int]]:
    return history(user, [f"i{number % 50}" for number in range(events)])


@pytest.mark.parametrize("user", ["NA", "0", "not known", "guest, web"])
def test_the_condition_of_the_warning_leaves_the_crowd_out(tmp_path: Path, user: str) -> None:
    rows = [(f'"{one}"', item, time) for one, item, time in PEOPLE + crowd(user, 300)]
    source = write_csv(tmp_path / "log.csv", rows)
    [warning] = run(source, tmp_path / "ws").warnings
    assert warning.startswith(f"user {user!r} has 300 of 420 interactions, others 3.0 on average")
    condition = shlex.split(warning.split("--where ")[1])
    made = run(source, tmp_path / "ws", name="people", where=tuple(condition))
    assert set(read_sequences(made.folder)) == {f"u{number}" for number in range(40)}
    assert not made.warnings


@pytest.mark.parametrize(("events", "people"), [(140, PEOPLE), (300, PEOPLE[:30]), (300, PEOPLE * 10)])
def test_a_busy_person_among_few_or_among_busy_ones_is_none(
    tmp_path: Path, events: int, people: list[tuple[str, str, int]]
) -> None:
    source = write_csv(tmp_path / "log.csv", people + crowd("busy", events))
    assert not run(source, tmp_path / "ws", duplicates="keep").warnings
