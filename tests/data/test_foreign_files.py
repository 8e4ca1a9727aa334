"""Archives and files in blocks are read; what is no table is refused by its name, with what to do."""

from __future__ import annotations

import bz2
import gzip
import lzma
import shlex
import subprocess
import sys
import zipfile
from pathlib import Path

import polars as pl
import pytest

from adrec_cli.data.reading import decoding, read_limits
from adrec_cli.errors import InputError
from tests.data.table_files import START, history, read_sequences, run, write_csv

ROWS = history("anna", ["a", "b", "c"]) + history("ben", ["b", "é"])
EXPECTED = {"anna": ["a", "b", "c"], "ben": ["b", "é"]}


def archive(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return path


def refusal(source: Path) -> InputError:
    with pytest.raises(InputError) as caught:
        run(source, source.parent / "ws")
    assert "\n" not in caught.value.message
    assert caught.value.hint
    return caught.value


@pytest.fixture
def table(tmp_path: Path) -> bytes:
    return write_csv(tmp_path / "rows.csv", ROWS).read_bytes()


def test_the_one_table_in_a_zip_is_read(tmp_path: Path, table: bytes) -> None:
    others = {"README.md": b"about", "__MACOSX/._rows.csv": b"\0\0", "data/": b"", "data/.hidden": b"x"}
    packed = archive(tmp_path / "rows.zip", {**others, "data/rows.csv": table})
    made = run(packed, tmp_path / "ws")
    assert read_sequences(made.folder) == EXPECTED
    assert made.folder.name == "rows"
    assert made.manifest.parameters["found"]["compression"] == "zip"
    inner = archive(tmp_path / "inner.zip", {"rows.csv.gz": gzip.compress(table)})
    assert read_sequences(run(inner, tmp_path / "ws").folder) == EXPECTED


@pytest.mark.parametrize(("ending", "pack"), [("bz2", bz2.compress), ("xz", lzma.compress)])
def test_other_compressions(tmp_path: Path, table: bytes, ending: str, pack: object) -> None:
    (tmp_path / f"rows.csv.{ending}").write_bytes(pack(table))  # type: ignore[operator]
    made = run(tmp_path / f"rows.csv.{ending}", tmp_path / "ws")
    assert read_sequences(made.folder) == EXPECTED
    assert made.folder.name == "rows"


def test_several_tables_in_a_zip_are_listed(tmp_path: Path, table: bytes) -> None:
    several = archive(tmp_path / "many.zip", {"ml/ratings.csv": table, "ml/movies.csv": table, "ml/README.txt": b"x"})
    error = refusal(several)
    assert "zip archive of 2 tables, expected one: ml/ratings.csv, ml/movies.csv" in error.message
    assert error.hint == f"unpack it and name the file of the interactions: unzip {several}"
    assert "of 0 tables" in refusal(archive(tmp_path / "none.zip", {"README": b"x"})).message


def test_a_bomb_in_a_zip_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_limits, "ALWAYS_UNPACKED_BYTES", 1 << 20)
    monkeypatch.setattr(decoding, "CHUNK_BYTES", 1 << 16)
    bomb = archive(tmp_path / "bomb.zip", {"rows.csv": b"0" * (1 << 23)})
    assert "unpacks to more than" in refusal(bomb).message


