"""Files that are looked at again: hashed only where something may have changed, and never taken for what they were."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from adrec_cli.artifacts.atomic import file_sha256
from adrec_cli.data.reading import steady_files
from adrec_cli.data.reading.steady_files import look_at
from adrec_cli.errors import InputError

LONG_AGO = 1_600_000_000


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that were hashed."""
    done: list[Path] = []

    def hash_and_note(path: Path) -> str:
        done.append(path)
        return file_sha256(path)

    monkeypatch.setattr(steady_files, "file_sha256", hash_and_note)
    return done


def write(path: Path, text: str, seconds: float | None = LONG_AGO) -> None:
    path.write_text(text)
    if seconds is not None:
        os.utime(path, (seconds, seconds))


def test_what_shows_no_change_is_not_hashed_again(tmp_path: Path, hashed: list[Path]) -> None:
    path = tmp_path / "items.csv"
    write(path, "item_id\na\n")
    seen = look_at(path)
    assert seen.look_again() is seen
    assert len(hashed) == 1


def test_another_text_of_the_same_size_and_time_is_seen(tmp_path: Path, hashed: list[Path]) -> None:
    path = tmp_path / "items.csv"
    write(path, "item_id\na\n")
    seen = look_at(path)
    write(path, "item_id\nb\n")
    again = seen.look_again()
    assert again.sha256 == file_sha256(path) != seen.sha256
    # So is a file that takes its place, however it was dated.
    other = tmp_path / "other.csv"
    write(other, "item_id\nc\n")
    other.replace(path)
    assert again.look_again().sha256 == file_sha256(path) != again.sha256


def test_what_was_written_just_now_is_hashed_however_it_looks(tmp_path: Path, hashed: list[Path]) -> None:
    path = tmp_path / "items.csv"
    write(path, "item_id\na\n", None)
    seen = look_at(path)
    assert seen.fresh
    seen.look_again()
    assert len(hashed) == 2


def test_what_is_gone_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "items.csv"
    write(path, "item_id\na\n")
    seen = look_at(path)
    path.unlink()
    with pytest.raises(InputError):
        seen.look_again()
