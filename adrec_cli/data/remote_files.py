"""Sources that lie elsewhere: read once, into a folder that is removed again."""

from __future__ import annotations

import contextlib
import errno
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Set
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

from adrec_cli.data.addresses import hide_secrets, is_address, show_address
from adrec_cli.data.download import MOST_BYTES, DownloadProgress, Expectation, download
from adrec_cli.data.natural_order import order_naturally
from adrec_cli.data.object_stores import check_form, open_store
from adrec_cli.data.reading.folder_names import names_a_value, show_folders
from adrec_cli.data.reading.scratch import scratch_folder
from adrec_cli.errors import AdrecError, GrowingFileError, InputError, StorageError, UsageError, look_up
from adrec_cli.events import OnEvent
from adrec_cli.wording import option, say_count

if TYPE_CHECKING:
    from pyarrow import fs

_CHUNK_BYTES: Final = 1 << 22
_HUB_FILE: Final = re.compile(r"hf://datasets/([\w.-]+/[\w.-]+?)(?:@([^/]+))?/(.+)")
_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextlib.contextmanager
def bring_source(source: str, *, offline: bool, on_event: OnEvent, known: Set[str] = frozenset()) -> Iterator[str]:
    """Yield the path of a source: its own, or while open that of a copy of what lies at an address.

    Errors that are raised meanwhile name the address instead of the copy.

    Args:
        source: a named data set, a path, or an address.
        offline: whether nothing may be fetched.
        on_event: gets `DownloadProgress`.
        known: objects that are left out, as `name_object` names them, if there are others.

    Raises:
        InputError: there is nothing, or it changed meanwhile, or nobody answers.
        UsageError: the address is of a kind that is not read, or nothing may be fetched.
        StorageError: there is no room for the copy.
    """
    if not is_address(source):
        yield source
        return
    shown, address = show_address(source), check_form(source)
    fetch = look_up(SCHEMES, address.partition("://")[0], "kind of address")
    if offline:
        raise UsageError(f"{shown} is not on this machine", hint=f"leave {option('offline')} out, or name a file")
    with scratch_folder(None) as scratch:
        here: Path | None = None
        try:
            here = _fetch_objects(address, scratch, on_event, known) if known else fetch(address, scratch, on_event)
            yield str(here)
        except AdrecError as error:
            _name_address(error, here, shown)
            raise


def _name_address(error: AdrecError, here: Path | None, shown: str) -> None:
    if here is None:
        return
    place = shown.rstrip("/") if here.is_file() else re.sub(r"/[^/]*[*\[][^/]*$", "", shown).rstrip("/")
    error.rename(str(here), in_message=place, in_hint=place)


def _fetch_page(address: str, scratch: Path, on_event: OnEvent) -> Path:
    """Fetch one file over https."""
    shown, parts = show_address(address), urlsplit(address)
    if "@" in parts.netloc:
        raise UsageError(f"{shown} was given with a user or a password", hint="give an address that needs none")
    target = scratch / _check_file_name(unquote(PurePosixPath(parts.path).name), shown)
    try:
        download(address, target, expected=Expectation(large=True), on_event=on_event)
    except StorageError as error:
        raise _no_room(hide_secrets(error.message, address)) from None
    except InputError as error:
        raise InputError(
            hide_secrets(error.message, address), hint="check the address, or fetch the file and name its path"
        ) from None
    return target


def _fetch_from_hub(address: str, scratch: Path, on_event: OnEvent) -> Path:
    """Fetch one public file of a data set of Hugging Face."""
    if not (found := _HUB_FILE.fullmatch(address)):
        raise UsageError(
            f"{show_address(address)} names no file of a data set", hint="write hf://datasets/OWNER/NAME/FILE"
        )
    name, revision, path = found.groups()
    return _fetch_page(f"https://huggingface.co/datasets/{name}/resolve/{revision or 'main'}/{path}", scratch, on_event)


def _fetch_objects(address: str, scratch: Path, on_event: OnEvent, known: Set[str] = frozenset()) -> Path:
    """Copy an object, or the objects of a prefix or a pattern, from an object store."""
    from pyarrow import ArrowException

    shown = show_address(address)
    try:
        store, path = open_store(address)
        found = list_objects(store, path, shown)
        # What the folders of an object say is read from those of its copy.
        top = path if found[0].path != path and all(one.path.startswith(f"{path}/") for one in found) else _above(path)
        objects = scratch / "objects"
        folder = objects / show_folders(PurePosixPath(top, "object"))
        folder.mkdir(parents=True)
        found = [one for one in found if name_object(one.path) not in known] or found
        _require_room(sum(one.size for one in found), folder, shown)
        for one in found:
            _check_file_name(one.base_name, shown)
            target = objects / name_object(one.path)
            target.parent.mkdir(parents=True, exist_ok=True)
            _copy(store, one, target, on_event)
        return folder / found[0].base_name if found[0].path == path else folder
    except (OSError, ArrowException) as error:
        if getattr(error, "errno", None) in _FULL:
            raise _no_room(f"{scratch} has no room for {shown}") from None
        raise InputError(
            f"could not read {shown}: {hide_secrets(str(error), address)}",
            hint="check the address, and that the store's usual variables or files name who may read it",
        ) from None


