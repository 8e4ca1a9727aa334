"""Lines of a user and then items, with any separator, are sequences: no item of a longer line is lost."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adrec_cli.data.newest_events import read_newest_events
from adrec_cli.errors import InputError
from tests.data.table_files import read_sequences, run
from tests.examples import tries

SEQUENCES = {"anna": ["p1", "p2", "p3", "p4", "p5"], "ben": ["p4", "p1"], "carl": ["p2", "p9", "p3"]}


def write(path: Path, sequences: dict[str, list[str]], separator: str) -> Path:
    path.write_text("".join(separator.join([user, *items]) + "\n" for user, items in sequences.items()))
    return path


items = st.lists(st.integers(1, 60).map(lambda number: f"p{number}"), min_size=1, max_size=9)


@settings(max_examples=tries(15), deadline=None)
@given(separator=st.sampled_from(",;|\t"), more=st.lists(items, max_size=5))
def test_every_item_of_every_line_is_read(separator: str, more: list[list[str]]) -> None:
    sequences = SEQUENCES | {f"u{number}": entries for number, entries in enumerate(more)}
    with tempfile.TemporaryDirectory() as folder:
        made = run(write(Path(folder) / "log.txt", sequences, separator), Path(folder) / "ws")
        assert read_sequences(made.folder) == sequences
        assert "one sequence a line: a user, then items in time order" in made.notes


@pytest.mark.parametrize("separator", [",", "\t", " "])
def test_new_events_whose_lines_have_one_length_are_read_as_before(tmp_path: Path, separator: str) -> None:
    first = {f"{user}1": sequence for user, sequence in SEQUENCES.items()}
    manifest = run(write(tmp_path / "log.txt", first, separator), tmp_path / "ws").manifest
    night = write(tmp_path / "night.txt", {"dora2": ["p1", "p2"], "emil2": ["p3", "p1"]}, separator)
    events = [("dora2", "p1"), ("dora2", "p2"), ("emil2", "p3"), ("emil2", "p1")]
    assert sorted(read_newest_events(night, manifest).rows()) == sorted(events)
    (tmp_path / "own.csv").write_text("user_id,item_id\nfritz3,p1\n")
    assert read_newest_events(tmp_path / "own.csv", manifest).rows() == [("fritz3", "p1")]
    night.write_text('fritz3,p1,1400000000\n"the rest",p2,1400000001\n')
    with pytest.raises(InputError, match=r"not written as log was read|does not say what it holds"):
        read_newest_events(night, manifest)


@pytest.mark.parametrize(
    "text",
    [
        "u1,a,5,x\nu2,b,3\nu1,b,a,y\n",
        "user_id,item_id,x,y,z\nu1,a,a,b,c\nu2,b\nu1,b,a\n",
        "u1,a,x y,b,c\nu2,b,a\nu1,b,a\n",
        "u1,2021-01-01,a,b,c\nu2,2021-01-02,a\nu1,2021-01-02,b\n",
        "u1,a,b,c,d\nu2,e\nu1,f,g\n",
    ],
)
def test_tables_that_lack_the_end_of_some_rows_are_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "log.csv").write_text(text)
    made = run(tmp_path / "log.csv", tmp_path / "ws", user_column=1, item_column=2, timestamp_unit="order")
    assert made.manifest.parameters["found"]["layout"] == "delimited"


def test_a_colon_behind_the_user_is_not_of_the_id(tmp_path: Path) -> None:
    (tmp_path / "log.txt").write_text("1: 10 20 30\n2: 20 40\n3: 10\n")
    assert read_sequences(run(tmp_path / "log.txt", tmp_path / "ws").folder) == {
        "1": ["10", "20", "30"], "2": ["20", "40"], "3": ["10"]
    }  # fmt: skip
