"""A lock whose folder vanishes under it is taken again, and not for ever; only who holds it is said to hold it."""

from __future__ import annotations

import errno
import fcntl
import json
import math
import os
import socket
import tempfile
import threading
import time
from pathlib import Path

import pytest
from filelock import FileLock, Timeout
from hypothesis import given
from hypothesis import strategies as st

from adrec_cli.artifacts import lock
from adrec_cli.artifacts.lock import Waiting, exclusive, find_holder
from adrec_cli.errors import LockedError, StorageError
from tests.robustness.held_locks import HeldLocks


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


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_where_the_file_system_has_no_locks_nobody_is_said_to_hold_one(tmp_path, monkeypatch, number):
    """Neither is a file taken for one, which outlives its holder, nor what earlier locks left for another run."""
    with exclusive(tmp_path / "shop", "before"):
        pass

    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    for place in ("shop", "new"):
        with pytest.raises(StorageError, match=rf"could not lock .*{place}: the file system"):
            exclusive(tmp_path / place, "run").__enter__()


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.ENOSPC])
def test_any_other_refusal_is_told_at_once(tmp_path, monkeypatch, number):
    tries = failing(monkeypatch, 10**6, number)
    with pytest.raises(StorageError, match="could not lock"), exclusive(tmp_path / "shop", "test"):
        pass
    assert len(tries) == 1


HERE = socket.gethostname()
RECORDS = {
    "another host": {"pid": 1, "host": "elsewhere", "since": "then", "purpose": "run shop"},
    "the number of another process": {
        "pid": os.getppid(),
        "host": HERE,
        "since": "then",
        "purpose": "run shop",
    },
    "this very process": {"pid": os.getpid(), "host": HERE, "since": "then", "purpose": "run shop"},
    "nobody": {"pid": 2**22 + 1, "host": HERE, "since": "then", "purpose": "run shop"},
    "a number that is none": {"pid": "x", "host": HERE, "since": "then", "purpose": "run shop"},
    "no record": [[]],
}


@pytest.mark.parametrize("record", RECORDS.values(), ids=RECORDS)
def test_the_record_of_a_holder_is_no_lock(tmp_path, record):
    (tmp_path / ".lock.holder.json").write_text(json.dumps(record))
    assert find_holder(tmp_path) == ""
    (tmp_path / ".lock").touch()
    assert find_holder(tmp_path) == ""
    with exclusive(tmp_path, "train shop"):
        assert find_holder(tmp_path).startswith(f"`adrec train shop` (process {os.getpid()} on {HERE}")


@pytest.mark.parametrize("record", [RECORDS["nobody"], RECORDS["a number that is none"], RECORDS["no record"]])
def test_who_holds_a_lock_is_not_told_by_the_record_of_another(tmp_path, record):
    with exclusive(tmp_path, "train shop"):
        (tmp_path / ".lock.holder.json").write_text(json.dumps(record))
        assert find_holder(tmp_path) == "another run"


def test_a_record_that_cannot_be_written_leaves_none_of_an_earlier_holder(tmp_path, monkeypatch):
    (tmp_path / ".lock.holder.json").write_text(json.dumps(RECORDS["another host"]))
    (tmp_path / ".lock.holder.json").chmod(0o444)
    opened = os.open

    def full(path, flags, *mode):
        if flags & os.O_CREAT and str(path).endswith(".holder.json"):
            raise OSError(errno.ENOSPC, "full")
        return opened(path, flags, *mode)

    monkeypatch.setattr(lock.os, "open", full)
    with exclusive(tmp_path, "train shop"):
        monkeypatch.undo()
        assert find_holder(tmp_path) == "another run"


def test_a_lock_behind_a_link_or_a_pipe_is_held_by_nobody(tmp_path):
    with exclusive(tmp_path / "other", "train shop"):
        (tmp_path / ".lock").symlink_to(tmp_path / "other/.lock")
        assert find_holder(tmp_path) == ""
        (tmp_path / ".lock").unlink()
        os.mkfifo(tmp_path / ".lock")
        assert find_holder(tmp_path) == ""


