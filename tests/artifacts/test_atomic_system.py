"""What writing asks of the system, in which order, and what it leaves open: power cuts, two writers, many files."""

from __future__ import annotations

import errno
import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from adrec_cli.artifacts.atomic import _name_host, _name_temporary, replacing, storage_error, write_bytes
from adrec_cli.errors import StorageError


def kind_of(descriptor: int) -> str:
    return "folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file"


@pytest.mark.parametrize("there", [False, True])
def test_the_file_is_synced_whole_then_renamed_then_its_folder_is_synced(tmp_path, monkeypatch, there):
    """Otherwise a power cut leaves an empty file, or the old one although the command said done."""
    path = tmp_path / "made" / "file"
    if there:
        path.parent.mkdir()
        path.write_bytes(b"old")
    steps, fsync, replace = [], os.fsync, os.replace

    def synced(descriptor: int) -> None:
        kind = kind_of(descriptor)
        steps.append((f"sync {kind}", os.pread(descriptor, 9, 0) if kind == "file" else os.fstat(descriptor).st_ino))
        fsync(descriptor)

    def replaced(source: Path, target: Path) -> None:
        steps.append(("replace", Path(target)))
        replace(source, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", replaced)
    write_bytes(path, b"new")
    assert steps == [("sync file", b"new"), ("replace", path), ("sync folder", path.parent.stat().st_ino)]


def test_a_living_writer_keeps_its_temporary(tmp_path):
    """Of another process, of somebody else's that may not be signalled, and of one that writes another file."""
    living = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        kept = [tmp_path / _name_temporary("file", pid) for pid in (living.pid, os.getppid(), 1)]
        dead = subprocess.Popen([sys.executable, "-c", ""])
        dead.wait()
        of_dead = _name_temporary("file", dead.pid)
        kept += [tmp_path / name for name in (of_dead.replace("file", "other"), ".file.x.tmp", of_dead.lstrip("."))]
        for temporary in kept:
            temporary.write_bytes(b"half")
        write_bytes(tmp_path / "file", b"new")
        assert {path.name for path in tmp_path.iterdir()} == {"file", *(path.name for path in kept)}
    finally:
        living.communicate(b"\n")


@pytest.mark.parametrize(("said", "alive"), [(errno.ESRCH, False), (errno.EPERM, True)])
def test_a_writer_that_may_not_be_signalled_lives(tmp_path, monkeypatch, said, alive):
    left = tmp_path / _name_temporary("file", 4_000_000)
    left.write_bytes(b"half")

    def refuse(process_id: int, signal_number: int) -> None:
        assert (process_id, signal_number) == (4_000_000, 0)
        raise OSError(said, os.strerror(said))

    monkeypatch.setattr(os, "kill", refuse)
    write_bytes(tmp_path / "file", b"new")
    assert left.exists() is alive


@pytest.mark.parametrize("what", ["gethostname", "readlink"])
def test_a_writer_on_another_machine_or_in_another_container_keeps_its_temporary(tmp_path, monkeypatch, what):
    """Its process id says nothing here: it may even be the one that this process has."""
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    here = _name_host()
    with monkeypatch.context() as patch:
        patch.setattr(*{"gethostname": (socket, what, lambda: "x"), "readlink": (os, what, lambda _: "pid:[1]")}[what])
        _name_host.cache_clear()
        there = {_name_temporary("file", pid) for pid in (dead.pid, os.getpid())}
    _name_host.cache_clear()
    assert _name_host() == here
    for name in there:
        (tmp_path / name).write_bytes(b"half")
    with replacing(tmp_path / "file") as temporary:
        assert {path.name for path in tmp_path.iterdir()} == {*there, temporary.name}
        temporary.write_bytes(b"new")
    assert {path.name for path in tmp_path.iterdir()} == {*there, "file"}


def test_two_writers_of_one_process_write_two_temporaries(tmp_path):
    """Whoever is last wins, and neither puts the other's half into place."""
    with replacing(tmp_path / "file") as first, replacing(tmp_path / "file") as second:
        assert first.exists()
        first.write_bytes(b"first")
        second.write_bytes(b"second")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"first"]


def open_descriptors() -> int:
    return len(os.listdir("/dev/fd"))


@pytest.mark.parametrize("call", [None, "fsync", "replace", "fchmod", "fstat"])
def test_no_descriptor_stays_open_however_a_write_ends(tmp_path, monkeypatch, call):
    def write() -> None:
        write_bytes(tmp_path / "file", b"x")

    def refuse(*args: object) -> None:
        raise OSError(errno.EIO, "no")

    write()
    before = open_descriptors()
    if call is None:
        for _ in range(3):
            write()
    else:
        (tmp_path / "file").unlink()
        with monkeypatch.context() as patch:
            patch.setattr(os, call, refuse)
            for _ in range(3):
                with pytest.raises(StorageError):
                    write()
        assert list(tmp_path.iterdir()) == []
    assert open_descriptors() == before


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.EPERM, "permission denied"), (errno.EACCES, "permission denied"), (errno.ENOSPC, "no space left"),
        (errno.EDQUOT, "quota"), (errno.EROFS, "read-only"), (errno.EISDIR, "a folder stands"),
        (errno.ENOTDIR, "a file stands"), (errno.EEXIST, "a file stands"), (errno.ENOENT, "no such file"),
        (errno.EIO, "input/output"), (errno.EFBIG, "larger than"), (errno.ENAMETOOLONG, "too long"),
        (errno.ELOOP, os.strerror(errno.ELOOP)),
    ],
)  # fmt: skip
def test_every_reason_is_told_in_words(number, said):
    message = storage_error("write", Path("some/file"), OSError(number, os.strerror(number))).message
    assert message.startswith("could not write some/file: ")
    assert said in message


def test_a_writer_that_is_killed_leaves_the_old_file(tmp_path):
    """Its temporary is swept by the next one."""
    path = tmp_path / "file"
    path.write_bytes(b"old")
    code = (
        "import os, sys; from pathlib import Path; from adrec_cli.artifacts.atomic import replacing\n"
        "with replacing(Path(sys.argv[1])) as temporary: temporary.write_bytes(b'half'); os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(path)], check=False).returncode == -9
    assert path.read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 2
    with replacing(path) as temporary:
        assert sorted(tmp_path.iterdir()) == [temporary, path]
        temporary.write_bytes(b"new")
    assert list(tmp_path.iterdir()) == [path]


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


@pytest.mark.parametrize(
    "make", [os.mkfifo, make_socket, lambda path: path.symlink_to(os.devnull)], ids=["pipe", "socket", "device"]
)
def test_what_is_no_file_is_not_replaced_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make) -> None:
    # The path of a socket is short.
    monkeypatch.chdir(tmp_path)
    make(Path("out"))
    before = os.lstat("out")
    with pytest.raises(StorageError, match="it is a device or a pipe, not a file"):
        write_bytes(Path("out"), b"x")
    assert (os.lstat("out").st_ino, os.listdir()) == (before.st_ino, ["out"])
