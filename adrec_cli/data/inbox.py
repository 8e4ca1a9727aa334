"""A folder that files are put into: each is taken once, known by its content, when it is written to its end."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from adrec_cli.artifacts.atomic import file_sha256, replacing, storage_error, sync_folder
from adrec_cli.artifacts.changing import manifest_before
from adrec_cli.artifacts.manifest import DATASET_NAME
from adrec_cli.data.named_datasets import dataset_names
from adrec_cli.data.natural_order import order_naturally
from adrec_cli.data.options import PreprocessOptions
from adrec_cli.errors import GrowingFileError, InputError, NoRowsError, StorageError, UsageError
from adrec_cli.events import OnEvent
from adrec_cli.schema import MANIFEST_FILE
from adrec_cli.wording import command, option

SETTLING_SECONDS = 1.0
"""Time between the two looks that show whether a file still grows."""
_UNFINISHED: Final = (".part", ".partial", ".tmp", ".crdownload", ".filepart", "~")
"""Endings of names under which programs write what they rename when it is whole."""
_PACKED: Final = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PK\x03\x04", b"PAR1", b"ARROW1")
"""Files that begin so say themselves where they end."""
_LINE_ENDS: Final = (b"\n", b"\r", b"\n\0", b"\r\0")


@dataclass(frozen=True, kw_only=True)
class Inbox:
    """Where the files of a night come from.

    Attributes:
        folder: that files are put into; its subfolders and hidden files are left alone.
        archive: where files are moved that are taken; None leaves them where they are.
        retake: take files, too, that were withdrawn.
        beside: names of files in it that are read with the others, such as one that is joined to them; those that the
            data set was read with before need not be named.
    """

    folder: Path
    archive: Path | None = None
    retake: bool = False
    beside: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if self.archive is not None and self.archive.resolve() == self.folder.resolve():
            raise UsageError("the archive is the inbox itself", hint="name another folder, or leave it out")


@dataclass(frozen=True, kw_only=True)
class FileTaken:
    """A file is in the data set now."""

    path: Path


@dataclass(frozen=True, kw_only=True)
class FileLeft:
    """A file stays where it is, for another night.

    Attributes:
        path: of the file.
        reason: why.
    """

    path: Path
    reason: str


@dataclass(frozen=True, kw_only=True)
class FileRefused:
    """A file is bad; none of it was taken.

    Attributes:
        path: of the file.
        reason: what is wrong with it, and where.
        hint: what to do.
    """

    path: Path
    reason: str
    hint: str


@dataclass(frozen=True, kw_only=True)
class InboxResult:
    """What became of the files of an inbox.

    Attributes:
        taken: in order.
        known: taken by earlier nights, or under another name.
        left: still being written, withdrawn, or not to be archived.
        refused: bad ones.
        unarchived: taken, but they could not be moved.
    """

    taken: list[Path] = field(default_factory=list)
    known: list[Path] = field(default_factory=list)
    left: list[FileLeft] = field(default_factory=list)
    refused: list[FileRefused] = field(default_factory=list)
    unarchived: list[FileLeft] = field(default_factory=list)


def check_inbox(inbox: Inbox) -> None:
    """Raise before anything is taken if the inbox or its archive cannot be used.

    Raises:
        InputError: there is no such folder.
        StorageError: the archive cannot be made.
    """
    if not inbox.folder.is_dir():
        raise InputError(f"the inbox {inbox.folder} is not a folder", hint=f"make it: mkdir -p {inbox.folder}")
    if inbox.archive is not None:
        try:
            inbox.archive.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise storage_error("make", inbox.archive, error) from error


def inbox_dataset(source: str, options: PreprocessOptions, workspace: Path) -> str:
    """Return the name of the data set that the files of an inbox are added to, or that the first of them makes.

    Raises:
        UsageError: the source names none, or options say otherwise.
    """
    for key in ("update", "name", "variant", "sql"):
        if getattr(options, key) is not None:
            raise UsageError(
                f"with {option('inbox')} the data set is named first, so {option(key)} has no meaning",
                hint=f"leave {option(key)} out",
            )
    if not re.fullmatch(DATASET_NAME, source):
        raise UsageError(
            f"{option('inbox')} needs the name of a data set, got {source}",
            hint=f"such as: {command('run', 'shop', inbox='DIR')}",
        )
    if (workspace / source / MANIFEST_FILE).is_file():
        return source
    if source in dataset_names():
        raise UsageError(
            f"{workspace} holds no {source} to add files to", hint=f"make it first: {command('preprocess', source)}"
        )
    if Path(source).is_file():
        raise UsageError(
            f"{option('inbox')} needs the name of a data set, {source} is a file", hint="name the data set alone"
        )
    return source


def require_dataset(folder: Path, inbox: Inbox, result: InboxResult) -> None:
    """Raise if there is still no data set behind the first night.

    Raises:
        InputError: saying why no file made one.
    """
    if (folder / MANIFEST_FILE).exists():
        return
    reasons = [refused.reason for refused in result.refused]
    reasons += [f"{left.path} is left: {left.reason}" for left in result.left]
    why = f"no file of {inbox.folder} could make it: {reasons[0]}" if reasons else f"{inbox.folder} holds no file"
    raise InputError(
        f"there is no data set {folder.name} in {folder.parent} yet, and {why}",
        hint=f"put its first file into {inbox.folder}, or make it: {command('preprocess', 'FILE', name=folder.name)}",
    )


def take_files(inbox: Inbox, folder: Path, take: Callable[[Path], object], on_event: OnEvent) -> InboxResult:
    """Take every file of an inbox that the data set has not taken yet, in the order of their names.

    Each is taken in a step of its own, so that whatever ends this, a file is in the data set with the manifest's word
    for it, or the next night finds it here. A bad one is left and reported, and keeps no other from being taken.

    Args:
        inbox: with `check_inbox` behind it; the caller holds the data set's lock.
        folder: of the data set, which the first file may make.
        take: adds a file to the data set, whose manifest then names it.
        on_event: called with `FileTaken`, `FileLeft` and `FileRefused`.

    Raises:
        AdrecError: what is no fault of a single file; those before it are taken.
    """
    work = _Work(inbox, folder, on_event)
    new = work.find_new()
    for path in work.await_settled(new):
        if work.is_taken(new[path].sha256):
            # The same content under another name.
            work.note_known(path, new[path].sha256)
            continue
        try:
            take(path)
        except (GrowingFileError, NoRowsError) as error:
            work.leave(path, error.message)
        except InputError as error:
            work.refuse(path, error)
        else:
            # One whose rows the data set has from another file adds nothing.
            note = work.note_taken if work.is_taken(new[path].sha256) else work.note_known
            note(path, new[path].sha256)
    return work.result


@dataclass(frozen=True, kw_only=True)
class _Seen:
    """A file as it was first looked at: its content's hash, its number, its size and its time of change."""

    sha256: str
    look: tuple[int, int, int]


