"""The hash of a file that a server watches."""

from __future__ import annotations

from pathlib import Path

from adrec_cli.artifacts.atomic import file_sha256
from adrec_cli.serving.watched_file import WatchedFile


def test_it_is_that_of_the_file_as_it_is_and_none_while_it_is_away(tmp_path: Path) -> None:
    path = tmp_path / "products.csv"
    watched = WatchedFile(path)
    assert watched.sha256() == ""
    for text in ("one", "two", "three"):
        path.write_text(text)
        assert watched.sha256() == file_sha256(path)
        path.unlink()
        assert watched.sha256() == ""
