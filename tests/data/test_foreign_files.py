"""Archives and files in blocks are read; what is not a table is refused by its name, with what to do."""

from __future__ import annotations

import ast
import bz2
import contextlib
import gzip
import io
import json
import lzma
import shlex
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from adrec_cli.data.reading import decoding, read_limits
from adrec_cli.data.reading.melting import write_rows
from adrec_cli.errors import AdrecError, InputError, UsageError
from tests.data.table_files import START, history, read_sequences, refusal, run, write_csv
from tests.tiers import sampled

ROOT = Path(__file__).parents[2]
ROWS = history("anna", ["a", "b", "c"]) + history("ben", ["b", "é"])
EXPECTED = {"anna": ["a", "b", "c"], "ben": ["b", "é"]}


def archive(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return path


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


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, lzma.compress])
@pytest.mark.parametrize("content", [b"user_id,item_id\n" + bytes(99), b"\n\n", b"user_id,item_id\n", b"[1, 2]\n"])
def test_a_file_is_named_as_the_user_did(tmp_path: Path, pack: Callable[[bytes], bytes], content: bytes) -> None:
    source = tmp_path / "events.csv"
    source.write_bytes(pack(content))
    error = refusal(source)
    assert error.message.startswith(f"{source}")
    assert "adrec-" not in error.message + error.hint


def test_bars_alone_draw_no_table(tmp_path: Path) -> None:
    source = tmp_path / "log.txt"
    source.write_text(f"user_id|item_id|timestamp\nu|---|{START}\nu|-|{START + 1}\n")
    assert read_sequences(run(source, tmp_path / "ws").folder) == {"u": ["---", "-"]}


USERS, ITEMS = ["anna", "ben", "cy"], ["a", "b", "it's"]
MET = [[1, 1, 0], [0, 1, 1], [0, 0, 0]]
MATRIX = pl.DataFrame({"user": USERS} | {item: [row[at] for row in MET] for at, item in enumerate(ITEMS)})
TEXT = MATRIX.write_csv()
OBJECTS = [{"user": user} | dict(zip(ITEMS, row, strict=True)) for user, row in zip(USERS, MET, strict=True)]
SPARSE = [{name: met for name, met in one.items() if met} for one in OBJECTS]