class _Work:
    """An inbox that is being worked through, and what became of its files so far."""

    def __init__(self, inbox: Inbox, folder: Path, on_event: OnEvent) -> None:
        self.inbox, self.folder, self.on_event = inbox, folder, on_event
        self.result = InboxResult()

    def find_new(self) -> dict[Path, _Seen]:
        """Return the files that were not taken yet, by name, and settle what becomes of the others."""
        withdrawn = _hashes(self.folder, withdrawn=True)
        new: dict[Path, _Seen] = {}
        beside = self.inbox.beside | _read_with(self.folder)
        for path in _files(self.inbox.folder):
            if path.name in beside:
                continue
            try:
                look = _look(path)
                if look is None or not path.is_file():
                    raise InputError(f"{path} is not a file", hint="put files into the inbox, not pipes or devices")
                sha256 = file_sha256(path)
            except (StorageError, InputError) as error:
                self.refuse(path, error)
                continue
            if self.is_taken(sha256):
                self.note_known(path, sha256)
            elif sha256 in withdrawn and not self.inbox.retake:
                self.leave(path, f"withdrawn by {command('rollback', data=True)}; {option('retake')} takes it again")
            elif path.name.endswith(_UNFINISHED):
                self.leave(path, "its name says that it is still being written")
            else:
                new[path] = _Seen(sha256=sha256, look=look)
        return new

    def await_settled(self, new: dict[Path, _Seen]) -> Iterable[Path]:
        """Yield the files that are written to their end: nothing changes between two looks, and the last line ends."""
        if new:
            time.sleep(SETTLING_SECONDS)
        for path, seen in new.items():
            if _look(path) != seen.look:
                self.leave(path, "it is still being written")
            elif not seen.look[1]:
                self.leave(path, "it is empty")
            elif not _ends(path):
                self.leave(path, "its last line has no end, so it may be cut off; add one if it is whole")
            else:
                yield path

    def is_taken(self, sha256: str) -> bool:
        """Whether the data set has taken a file of this content."""
        return sha256 in _hashes(self.folder)

    def leave(self, path: Path, reason: str) -> None:
        """Note that a file stays for another night."""
        left = FileLeft(path=path, reason=reason)
        self.result.left.append(left)
        self.on_event(left)

    def refuse(self, path: Path, error: InputError | StorageError) -> None:
        """Note that a file is bad."""
        refused = FileRefused(path=path, reason=error.message, hint=error.hint)
        self.result.refused.append(refused)
        self.on_event(refused)

    def note_taken(self, path: Path, sha256: str) -> None:
        """Note that a file was taken, of which this is the content's hash, and archive it."""
        self.result.taken.append(path)
        self.on_event(FileTaken(path=path))
        self._archive(path, sha256)

    def note_known(self, path: Path, sha256: str) -> None:
        """Note that a file was taken before, and archive it: an earlier night may not have come to that."""
        self.result.known.append(path)
        self._archive(path, sha256)

    def _archive(self, path: Path, sha256: str) -> None:
        """Move a file that is taken; one that cannot be moved harms nobody, as it is known."""
        if self.inbox.archive is None:
            return
        try:
            if not _move(path, self.inbox.archive, sha256):
                self.leave(path, "it has changed since it was taken")
        except (OSError, StorageError) as error:
            reason = error.message if isinstance(error, StorageError) else storage_error("move", path, error).message
            left = FileLeft(path=path, reason=f"taken, but not archived: {reason}")
            self.result.unarchived.append(left)
            self.on_event(left)


