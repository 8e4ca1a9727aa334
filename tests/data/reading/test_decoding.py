"""Plain UTF-8 comes out of what is written in other ways, however the file falls into chunks."""

from __future__ import annotations

import codecs
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adrec_cli.data.reading import decoding
from adrec_cli.data.reading.decoding import decode
from tests.data.table_files import read_sequences, run
from tests.examples import tries

PARTS = st.lists(st.text("aé\n\ufeff,", min_size=1, max_size=8), min_size=1, max_size=4)


@settings(max_examples=tries(60))
@given(parts=PARTS, chunk=st.integers(1, 7), first=st.booleans())
def test_no_mark_is_left_where_a_file_began(parts: list[str], chunk: int, first: bool) -> None:
    """Files with marks behind one another are what they are without them; a mark inside a line is of its text."""
    parts = [part.strip("\ufeff").replace("\n\ufeff", "\n") + "\n" for part in parts]
    marked = "".join(("\ufeff" if number or first else "") + part for number, part in enumerate(parts))
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        patch.setattr(decoding, "CHUNK_BYTES", chunk)
        source, scratch = Path(name) / "t.csv", Path(name) / "scratch"
        scratch.mkdir()
        source.write_bytes(marked.encode())
        plain = decode(source, encoding=None, scratch=scratch).plain.read_text(encoding="utf-8")
    assert plain == "".join(parts).replace("\n\ufeff", "\n")


@pytest.mark.parametrize("header", ["", "user_id,item_id,timestamp\n"])
@pytest.mark.parametrize("first", [b"", codecs.BOM_UTF8])
def test_files_of_windows_behind_one_another_are_of_the_same_users(tmp_path: Path, header: str, first: bytes) -> None:
    parts = [f"{header}1,10,1700000000\n2,11,1700000001\n", f"{header}1,12,1700000002\n"]
    (tmp_path / "t.csv").write_bytes(first + parts[0].encode() + codecs.BOM_UTF8 + parts[1].encode())
    assert read_sequences(run(tmp_path / "t.csv", tmp_path / "ws").folder) == {"1": ["10", "12"], "2": ["11"]}


@given(text=st.text("aé €“—ÿ\n", min_size=1, max_size=20))
def test_windows_letters_are_read_as_such(text: str) -> None:
    written = "é" + text
    encoding = "cp1252" if set(text) & set("€“—") else "latin-1"
    with tempfile.TemporaryDirectory() as name:
        source, scratch = Path(name) / "t.csv", Path(name) / "scratch"
        scratch.mkdir()
        source.write_bytes(written.encode("cp1252"))
        if (found := decode(source, encoding=None, scratch=scratch)).encoding not in ("utf-8", "utf-8-sig"):
            assert found.encoding == encoding
            assert found.plain.read_text(encoding="utf-8") == written


def test_bytes_that_windows_has_not_are_latin_1(tmp_path: Path) -> None:
    (tmp_path / "scratch").mkdir()
    (tmp_path / "t.csv").write_bytes(b"\x93\xe9\x81\n")
    assert decode(tmp_path / "t.csv", encoding=None, scratch=tmp_path / "scratch").encoding == "latin-1"
