"""Where no times say which event comes first, files follow each other by name, and a user's rows with them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adrec_cli.errors import InputError
from tests.data.table_files import read_bounds, read_sequences, run
from tests.examples import tries

pytestmark = pytest.mark.usefixtures("in_shell")

ROWS = st.lists(st.tuples(st.sampled_from("uvw"), st.sampled_from("abcd")), min_size=2, max_size=12)
FORMS: dict[str, tuple[Callable[[str, str], str], str]] = {
    "csv": (lambda user, item: f"{user},{item}", "user_id,item_id"),
    "jsonl": (lambda user, item: f'{{"user_id": "{user}", "item_id": "{item}"}}', ""),
    "tsv": (lambda user, item: f"{user}\t[{item}, {item}{item}]", "user_id\titems"),
}


def write(path: Path, rows: Sequence[tuple[str, str]]) -> None:
    line, header = FORMS[path.suffix[1:]]
    path.write_text("".join(f"{text}\n" for text in (header, *(line(*row) for row in rows)) if text))


@settings(max_examples=tries(20))
@given(rows=ROWS, cuts=st.lists(st.integers(1, 11), max_size=3), form=st.sampled_from(sorted(FORMS)))
def test_files_are_what_they_are_behind_one_another(rows: list[tuple[str, str]], cuts: list[int], form: str) -> None:
    ends = sorted({cut for cut in cuts if cut < len(rows)} | {len(rows)})
    options: dict[str, Any] = {"timestamp_unit": "order"} if form == "tsv" else {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "parts").mkdir()
        for number, (first, end) in enumerate(zip([0, *ends], ends, strict=False)):
            write(folder / f"parts/{number}.{form}", rows[first:end])
        write(folder / f"whole.{form}", rows)
        whole = run(folder / f"whole.{form}", folder / "ws", **options)
        parts = run(folder / "parts", folder / "ws", **options)
        # A list that a user's earlier row has said counts once in a file, and files are not compared.
        if form != "tsv" or len(set(rows)) == len(rows):
            assert read_sequences(parts.folder) == read_sequences(whole.folder)
        assert len(read_sequences(parts.folder)) == len({user for user, _ in rows})


def test_lists_of_one_user_in_two_files_need_an_order(tmp_path: Path) -> None:
    parts = tmp_path / "parts"
    parts.mkdir()
    for number, rows in enumerate(([("u", "a"), ("v", "b")], [("w", "c")], [("v", "d")])):
        write(parts / f"{number}.tsv", rows)
    with pytest.raises(InputError, match=r"0\.tsv and .*2\.tsv both have items of the same user") as caught:
        run(parts, tmp_path / "ws")
    assert "--timestamp-unit order" in str(caught.value.hint)
    ordered = run(parts, tmp_path / "ws", timestamp_unit="order")
    assert read_sequences(ordered.folder)["v"] == ["b", "bb", "d", "dd"]
    (parts / "2.tsv").unlink()
    assert read_sequences(run(parts, tmp_path / "apart").folder)["v"] == ["b", "bb"]


def test_the_parts_of_a_split_are_in_order_already(tmp_path: Path) -> None:
    parts = tmp_path / "parts"
    parts.mkdir()
    for name, items in (("train", "ab"), ("valid", "c"), ("test", "d")):
        write(parts / f"{name}.csv", [("u", item) for item in items])
    made = run(parts, tmp_path / "ws")
    assert read_sequences(made.folder) == {"u": ["a", "b", "c", "d"]}
    assert read_bounds(made.folder) == {"u": (2, 3)}


def test_the_order_of_the_files_is_said(tmp_path: Path) -> None:
    parts = tmp_path / "parts"
    parts.mkdir()
    for number in range(1, 11):
        write(parts / f"{number}.csv", [("u", str(number))])
    made = run(parts, tmp_path / "ws")
    assert "the files follow each other by name: 1.csv, 2.csv, 3.csv, 4.csv, ..., 10.csv" in made.notes
    assert read_sequences(made.folder)["u"][-3:] == ["8", "9", "10"]
    assert not any("follow" in note for note in run(parts / "1.csv", tmp_path / "one").notes)