def list_objects(store: fs.FileSystem, path: str, shown: str) -> list[fs.FileInfo]:
    """Return the object of a path, or those right below a prefix or of a pattern, in their natural order.

    A prefix without objects right below it stands for those of the folders there, if these all say a value.
    """
    from pyarrow import fs

    folder, _, pattern = path.rpartition("/")
    if any(sign in folder for sign in "*["):
        raise UsageError(f"{shown} has a pattern for a folder", hint="use patterns only behind the last slash")
    if not any(sign in pattern for sign in "*["):
        info = store.get_file_info(path)
        if info.type == fs.FileType.File:
            return [info]
        folder, pattern = path, "*"
    below = store.get_file_info(fs.FileSelector(folder, allow_not_found=True))
    if _is_table(store, below):
        raise InputError(
            f"{shown} is a table of Delta, Iceberg or Hudi: not all of its files count",
            hint="write what counts today as Parquet with the program that keeps it, and name that folder",
        )
    found = [one for one in below if one.type == fs.FileType.File and fnmatchcase(one.base_name, pattern)]
    found = [one for one in found if _is_shown(one.base_name)]
    if not found and folder == path:
        found = _list_partitions(store, folder)
    found = order_naturally(found, lambda one: PurePosixPath(one.path))
    if not found:
        raise InputError(f"there is no file at {shown}", hint="check the address")
    return found


def name_object(path: str) -> str:
    """Return what an object is called: its name, behind what the names of its folders say."""
    place = PurePosixPath(path)
    return str(PurePosixPath(show_folders(place), place.name))


def _list_partitions(store: fs.FileSystem, folder: str) -> list[fs.FileInfo]:
    """Return the objects below a prefix, none if one of the folders there says no value."""
    from pyarrow import fs

    found = []
    for one in store.get_file_info(fs.FileSelector(folder, allow_not_found=True, recursive=True)):
        folders = PurePosixPath(one.path).relative_to(folder).parent.parts
        if one.type != fs.FileType.File or not all(map(_is_shown, (*folders, one.base_name))):
            continue
        if not all(map(names_a_value, folders)):
            return []
        found.append(one)
    return found


def _is_shown(name: str) -> bool:
    return name[:1] not in ("", ".", "_")


def _above(path: str) -> str:
    return path.rpartition("/")[0]


def _is_table(store: fs.FileSystem, below: list[fs.FileInfo]) -> bool:
    """Whether a prefix is a table of which not all files count, as `refuse_table_folder` finds for a folder."""
    from pyarrow import fs

    folders = {one.base_name: one.path for one in below if one.type == fs.FileType.Directory}
    if not folders.keys().isdisjoint(("_delta_log", ".hoodie")):
        return True
    inside = store.get_file_info(fs.FileSelector(folders["metadata"])) if "metadata" in folders else []
    return any(one.base_name.endswith(".metadata.json") for one in inside)


def _copy(store: fs.FileSystem, info: fs.FileInfo, target: Path, on_event: OnEvent) -> None:
    """Copy an object that stays the same meanwhile."""
    done = 0
    # Arrow would decompress by the name's ending, and reading does that itself.
    with store.open_input_stream(info.path, compression=None) as content, open(target, "xb") as file:
        etag = _read_etag(content)
        while chunk := content.read(_CHUNK_BYTES):
            file.write(chunk)
            done += len(chunk)
            on_event(DownloadProgress(name=info.base_name, done=done, total=info.size))
    now = store.get_file_info(info.path)
    if (
        etag != find_etag(store, info.path)
        or done != info.size
        or (now.size, now.mtime_ns) != (info.size, info.mtime_ns)
    ):
        raise GrowingFileError(f"{info.base_name} changed while it was read", hint="run the command again")


def find_etag(store: fs.FileSystem, path: str) -> str:
    """Return the ETag of an object, "" where the store names none; its content is not asked for."""
    with store.open_input_stream(path, compression=None) as content:
        return _read_etag(content)


def _read_etag(content: Any) -> str:
    told = (value for key, value in (content.metadata() or {}).items() if key.lower() == "etag")
    return next(told, b"").decode()


def _require_room(size: int, folder: Path, shown: str) -> None:
    if size > MOST_BYTES:
        raise InputError(f"{shown} has {say_count(size, 'byte')}, more than {MOST_BYTES:,}", hint="name a part of it")
    if size > (free := shutil.disk_usage(folder).free):
        raise _no_room(f"{folder} has {free / 1e6:,.0f} MB left, {size / 1e6:,.0f} MB are to come")


def _no_room(message: str) -> StorageError:
    return StorageError(message, hint="free space, or name another folder for temporary files with TMPDIR")


def _check_file_name(name: str, shown: str) -> str:
    if name in ("", ".", "..") or "/" in name or "\0" in name:
        raise UsageError(f"{shown} names no file", hint="give the whole address of a file")
    return name


SCHEMES: Final[Mapping[str, Callable[[str, Path, OnEvent], Path]]] = MappingProxyType({
    "s3": _fetch_objects, "gs": _fetch_objects, "az": _fetch_objects, "https": _fetch_page, "hf": _fetch_from_hub,
})  # fmt: skip
"""How what lies at an address comes here, by how it begins."""
