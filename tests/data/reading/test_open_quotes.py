"""A quote that is not closed takes no rows along in silence; cells of several lines are read."""

from __future__ import annotations

import csv
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adrec_cli.errors import InputError
from tests.data.table_files import START, read_sequences, run
from tests.examples import tries

pytestmark = pytest.mark.usefixtures("in_shell")

TIMES = {"seconds": lambda row: str(START + row), "date": lambda row: f"2024-01-{row + 1:02} 10:00:00",
         "german": lambda row: f"{row + 1:02}.12.2023"}  # fmt: skip


@settings(max_examples=tries(25))
@given(
    rows=st.integers(3, 9), place=st.integers(0, 3), form=st.sampled_from(sorted(TIMES)),
    separator=st.sampled_from([",", ";"]), header=st.booleans(), data=st.data(),
)  # fmt: skip
def test_rows_in_a_cell_are_noticed(
    rows: int, place: int, form: str, separator: str, header: bool, data: st.DataObject
) -> None:
    opened = data.draw(st.integers(0, rows - 2))
    closed = data.draw(st.integers(opened + 1, rows - 1))
    names = ["user_id", "item_id", "timestamp"]
    names.insert(place, "title")
    lines = []
    for row in range(rows):
        values = {
            "user_id": "u",
            "item_id": f"i{row}",
            "timestamp": TIMES[form](row),
            "title": '"said"' if row else "x",
        }
        if row in (opened, closed):
            values["title"] = '"Heroes' if row == opened else 'LP 12"'
        lines.append(separator.join(values[name] for name in names))
    options = {"timestamp_format": "dmy"} if form == "german" else {}
    with tempfile.TemporaryDirectory() as name:
        source = Path(name) / "t.csv"
        source.write_text("\n".join(([separator.join(names)] if header else []) + lines) + "\n")
        columns = {f"{role}_column": names.index(of) + 1 for role, of in
                   (("user", "user_id"), ("item", "item_id"), ("timestamp", "timestamp"))}  # fmt: skip
        try:
            made = run(source, Path(name) / "ws", header=header, **columns, **options)
        except InputError:
            return
        assert len(read_sequences(made.folder)["u"]) == rows


def test_the_row_is_shown_and_may_be_right(tmp_path: Path) -> None:
    source = tmp_path / "t.csv"
    rows = [
        f"u,a,{START},x",
        f'u,b,{START + 1},"Heroes',
        f"u,c,{START + 2},y",
        f'u,d,{START + 3},12"',
        f"u,e,{START + 4},z",
    ]
    source.write_text("user_id,item_id,timestamp,title\n" + "\n".join(rows) + "\n")
    with pytest.raises(
        InputError, match=rf"a cell in quotes holds what look like rows, 'u,c,{START + 2},y.*not closed"
    ):
        run(source, tmp_path / "ws")
    made = run(source, tmp_path / "ws", on_bad_row="skip")
    assert read_sequences(made.folder) == {"u": ["a", "b", "e"]}
    assert any("which was not read" in line for line in made.warnings)


@pytest.mark.parametrize("cell", ["two\nlines", "1, 2\n3, 4", f"on {START}\nit was", "a\n\nb", f"x,{START},y\nz"])
def test_cells_of_several_lines_are_cells(tmp_path: Path, cell: str) -> None:
    source = tmp_path / "t.csv"
    source.write_text(f'user_id,item_id,timestamp,review\nu,a,{START},"{cell}"\nu,b,{START + 1},x\n')
    made = run(source, tmp_path / "ws")
    assert read_sequences(made.folder) == {"u": ["a", "b"]}
    assert made.warnings == []


@pytest.mark.parametrize("width", [3, 59, 60, 61, 300])
@pytest.mark.parametrize("separator", [",", ";"])
def test_wide_tables_with_cells_of_several_lines_are_read(tmp_path: Path, width: int, separator: str) -> None:
    source = tmp_path / "t.csv"
    names = ["user_id", "item_id", "timestamp", "review", *(f"x{place}" for place in range(width - 3))]
    rows = [["u", item, str(START), '"two\nlines"', *("1" for _ in range(width - 3))] for item in "ab"]
    source.write_text("".join(separator.join(row) + "\n" for row in (names, *rows)))
    assert read_sequences(run(source, tmp_path / "ws").folder) == {"u": ["a", "b"]}


def write_rows(path: Path, texts: list[str], separator: str) -> Path:
    """Write a row for each text, as spreadsheets and pandas do: with quotes where they are needed."""
    with open(path, "w", newline="") as file:
        writer = csv.writer(file, delimiter=separator)
        writer.writerow(["user_id", "item_id", "timestamp", "review"])
        writer.writerows((f"u{row % 3}", f"i{row}", START + row, text) for row, text in enumerate(texts))
    return path


# No text of it is in quotes on one line, which shows by itself that quotes enclose cells.
WORDS = st.sampled_from(["fine", "so\nso", "a\n\nb", "tab\there", 'five" wide\nand more', "last\n"])


@settings(max_examples=tries(40))
@given(st.lists(WORDS, min_size=2))
def test_cells_of_several_lines_are_read_between_tabs_as_between_commas(texts: list[str]) -> None:
    with tempfile.TemporaryDirectory() as name:
        made = [
            run(write_rows(Path(name) / f"t.{ending}", texts, separator), Path(name) / ending)
            for ending, separator in (("csv", ","), ("tsv", "\t"))
        ]
        found = [read_sequences(one.folder) for one in made]
    assert found[0] == found[1]
    assert sum(map(len, found[1].values())) == len(texts)


@settings(max_examples=tries(40))
@given(
    st.lists(st.sampled_from(["fine", '"not closed', 'closed"', '12"', '"', 'a "b" c']), min_size=2, max_size=9),
    st.lists(st.integers(0, 8), max_size=2),
)
def test_quotes_that_enclose_nothing_between_tabs_stay_text(texts: list[str], short: list[int]) -> None:
    """Whether or not some rows lack their last field."""
    lines = [f"u{row % 3}\ti{row}\t{START + row}\t{text}" for row, text in enumerate(texts)]
    lines = [line.rpartition("\t")[0] if row in short else line for row, line in enumerate(lines)]
    with tempfile.TemporaryDirectory() as name:
        source = Path(name) / "t.tsv"
        source.write_text("\n".join(["user_id\titem_id\ttimestamp\treview", *lines]) + "\n")
        made = read_sequences(run(source, Path(name) / "ws").folder)
    assert sum(map(len, made.values())) == len(texts)


@pytest.mark.parametrize("text", ["so\nso", "tab\there", "a\n\nb"])
def test_where_the_first_rows_do_not_show_it_the_hint_does_what_is_needed(tmp_path: Path, text: str) -> None:
    texts = ["fine"] * 300 + [text] + ["fine"] * 9
    source = write_rows(tmp_path / "their file.tsv", texts, "\t")
    with pytest.raises(InputError) as told:
        run(source, tmp_path / "ws")
    _, colon, command = told.value.hint.partition("write the file as CSV: ")
    assert colon, told.value.hint
    subprocess.run(["bash", "-c", command], check=True, cwd=tmp_path)
    made = run(tmp_path / "their file.tsv.csv", tmp_path / "ws")
    assert sum(map(len, read_sequences(made.folder).values())) == len(texts)
