"""Atomic writes, locks and manifests."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from adrec_cli.artifacts import atomic
from adrec_cli.artifacts.atomic import _name_host, _name_temporary, file_identity, replacing, write_bytes
from adrec_cli.artifacts.dataset import verify_dataset
from adrec_cli.artifacts.lock import exclusive
from adrec_cli.artifacts.manifest import read_manifest
from adrec_cli.errors import ArtifactError, LockedError, StorageError


def test_a_failed_write_leaves_the_old_file_and_no_temporary(tmp_path):
    path = tmp_path / "file"
    write_bytes(path, b"old")

    def stop_halfway() -> None:
        with replacing(path) as temporary:
            temporary.write_bytes(b"half")
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        stop_halfway()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("call", ["fsync", "replace"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EACCES])
def test_a_refusing_file_system_is_one_line_and_nothing_is_lost(tmp_path, monkeypatch, call, number):
    path = tmp_path / "file"
    write_bytes(path, b"old")

    def refuse(*args):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, call, refuse)
    with pytest.raises(StorageError, match="could not write"):
        write_bytes(path, b"new")
    monkeypatch.undo()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_temporaries_of_dead_writers_are_removed(tmp_path):
    path = tmp_path / "file"
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    (tmp_path / _name_temporary("file", child.pid)).write_bytes(b"left")
    write_bytes(path, b"new")
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("number", ["", "x", "1x", "\N{SUPERSCRIPT TWO}", "9" * 30, "-7"])
def test_what_has_no_number_of_a_process_is_no_temporary_of_ours(tmp_path, number):
    foreign = tmp_path / f".a.json.{_name_host()}-0.{number}.tmp"
    foreign.write_text("mine")
    with replacing(tmp_path / "a.json") as temporary:
        temporary.write_text("new")
    assert foreign.read_text() == "mine"
    assert (tmp_path / "a.json").read_text() == "new"


def test_a_folder_where_a_file_should_be(tmp_path):
    (tmp_path / "file").mkdir()
    with pytest.raises(StorageError):
        write_bytes(tmp_path / "file", b"new")


def test_the_second_holder_is_told_who_is_first(tmp_path):
    code = (
        "import sys; from pathlib import Path; from adrec_cli.artifacts.lock import exclusive\n"
        "with exclusive(Path(sys.argv[1]), 'run night'): print('held', flush=True); sys.stdin.read()"
    )
    first = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert first.stdout.readline() == "held\n"
    with pytest.raises(LockedError, match=rf"adrec run night.*process {first.pid}"), exclusive(tmp_path, "run"):
        pass
    first.kill()
    first.wait()
    first.stdout.close()
    first.stdin.close()
    with exclusive(tmp_path, "run"):
        pass


@pytest.mark.thorough
def test_any_changed_byte_of_a_manifest_is_noticed(workspace):
    folder = workspace / "tiny"
    path = folder / "manifest.json"
    whole = path.read_bytes()
    expected = read_manifest(folder)
    for position in range(len(whole)):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 0x01]) + whole[position + 1 :])
        try:
            found = read_manifest(folder)
        except ArtifactError as error:
            assert "manifest.json" in str(error)
        else:
            assert found == expected


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"format_version": 99}', "[" * 100_000, "\x00", '{"format_version":1}']
)
def test_what_is_no_manifest_is_refused(workspace, text):
    (workspace / "tiny" / "manifest.json").write_text(text)
    with pytest.raises(ArtifactError, match=r"manifest\.json"):
        read_manifest(workspace / "tiny")


@pytest.mark.parametrize("name", ["sequences.parquet", "items.parquet"])
def test_an_exchanged_file_is_noticed(workspace, name):
    folder = workspace / "tiny"
    manifest = read_manifest(folder)
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(ArtifactError, match=name):
        verify_dataset(folder, manifest)


def test_a_manifest_that_lies_about_its_checksum_is_noticed(workspace):
    path = workspace / "tiny" / "manifest.json"
    content = json.loads(path.read_text())
    content["statistics"]["users"] = 10**9
    path.write_text(json.dumps(content))
    with pytest.raises(ArtifactError, match="checksum"):
        read_manifest(path.parent)


def test_modes_are_kept_and_new_files_follow_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        write_bytes(tmp_path / "new", b"x")
        for mode in (0o600, 0o664, 0o400):
            path = tmp_path / f"{mode:o}"
            path.write_bytes(b"old")
            path.chmod(mode)
            with replacing(path) as temporary:
                assert temporary.stat().st_mode & 0o077 & ~mode == 0, "others may read what is not whole"
                temporary.write_bytes(b"new")
            assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"new", mode)
    finally:
        os.umask(before)
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o640


def test_a_temporary_that_somebody_laid_there_is_not_written_through(tmp_path, monkeypatch):
    (tmp_path / "victim").write_bytes(b"precious")
    laid = tmp_path / _name_temporary("file")
    monkeypatch.setattr(atomic, "_name_temporary", lambda name: laid.name)
    laid.symlink_to(tmp_path / "victim")
    with pytest.raises(StorageError, match="could not write"):
        write_bytes(tmp_path / "file", b"new")
    monkeypatch.undo()
    write_bytes(tmp_path / "file", b"new")
    assert (tmp_path / "victim").read_bytes() == b"precious"
    assert (tmp_path / "file").read_bytes() == b"new"
    assert not (tmp_path / "file").is_symlink()


@pytest.mark.parametrize("make", [lambda path, victim: path.symlink_to(victim), lambda path, victim: os.mkfifo(path)])
def test_the_holder_of_a_lock_is_told_through_no_link_and_no_pipe(tmp_path, make):
    victim, folder = tmp_path / "victim", tmp_path / "folder"
    victim.write_bytes(b"precious")
    folder.mkdir()
    make(folder / ".lock.holder.json", victim)
    with exclusive(folder, "test"):
        pass
    assert victim.read_bytes() == b"precious"


def test_only_temporaries_of_ours_are_swept_with_a_lock(tmp_path):
    for name in (".keep.tmp", "file.123.tmp", ".file.x.tmp", ".file.123.tmp"):
        (tmp_path / name).write_bytes(b"x")
    with exclusive(tmp_path, "test"):
        pass
    assert {path.name for path in tmp_path.iterdir()} == {".keep.tmp", "file.123.tmp", ".file.x.tmp", ".lock"}


def test_a_file_that_is_replaced_is_another_whatever_its_content_and_behind_a_link_too(tmp_path: Path) -> None:
    path, link = tmp_path / "a", tmp_path / "link"
    link.symlink_to(path)
    assert file_identity(path) is file_identity(link) is None
    path.write_text("content")
    before = file_identity(path)
    assert before is not None
    assert before == file_identity(path) == file_identity(link)
    write_bytes(path, b"content")
    assert file_identity(path) == file_identity(link) != before
