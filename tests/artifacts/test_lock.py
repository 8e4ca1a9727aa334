"""A lock whose folder vanishes under it is taken again, and not for ever."""

from __future__ import annotations

import errno

import pytest
from filelock import FileLock

from adrec_cli.artifacts import lock
from adrec_cli.artifacts.lock import exclusive
from adrec_cli.errors import StorageError


def failing(monkeypatch, times: int, number: int) -> list[int]:
    """Let the first `times` tries to take a lock fail; return a list of all tries."""
    tries, acquire = [], FileLock.acquire

    def acquired(self, *args, **kwargs):
        tries.append(number)
        if len(tries) <= times:
            raise OSError(number, "no")
        return acquire(self, *args, **kwargs)

    monkeypatch.setattr(FileLock, "acquire", acquired)
    return tries


@pytest.mark.parametrize("times", [0, 1, 7])
def test_a_folder_that_vanished_is_made_again(tmp_path, monkeypatch, times):
    tries = failing(monkeypatch, times, errno.ENOENT)
    with exclusive(tmp_path / "shop", "test"):
        assert (tmp_path / "shop/.lock").exists()
    assert len(tries) == times + 1


def test_one_that_vanishes_for_ever_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "_MOST_VANISHED", 5)
    tries = failing(monkeypatch, 10**6, errno.ENOENT)
    with pytest.raises(StorageError, match="could not lock"), exclusive(tmp_path / "shop", "test"):
        pass
    assert len(tries) == 5


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.ENOSPC])
def test_any_other_refusal_is_told_at_once(tmp_path, monkeypatch, number):
    tries = failing(monkeypatch, 10**6, number)
    with pytest.raises(StorageError, match="could not lock"), exclusive(tmp_path / "shop", "test"):
        pass
    assert len(tries) == 1