def test_damaged_and_encrypted_zips_are_refused(tmp_path: Path, table: bytes) -> None:
    whole = archive(tmp_path / "rows.zip", {"rows.csv": table * 50}).read_bytes()
    (tmp_path / "cut.zip").write_bytes(whole[: len(whole) // 2])
    assert "zip" in refusal(tmp_path / "cut.zip").message
    flipped = bytearray(whole)
    flipped[60] ^= 0xFF
    (tmp_path / "flipped.zip").write_bytes(flipped)
    assert "zip" in refusal(tmp_path / "flipped.zip").message
    locked = bytearray(whole)
    locked[6] |= 1
    locked[locked.rindex(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "locked.zip").write_bytes(locked)
    assert "encrypted" in refusal(tmp_path / "locked.zip").message


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 228259429\n"


@pytest.mark.parametrize(
    ("content", "name", "hint"),
    [
        (LFS, "Git LFS pointer", "git lfs pull"),
        (b"<!DOCTYPE html>\n<html><body>Sign in, please</body></html>\n", "web page", "browser"),
        (b"\xef\xbb\xbf  <html lang=en>\n", "web page", "browser"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 40, "Excel", "CSV"),
        (b"SQLite format 3\0" + b"\0" * 40, "SQLite", "sqlite3"),
        (b"rows.csv" + b"\0" * 249 + b"ustar\x0000" + b"\0" * 200, "tar archive", "tar xf"),
        (b"%PDF-1.7\n", "PDF", "table"),
    ],
)
def test_what_is_no_table_is_named(tmp_path: Path, content: bytes, name: str, hint: str) -> None:
    (tmp_path / "x.csv").write_bytes(content)
    (tmp_path / "x.csv.gz").write_bytes(gzip.compress(content))
    for source in (tmp_path / "x.csv", tmp_path / "x.csv.gz"):
        error = refusal(source)
        assert name in error.message
        assert hint in error.hint


@pytest.mark.parametrize("before", ["", "# A log\n\n"])
@pytest.mark.parametrize("drawn", ["|---|:--|---:|", "  | - | - | - |  ", "|---+---+---|"])
def test_a_table_in_markdown_is_named(tmp_path: Path, before: str, drawn: str) -> None:
    source = tmp_path / "log.md"
    source.write_text(f"{before}| user_id | item_id | timestamp |\n{drawn}\n| u | i | {START} |\n")
    assert f"{source} is a table drawn for people (Markdown)" in refusal(source).message


def test_bars_alone_draw_no_table(tmp_path: Path) -> None:
    source = tmp_path / "log.txt"
    source.write_text(f"user_id|item_id|timestamp\nu|---|{START}\nu|-|{START + 1}\n")
    assert read_sequences(run(source, tmp_path / "ws").folder) == {"u": ["---", "-"]}


@pytest.mark.parametrize("ending", ["csv", "tsv", "parquet"])
def test_a_matrix_of_zeros_and_ones_is_named_and_its_hint_works(
    tmp_path: Path, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    matrix = pl.DataFrame({"user": ["anna", "ben", "cy"], "a": [1, 0, 0], "b": [1, 1, 0], "it's": [0, 1, 0]})
    source = tmp_path / f"wide.{ending}"
    if ending == "parquet":
        matrix.write_parquet(source)
    else:
        matrix.write_csv(source, separator="\t" if ending == "tsv" else ",")
    error = refusal(source)
    assert "is a matrix with a column per item (a, b, it's), expected a row per interaction" in error.message
    monkeypatch.chdir(tmp_path)
    _, code = error.hint.split("python -c ")
    subprocess.run([sys.executable, "-c", shlex.split(code)[0]], check=True, env={})
    made = run(tmp_path / "rows.csv", tmp_path / "ws", timestamp_unit="order")
    assert {user: set(items) for user, items in read_sequences(made.folder).items()} == {
        "anna": {"a", "b"}, "ben": {"b", "it's"},
    }  # fmt: skip


def test_flags_beside_an_item_make_no_matrix(tmp_path: Path) -> None:
    source = tmp_path / "log.csv"
    source.write_text("user_id,item_id,click,buy,like\n1,1,0,1,0\n0,1,1,0,0\n")
    assert read_sequences(run(source, tmp_path / "ws", timestamp_unit="order").folder) == {"0": ["1"], "1": ["1"]}


def test_spreadsheets_are_named(tmp_path: Path) -> None:
    assert (
        "Excel" in refusal(archive(tmp_path / "t.xlsx", {"[Content_Types].xml": b"", "xl/workbook.xml": b""})).message
    )
    assert "OpenDocument" in refusal(archive(tmp_path / "t.ods", {"mimetype": b"", "content.xml": b""})).message


@pytest.mark.parametrize(
    ("inside", "name"),
    [
        ("_delta_log/00000000000000000000.json", "Delta"),
        ("metadata/v1.metadata.json", "Iceberg"),
        (".hoodie/x", "Hudi"),
    ],
)
def test_folders_of_table_formats_are_refused(tmp_path: Path, inside: str, name: str) -> None:
    folder = tmp_path / "lake"
    (folder / inside).parent.mkdir(parents=True)
    (folder / inside).write_text("{}")
    write_csv(folder / "part-0.csv", ROWS)
    for source in (folder, folder / "*.csv"):
        assert f"is a table of {name}" in refusal(source).message


def test_blocks_of_items_as_netflix_writes_them(tmp_path: Path) -> None:
    lines = ["1:", "7,3,2005-09-06", "8,5,2005-05-13", "22:", "8,4,2005-05-12", "7,1,2005-09-07", ""]
    (tmp_path / "combined.txt").write_text("\n".join(lines))
    made = run(tmp_path / "combined.txt", tmp_path / "ws")
    assert read_sequences(made.folder) == {"7": ["1", "22"], "8": ["22", "1"]}
    liked = run(tmp_path / "combined.txt", tmp_path / "ws", name="liked", min_rating=3)
    assert read_sequences(liked.folder) == {"7": ["1"], "8": ["22", "1"]}
    (tmp_path / "probe.txt").write_text("1:\n7\n8\n22:\n8\n")
    assert read_sequences(run(tmp_path / "probe.txt", tmp_path / "ws").folder) == {"7": ["1"], "8": ["1", "22"]}
    lines[5] = "7,1,soon"
    (tmp_path / "combined.txt").write_text("\n".join(lines))
    assert "line 6, column 'timestamp'" in refusal(tmp_path / "combined.txt").message
    lines[0], lines[5:5] = "1:", [f"{n},1,2005-09-07" for n in range(300)] + ["9,1"]
    (tmp_path / "combined.txt").write_text("\n".join(lines))
    assert (
        "line 306: expected user_id, rating, timestamp under an item, got '9,1'"
        in refusal(tmp_path / "combined.txt").message
    )


def test_lines_that_begin_with_their_length_name_no_user(tmp_path: Path) -> None:
    (tmp_path / "counts.txt").write_text("3 10 20 30\n2 20 30\n3 5 6 7\n4 5 6 7 8\n1 9\n")
    error = refusal(tmp_path / "counts.txt")
    assert "begins with the number of items after it, '3 10 20 30', and names no user" in error.message
    assert "awk '{$1 = NR; print}'" in error.hint
    # What the hint makes of it is read.
    (tmp_path / "sequences.txt").write_text("1 10 20 30\n2 20 30\n3 5 6 7\n4 5 6 7 8\n5 9\n")
    made = read_sequences(run(tmp_path / "sequences.txt", tmp_path / "ws").folder)
    assert made == {
        "1": ["10", "20", "30"],
        "2": ["20", "30"],
        "3": ["5", "6", "7"],
        "4": ["5", "6", "7", "8"],
        "5": ["9"],
    }
    # A table in which one user comes first is no such file.
    (tmp_path / "table.txt").write_text(f"3 10 5 {START}\n3 11 5 {START + 1}\n4 11 5 {START}\n")
    assert read_sequences(run(tmp_path / "table.txt", tmp_path / "ws").folder) == {"3": ["10", "11"], "4": ["11"]}


@pytest.mark.parametrize("end", ["\r", "\r\n", "\n"])
def test_ends_of_lines(tmp_path: Path, end: str) -> None:
    frame = pl.DataFrame(ROWS, schema=["user_id", "item_id", "timestamp"], orient="row")
    (tmp_path / "t.csv").write_bytes(frame.write_csv().replace("\n", end).encode())
    assert read_sequences(run(tmp_path / "t.csv", tmp_path / "ws").folder) == EXPECTED
