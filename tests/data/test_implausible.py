"""What is hard to believe about an update is warned of with figures, and refused with --strict."""

from __future__ import annotations

import re
import time
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adrec_cli.data import implausible
from adrec_cli.data.implausible import form_of_ids
from adrec_cli.errors import InputError
from adrec_cli.pipeline.preprocess import PreprocessOptions, preview
from tests.data.table_files import START, Row, read_sequences, run, write_csv


def night(day: int, *, user: str = "{}", item: str = "{}", users: range = range(30), start: int = START) -> list[Row]:
    """Return four purchases of every user on a day, with ids written as the forms say."""
    return [
        (user.format(person), item.format((person * 3 + event + day) % 25), start + day * 86_400 + event)
        for person in users
        for event in range(4)
    ]


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    rows = night(0)
    return run(write_csv(tmp_path / "shop.csv", rows), tmp_path / "ws").folder


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (night(1, item="{}.5"), "25 of 25 item ids are of a form that ids did not have before, such as '0.5'; before"),
        (night(1, user="u{}"), "30 of 30 user ids are of a form that ids did not have before, such as 'u0'"),
        (night(1, item="100{}"), "0 of 120 interactions are with items that shop knows"),
        (night(1, users=range(100, 130)), "0 of 30 users are known to shop"),
        (night(1, start=START - 4000 * 86_400), "120 of 120 interactions lie ten years back and more, the earliest at"),
    ],
)
def test_an_implausible_update_is_warned_of_and_refused_if_one_is_strict(
    shop: Path, tmp_path: Path, rows: list[Row], said: str
) -> None:
    source = write_csv(tmp_path / "monday.csv", rows)
    before = read_sequences(shop)
    with pytest.raises(InputError, match=f"to shop is not plausible: .*{re.escape(said)}"):
        run(source, tmp_path / "ws", update=shop, strict=True)
    assert read_sequences(shop) == before
    seen = preview(str(source), workspace=tmp_path / "ws", options=PreprocessOptions(update=shop))
    result = run(source, tmp_path / "ws", update=shop)
    for warnings in (seen.warnings, result.warnings):
        assert [warning for warning in warnings if said in warning]


TEN_YEARS = 3653 * 86_400
EDGES: dict[str, tuple[str, list[Row], list[Row]]] = {
    "fewest ids": (
        "item ids are of a form",
        [("1", f"x{n}", START) for n in range(5)],
        [("1", f"x{n}", START) for n in range(4)],
    ),
    "nine ids in ten": (
        "item ids are of a form",
        [("1", "3", START), *(("1", f"x{n}", START) for n in range(9))],
        [("1", "3", START), ("1", "4", START), *(("1", f"x{n}", START) for n in range(17))],
    ),
    "fewest events": (
        "with items that shop knows",
        [(str(n), str(100 + n), START) for n in range(20)],
        [(str(n), str(100 + n), START) for n in range(19)],
    ),
    "one known item in twenty": (
        "with items that shop knows",
        [("1", "3", START), *((str(n), str(100 + n), START) for n in range(20))],
        [("1", "3", START), *((str(n), str(100 + n), START) for n in range(19))],
    ),
    "fewest users": (
        "known to shop",
        [(str(100 + n), "3", START) for n in range(20)],
        [(str(100 + n), "3", START) for n in range(19)],
    ),
    "one known user in twenty": (
        "known to shop",
        [("1", "3", START), *((str(100 + n), "3", START) for n in range(20))],
        [("1", "3", START), *((str(100 + n), "3", START) for n in range(19))],
    ),
    "ten years before the newest": (
        "ten years back and more",
        [("1", "3", START + 3 - TEN_YEARS - 1)],
        [("1", "3", START + 3 - TEN_YEARS)],
    ),
    "a day from now": (
        "in the future, the last",
        [("1", "3", START + 2 * 86_400 + 1)],
        [("1", "3", START + 2 * 86_400)],
    ),
}
"""What is said, rows that are just hard to believe, and rows that are just believed."""


@pytest.mark.parametrize(("said", "doubted", "believed"), EDGES.values(), ids=EDGES)
def test_doubts_begin_at_their_bound(
    shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, doubted: list[Row], believed: list[Row]
) -> None:
    monkeypatch.setattr(implausible.time, "time", lambda: float(START + 86_400))
    for rows, expected in ((doubted, 1), (believed, 0)):
        source = write_csv(tmp_path / "monday.csv", rows)
        seen = preview(str(source), workspace=tmp_path / "ws", options=PreprocessOptions(update=shop))
        assert len([warning for warning in seen.warnings if said in warning]) == expected, rows


def test_times_in_the_future_are_warned_of_once_and_refused(shop: Path, tmp_path: Path) -> None:
    source = write_csv(tmp_path / "monday.csv", night(1, start=int(time.time()) + 10 * 86_400))
    with pytest.raises(InputError, match="120 of 120 interactions lie in the future, the last at 20"):
        run(source, tmp_path / "ws", update=shop, strict=True)
    assert len(run(source, tmp_path / "ws", update=shop).warnings) == 1


def test_usual_nights_raise_no_doubt(shop: Path, tmp_path: Path) -> None:
    nights = [
        night(1, users=range(10, 50)),
        [*night(2), *[(f"new{n}", f"odd-{n}", START + 2 * 86_400) for n in range(3)]],
        [("x 1", "y.1", START + 3 * 86_400)],
        night(0),
    ]
    for number, rows in enumerate(nights):
        result = run(write_csv(tmp_path / f"{number}.csv", rows), tmp_path / "ws", update=shop, strict=True)
        assert result.warnings == []


def test_new_sessions_every_night_are_no_doubt(tmp_path: Path) -> None:
    header = "session_id,item_id,timestamp"
    made = run(write_csv(tmp_path / "s.csv", night(0), header), tmp_path / "ws").folder
    source = write_csv(tmp_path / "m.csv", night(1, users=range(100, 130)), header)
    assert run(source, tmp_path / "ws", update=made, strict=True).warnings == []


@settings(deadline=None)
@given(
    numbers=st.lists(st.integers(0, 10**9), min_size=2, max_size=6),
    affixes=st.tuples(st.sampled_from(["", "u", "U-", "item_", "é"]), st.sampled_from(["", ".0", " ", "-x"])),
)
def test_the_form_of_an_id_tells_how_it_is_written_not_what_it_is(numbers: list[int], affixes: tuple[str, str]) -> None:
    before, after = affixes
    forms = form_of_ids(pl.Series([f"{before}{number}{after}" for number in numbers]))
    assert forms.n_unique() == 1
    plain = form_of_ids(pl.Series([str(number) for number in numbers]))
    assert (forms[0] == plain[0]) == (affixes == ("", ""))


def test_forms() -> None:
    written = ["17", "017", "17.0", "B00ABC1", "b00abc1", "Apple", "a b", "3f2a-77", "李"]
    assert form_of_ids(pl.Series(written)).to_list() == ["9", "○", "9.9", "▲", "▼", "◆", "▼ ▼", "▼-9", "◆"]