def _hashes(folder: Path, *, withdrawn: bool = False) -> set[str]:
    """Return the hashes of the files that a data set was made from, or that were withdrawn from it."""
    manifest = manifest_before(folder)
    if manifest is None:
        return set()
    sources = manifest.withdrawn if withdrawn else manifest.sources
    return {str(source["sha256"]) for source in sources if "sha256" in source}


def _read_with(folder: Path) -> set[str]:
    """Return the names of the files that a data set is read with, which lie beside those of the events."""
    manifest = manifest_before(folder)
    reading = {} if manifest is None else manifest.reading
    return {name for key in ("items", "join") if isinstance(name := reading.get(key), str)}


def _files(folder: Path) -> list[Path]:
    """Return what lies in an inbox, in the natural order of names; hidden files and folders are left alone.

    Raises:
        StorageError: the folder cannot be read.
    """
    try:
        found = (path for path in folder.iterdir() if path.name[0] != "." and not path.is_dir())
        return order_naturally(found, lambda path: path.name)
    except OSError as error:
        raise storage_error("read", folder, error) from error


def _look(path: Path) -> tuple[int, int, int] | None:
    """Return a file's number, size and time of change, None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def _ends(path: Path) -> bool:
    """Whether a file can be whole: one that does not tell its end itself must end a line."""
    with open(path, "rb") as file:
        head = file.read(8)
        if head.startswith(_PACKED):
            return True
        file.seek(-min(2, os.fstat(file.fileno()).st_size), os.SEEK_END)
        return file.read().endswith(_LINE_ENDS)


def _move(path: Path, archive: Path, sha256: str) -> bool:
    """Move a file into a folder, perhaps on another file system; never over another file, and never half.

    Args:
        path: of the file.
        archive: the folder.
        sha256: of the content that is to be moved.

    Returns:
        False where other content has taken the file's place, which stays there.

    Raises:
        OSError: the file system refused.
        StorageError: the copy could not be written.
    """
    before = _look(path)
    if file_sha256(path) != sha256:
        return False
    target = archive / path.name
    if target.exists() and file_sha256(target) != sha256:
        target = archive / f"{path.stem}-{sha256[:8]}{path.suffix}"
    if not target.exists():
        try:
            os.link(path, target)
        except OSError:
            # Another file system, or one without hard links.
            with replacing(target) as temporary:
                shutil.copyfile(path, temporary)
                with contextlib.suppress(OSError):
                    shutil.copystat(path, temporary)
        sync_folder(archive)
    if file_sha256(target) != sha256:
        raise OSError(errno.EIO, "the copy differs")
    if _look(path) != before:
        return False
    path.unlink()
    return True
