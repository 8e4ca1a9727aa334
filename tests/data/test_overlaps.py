"""Where repeated events count, an update that repeats a long stretch of what is there is refused, or counts once."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adrec_cli.data.overlaps import FEWEST, find_there
from adrec_cli.errors import InputError, UsageError
from adrec_cli.pipeline.preprocess import PreprocessOptions, preprocess, preview
from tests.data.table_files import START, Row, read_sequences, run, write_csv
from tests.data.test_taken_files import EVENTS, interactions_of
from tests.examples import tries

pytestmark = pytest.mark.usefixtures("in_shell")

DAY = 86_400
EVENT_LIST = list[tuple[str, str, int]]


def export(first: int, last: int) -> list[Row]:
    """Return the events of some days, ten a day, one of which happened twice."""
    rows = [(f"u{n % 4}", f"i{n % 7}", START + DAY * day + 60 * n) for day in range(first, last) for n in range(9)]
    again = [row for row in rows if row[0] == "u1" and row[1] == "i5"]
    return sorted(rows + again, key=lambda row: row[2])


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """What the first night's export of six days came to."""
    return run(write_csv(tmp_path / "shop.csv", export(0, 6)), tmp_path / "ws", duplicates="keep").folder


@pytest.mark.parametrize("first", [1, 3, 5])
def test_a_rolling_export_is_refused_or_counts_once(tmp_path: Path, shop: Path, first: int) -> None:
    night = write_csv(tmp_path / "night.csv", export(first, first + 6))
    before = (shop / "manifest.json").read_bytes()
    there, all_of_it = len(export(first, 6)), len(export(first, first + 6))
    if there >= FEWEST:
        for look in (preview, preprocess):
            with pytest.raises(InputError) as refused:
                look(str(night), workspace=tmp_path / "ws", options=PreprocessOptions(update=shop))
            assert refused.value.message.startswith(f"{there} of {all_of_it} interactions are in shop already, ")
            assert refused.value.message.endswith(": --duplicates keep would count them again")
            assert "--overlap once; " in str(refused.value.hint)
        assert (shop / "manifest.json").read_bytes() == before
    done = run(night, tmp_path / "ws", update=shop, overlap="once")
    assert any(note.startswith(f"{there} of ") and note.endswith("not taken again") for note in done.notes)
    whole = run(write_csv(tmp_path / "whole.csv", export(0, first + 6)), tmp_path, duplicates="keep")
    assert read_sequences(done.folder) == read_sequences(whole.folder)
    assert run(night, tmp_path / "ws", update=shop, overlap="once").skipped


def test_what_happened_again_counts_again(tmp_path: Path, shop: Path) -> None:
    night = write_csv(tmp_path / "night.csv", export(1, 7))
    done = run(night, tmp_path / "ws", update=shop, overlap="again")
    assert done.manifest.statistics["interactions"] == 2 * len(export(0, 6))
    assert any(note.endswith("and count again, as duplicates are kept") for note in done.notes)


@pytest.mark.parametrize(
    ("rows", "note"),
    [
        pytest.param(export(6, 12), "", id="the next days"),
        pytest.param(export(6, 12) + export(0, 6)[:3], "3 of 63 interactions are in shop already", id="a few repeats"),
        pytest.param([*export(6, 12), export(0, 1)[0]], "1 of 61 interactions is in shop already", id="one"),
        pytest.param([(f"w{u}", i, t) for u, i, t in export(0, 6)], "", id="another branch at the same time"),
        pytest.param([(u, f"j{i}", t) for u, i, t in export(0, 6)] + export(5, 6)[:9] + export(4, 5)[:9] + export(3, 4),
                     "28 of 88 interactions are in shop already", id="mostly another branch"),
    ],
)  # fmt: skip
def test_what_is_mostly_new_is_taken(tmp_path: Path, shop: Path, rows: list[Row], note: str) -> None:
    done = run(write_csv(tmp_path / "night.csv", rows), tmp_path / "ws", update=shop)
    assert done.manifest.statistics["interactions"] == len(export(0, 6)) + len(rows)
    assert [line for line in done.notes if "in shop already" in line and line.startswith(note)] == (
        [f"{note}, with the same user, item and time, and count again, as duplicates are kept"] if note else []
    )