def in_zip(content: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr("wide it's.csv", content)
    return packed.getvalue()


def in_table(frame: pl.DataFrame, form: str) -> bytes:
    packed = io.BytesIO()
    getattr(frame, f"write_{form}")(packed)
    return packed.getvalue()


WIDE = {
    "wide.csv": TEXT.encode(),
    "it's wide.csv": TEXT.encode(),
    "bom.csv": TEXT.encode("utf-8-sig"),
    "carriage.csv": TEXT.replace("\n", "\r").encode(),
    "windows.csv": TEXT.replace("\n", "\r\n").encode(),
    "wide.tsv": TEXT.replace(",", "\t").encode(),
    "semicolons.csv": TEXT.replace(",", ";").encode(),
    "colons.dat": TEXT.replace(",", "::").encode(),
    "named.csv": b"sep=,\n# of a shop\n\n" + TEXT.encode(),
    "blanks.csv": TEXT.replace(",", " , ").encode(),
    "floats.csv": in_table(MATRIX.cast(dict.fromkeys(ITEMS, pl.Float64)), "csv"),
    "wide.csv.gz": gzip.compress(TEXT.encode()),
    "wide.csv.bz2": bz2.compress(TEXT.encode()),
    "wide.csv.xz": lzma.compress(TEXT.encode()),
    "wide.csv.zst": pa.compress(TEXT.encode(), "zstd", asbytes=True),
    "wide.zip": in_zip(TEXT.encode()),
    "utf16.csv": TEXT.encode("utf-16"),
    "utf16.csv.bz2": bz2.compress(TEXT.encode("utf-16")),
    "wide.parquet": in_table(MATRIX, "parquet"),
    "wide.arrow": in_table(MATRIX, "ipc"),
    "bool.parquet": in_table(MATRIX.with_columns(pl.col(ITEMS).cast(pl.Boolean)), "parquet"),
    "bool.csv": in_table(MATRIX.with_columns(pl.col(ITEMS).cast(pl.Boolean)), "csv").title(),
    "wide.jsonl": "\n".join(map(json.dumps, OBJECTS)).encode(),
    "sparse.jsonl": "\n".join(map(json.dumps, SPARSE)).encode(),
    "sparse.jsonl.xz": lzma.compress("\n".join(map(json.dumps, SPARSE)).encode()),
    "wide.json": json.dumps(OBJECTS, indent=1).encode(),
    "turned.jsonl": "\n".join(json.dumps(dict(reversed(one.items()))) for one in OBJECTS).encode(),
    "literal.json": "\n".join(map(str, OBJECTS)).encode(),
}
"""The same matrix in every form that is read."""


@sampled("name", list(WIDE), quick=list(WIDE)[::3])
def test_a_matrix_of_zeros_and_ones_is_named_and_its_hint_works(tmp_path: Path, name: str) -> None:
    source = tmp_path / name
    source.write_bytes(WIDE[name])
    error = refusal(source)
    assert f"{source} is a matrix with a column per item (" in error.message
    assert "), expected a row per interaction" in error.message
    assert all(item in error.message for item in ITEMS) or name == "bool.csv"
    rows = run_hint(error, tmp_path, typed=name == "it's wide.csv")
    made = run(rows, tmp_path / "ws", timestamp_unit="order")
    found = {user.lower(): {item.lower() for item in items} for user, items in read_sequences(made.folder).items()}
    assert found == {"anna": {"a", "b"}, "ben": {"b", "it's"}}


def run_hint(error: AdrecError, folder: Path, *, typed: bool = False) -> Path:
    """Run the command of a hint, which ends it, in a folder, and return the file that it writes there."""
    _, line = error.hint.split("write a row per 1: ")
    words = shlex.split(line)
    assert words[:2] == [sys.executable, "-c"]
    if typed:
        subprocess.run(words, check=True, cwd=folder, env={"PYTHONPATH": str(ROOT)})
    else:
        (call,) = [node for node in ast.walk(ast.parse(words[2])) if isinstance(node, ast.Call)]
        values = [ast.literal_eval(value) for value in call.args]
        with contextlib.chdir(folder):
            write_rows(*values, **{one.arg or "": ast.literal_eval(one.value) for one in call.keywords})
    return folder / "rows.csv"


def test_a_matrix_is_written_as_it_was_asked_to_be_read(tmp_path: Path) -> None:
    source = tmp_path / "wide.csv"
    source.write_bytes(TEXT.replace("anna", "Ännä").replace(",", "^").encode("cp037"))
    rows = run_hint(refusal(source, encoding="cp037", separator="^"), tmp_path)
    assert rows.read_text(encoding="utf-8").splitlines()[:2] == ["user_id,item_id", "Ännä,a"]


def test_items_that_only_later_objects_name_are_written_too(tmp_path: Path) -> None:
    source = tmp_path / "wide.jsonl"
    lines = [{"user": f"u{n}", "a": 1, "b": 1, "c": 1} for n in range(2_000)] + [{"user": "last", "late": 1}]
    source.write_text("\n".join(map(json.dumps, lines)))
    rows = run_hint(refusal(source), tmp_path).read_text().splitlines()
    assert "last,late" in rows
    assert len(rows) == 1 + 3 * 2_000 + 1


def test_rows_are_written_over_no_file_and_from_no_other_table(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("precious")
    (tmp_path / "log.csv").write_text("user_id,item_id\nu,i\nv,j\n")
    with pytest.raises(UsageError, match="is there already"):
        write_rows(str(tmp_path / "log.csv"), str(tmp_path / "rows.csv"))
    with pytest.raises(InputError, match="not a matrix"):
        write_rows(str(tmp_path / "log.csv"), str(tmp_path / "new.csv"))
    assert (tmp_path / "rows.csv").read_text() == "precious"
    assert not (tmp_path / "new.csv").exists()


def test_users_called_zero_and_one_stand_first(tmp_path: Path) -> None:
    (tmp_path / "wide.csv").write_text("who,a,b,c\n0,1,1,0\n1,0,1,1\n")
    rows = run_hint(refusal(tmp_path / "wide.csv"), tmp_path).read_text().splitlines()
    assert set(rows) == {"user_id,item_id", "0,a", "0,b", "1,b", "1,c"}


@pytest.mark.parametrize(
    "text", ["who,what,a,b,c\nu,x,1,1,0\nv,y,0,1,1\n", "who,a,b,c\nu,1,1,0\n", "who,a,b\nu,1,1\nv,1,0\n"]
)
def test_what_may_be_rows_of_events_is_no_matrix(tmp_path: Path, text: str) -> None:
    (tmp_path / "log.csv").write_text(text)
    assert "matrix" not in refusal(tmp_path / "log.csv").message


@pytest.mark.parametrize(
    "lines",
    [
        [{"user_id": "u", "item_id": "i", "a": 0, "b": 1, "c": 1}, {"user_id": "v", "item_id": "j", "a": 0, "b": 1}],
        [{"user": "u", "clicked": 1, "sku": 0, "b": 1, "c": 1}, {"user": "v", "clicked": 1, "sku": 1, "b": 0, "c": 0}],
    ],
)
def test_objects_that_name_an_item_are_no_matrix(tmp_path: Path, lines: list[dict[str, object]]) -> None:
    (tmp_path / "log.jsonl").write_text("\n".join(map(json.dumps, lines)))
    made = run(tmp_path / "log.jsonl", tmp_path / "ws", timestamp_unit="order")
    assert made.manifest.statistics["interactions"] == 2, "an event per line"


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
