"""What a file is recognised by: whole lines, however long the file is."""

from __future__ import annotations

from pathlib import Path

import pytest

from adrec_cli.data.reading.decoding import Decoded
from adrec_cli.data.reading.recognition import SAMPLE_BYTES, _first_lines


@pytest.mark.parametrize("more", [-3, -1, 0, 1, 2, 50, SAMPLE_BYTES])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_sample_is_of_whole_lines(tmp_path: Path, more: int, end: str) -> None:
    line = "user,item,1700000000" + end
    text = (line * (2 * SAMPLE_BYTES // len(line) + 1))[: SAMPLE_BYTES + more]
    text = text[: len(text) - len(text) % len(line)] + "x" * (len(text) % len(line))
    path = tmp_path / "t.csv"
    path.write_text(text, newline="")
    decoded = Decoded(path=path, plain=path, container="text", compression="", encoding="utf-8")
    lines, whole = _first_lines(decoded), [one.removesuffix("\r") for one in text.split("\n")]
    assert lines == whole[: len(lines)]
    # A small file is looked at whole; of a large one no line is that its sample ends in the midst of.
    assert more > 0 or lines == whole
