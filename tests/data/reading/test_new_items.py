"""A file of new items that is written while it is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from adrec_cli.artifacts.atomic import file_sha256
from adrec_cli.data.reading import new_items
from adrec_cli.data.reading.new_items import read_new_items
from adrec_cli.errors import GrowingFileError


def test_its_rows_and_its_hash_are_of_one_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, known = tmp_path / "products.csv", pl.Series(["i1"])
    path.write_text("item_id,category\nnew1,a\nnew2,b\nnew1,c\n")
    table, sha256 = read_new_items(path, known, None, keep_blanks=False)
    assert table["item_id"].to_list() == ["new1", "new2"]
    assert sha256 == file_sha256(path)
    decode = new_items.decode_file

    def decode_and_write(source: Path, *more: Any) -> Any:
        decoded = decode(source, *more)
        with path.open("a") as file:
            file.write("new3,c\n")
        return decoded

    monkeypatch.setattr(new_items, "decode_file", decode_and_write)
    with pytest.raises(GrowingFileError, match="changed while it was read"):
        read_new_items(path, known, None, keep_blanks=False)
