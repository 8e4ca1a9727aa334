"""The forms of the public data sets that are used most, each read by the flags that stand beside it."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest

from tests.data.forms.public_sets import SETS, PublicSet
from tests.data.table_files import read_sequences, run


def options(flags: str, folder: Path) -> dict[str, Any]:
    """Return the options that flags stand for."""
    words = shlex.split(flags)
    given: dict[str, Any] = {
        flag.removeprefix("--").replace("-", "_"): value for flag, value in zip(words[::2], words[1::2], strict=True)
    }
    if "where" in given:
        given["where"] = [given["where"]]
    if "join" in given:
        given["join"] = folder / given["join"]
    if "min_rating" in given:
        given["min_rating"] = float(given["min_rating"])
    return given


@pytest.mark.parametrize("one", SETS, ids=[one.name for one in SETS])
def test_a_public_set_is_read_as_it_is_published(tmp_path: Path, one: PublicSet) -> None:
    for name, content in one.files.items():
        (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
    source = tmp_path / next(iter(one.files))
    made = run(source, tmp_path / "ws", name="set", **options(one.flags, tmp_path))
    assert read_sequences(made.folder) == one.users
    assert made.manifest.statistics["first_time"] == one.first_time
    assert any(one.said in line for line in (*made.notes, *made.warnings))