def test_files_that_are_added_together_are_held_against_each_other_too(tmp_path: Path, shop: Path) -> None:
    (tmp_path / "nights").mkdir()
    for night in (6, 8):
        write_csv(tmp_path / f"nights/{night}.csv", export(night, night + 6))
    with pytest.raises(InputError, match="are in shop or a file before already"):
        run(tmp_path / "nights", tmp_path / "ws", update=shop)
    done = run(tmp_path / "nights", tmp_path / "ws", update=shop, overlap="once")
    assert done.manifest.statistics["interactions"] == len(export(0, 14))


@pytest.mark.parametrize(
    ("windows", "said"),
    [
        pytest.param([(0, 6), (1, 7)], "0.csv and 1.csv", id="rolling exports"),
        pytest.param([(0, 3), (3, 6), (2, 7)], "2.csv and 1.csv", id="days and the whole"),
        pytest.param([(0, 3), (3, 6), (6, 9)], "", id="one after the other"),
        pytest.param([(0, 9), (8, 16)], "", id="a day in two files"),
    ],
)
def test_files_of_a_new_data_set_that_cover_the_same_time_are_said(
    tmp_path: Path, windows: list[tuple[int, int]], said: str
) -> None:
    (tmp_path / "log").mkdir()
    for number, window in enumerate(windows):
        # Each with an event that no other has, so that none begins with another.
        rows = export(*window)
        write_csv(tmp_path / f"log/{number}.csv", [(f"own{number}", "i0", rows[0][2]), *rows])
    made = run(tmp_path / "log", tmp_path / "ws", duplicates="keep")
    notes = [note for note in made.notes if "cover the same time" in note]
    assert [note.partition(" cover")[0] for note in notes] == ([said] if said else [])
    assert made.manifest.statistics["interactions"] == sum(1 + len(export(*window)) for window in windows)
    dropped = run(tmp_path / "log", tmp_path / "dropped")
    assert not any("cover the same time" in note for note in dropped.notes)


def test_of_a_log_that_has_grown_only_what_is_new_is_taken(tmp_path: Path, shop: Path) -> None:
    grown = write_csv(tmp_path / "shop.csv", export(0, 9))
    with pytest.raises(InputError, match=r"begins with shop\.csv") as refused:
        run(grown, tmp_path / "ws", update=shop)
    assert "--overlap once" in str(refused.value.hint)
    assert run(grown, tmp_path / "ws", update=shop, overlap="once").manifest.statistics["interactions"] == len(
        export(0, 9)
    )


def test_nothing_is_asked_where_duplicates_are_dropped(tmp_path: Path) -> None:
    shop = run(write_csv(tmp_path / "shop.csv", export(0, 6)), tmp_path / "ws").folder
    done = run(write_csv(tmp_path / "night.csv", export(1, 7)), tmp_path / "ws", update=shop)
    assert done.manifest.statistics["interactions"] == len(set(export(0, 7)))
    assert not any("already" in note for note in done.notes)
    with pytest.raises(UsageError, match="--overlap twice is unknown"):
        PreprocessOptions(overlap="twice")  # type: ignore[arg-type]


@given(EVENTS, st.lists(EVENTS, min_size=1, max_size=3))
@settings(max_examples=tries(100), deadline=None)
def test_there_is_as_often_as_the_file_with_most_of_it(old: EVENT_LIST, files: list[EVENT_LIST]) -> None:
    new = [event for file in files for event in file]
    there = find_there(interactions_of(old), interactions_of(new), [len(file) for file in files])
    if not old:
        assert not there.any()
        return
    most: Counter[tuple[str, str, int]] = Counter()
    for events in (old, *files):
        most |= Counter(events)
    taken = [event for event, is_there in zip(new, there, strict=True) if not is_there]
    assert Counter(old) + Counter(taken) == most