def test_whoever_looks_keeps_nobody_from_the_lock(tmp_path):
    """Threads that look all the time: every try succeeds at once, and lookers do not take each other for holders."""
    with exclusive(tmp_path, "test"):
        (tmp_path / "kept").touch()
    ended, seen = threading.Event(), []

    def look():
        while not ended.is_set():
            seen.append(find_holder(tmp_path))
            time.sleep(0.001)

    lookers = [threading.Thread(target=look) for _ in range(3)]
    for looker in lookers:
        looker.start()
    taken = 0
    try:
        while taken < 50 or len(seen) < 50:
            with exclusive(tmp_path, "test"):
                taken += 1
    finally:
        ended.set()
        for looker in lookers:
            looker.join()
    assert all(who == "" or who == "another run" or who.startswith("`adrec test`") for who in seen)


def test_a_lock_that_is_looked_at_is_tried_again(tmp_path):
    """As long as a look can take; whoever holds it that way for good is not waited for."""
    (tmp_path / ".lock").touch()
    with open(tmp_path / ".lock") as looked_at:
        fcntl.flock(looked_at, fcntl.LOCK_SH)
        threading.Timer(0.03, fcntl.flock, (looked_at, fcntl.LOCK_UN)).start()
        with exclusive(tmp_path, "test"):
            pass
        fcntl.flock(looked_at, fcntl.LOCK_SH)
        with pytest.raises(LockedError, match="another run"), exclusive(tmp_path, "test"):
            pass


HOLDERS = ["b", "b", "a", "a", "c", "a"]
"""Who holds a lock each time it is looked at, in an order that is none of the alphabet."""


@pytest.mark.parametrize("place", ["gate", "lock"])
@pytest.mark.parametrize("seconds", [5.0, 3.0])
def test_each_holder_that_is_waited_for_is_told_once(tmp_path, monkeypatch, place, seconds):
    """Each look takes a second; whoever waits no longer than that ends with who holds it then."""
    now, holders, events = [100.0], iter(HOLDERS), []
    monkeypatch.setattr(lock.time, "monotonic", lambda: now[0])

    def sleep(slept):
        assert 0 < slept <= max(lock._LOOK_AGAIN_SECONDS, 1)
        now[0] += 1

    monkeypatch.setattr(lock.time, "sleep", sleep)
    waiting = Waiting(seconds=seconds, on_event=events.append)
    if place == "gate":
        monkeypatch.setattr(lock, "find_holder", lambda folder: next(holders, ""))

        def take():
            lock._await_gate(tmp_path, waiting)
    else:

        def refuse(held):
            if not (who := next(holders, "")):
                (tmp_path / lock.LOCK_FILE).touch()
                return
            told.append(who)
            raise Timeout("held")

        told = []
        monkeypatch.setattr(lock, "_try", refuse)
        monkeypatch.setattr(lock, "_describe", lambda record: told[-1])

        def take():
            lock._acquire(FileLock(tmp_path / lock.LOCK_FILE), tmp_path, waiting)

    if (place == "gate" and seconds == 5) or (place == "lock" and seconds > 5):
        take()
    else:
        with pytest.raises(LockedError, match=f"is in use by {'a' if seconds == 5 or place == 'lock' else 'c'}"):
            take()
    waited = HOLDERS if place == "gate" and seconds == 5 else HOLDERS[: int(seconds) + (place == "gate")]
    expected = [who for number, who in enumerate(waited) if number == 0 or waited[number - 1] != who]
    assert [event.holder for event in events] == expected
    assert {event.folder for event in events} == {tmp_path}


LOOK = lock._LOOK_AGAIN_SECONDS


@given(
    st.lists(st.tuples(st.sampled_from(["lock", "gate"]), st.integers(0, 4)), min_size=1, max_size=6),
    st.one_of(st.integers(0, 12), st.just(math.inf)),
)
def test_all_that_a_command_waits_for_takes_no_longer_than_it_may(held, seconds):
    """Each lock is held by others for some seconds, and between two of them the command works."""
    locks, waiting = HeldLocks(), Waiting(seconds=seconds)
    spent = 0.0
    with locks.patched(), tempfile.TemporaryDirectory() as folder:
        for number, (kind, long) in enumerate(held):
            locks.now += 1000
            locks.seconds, began = long, locks.now
            place = Path(folder, str(number))
            try:
                if kind == "gate":
                    lock._await_gate(place, waiting)
                else:
                    with exclusive(place, "test", waiting):
                        locks.now += 1000
                        began += 1000
            except LockedError:
                assert spent + long >= seconds
                return
            spent += locks.now - began
            assert spent == pytest.approx(sum(one for _, one in held[: number + 1]), abs=LOOK * (number + 1))
            assert spent <= seconds + LOOK
