"""A place elsewhere that holds data sets, in an object store or a folder.

Contents lie there under their own hashes (`objects/`); each data set has one inventory, which is written last and
changes at once. The one it takes the place of is kept (`former/`), so that what it names stays for those who have read
it; `pruning` removes what nobody can need any more.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Final

from adrec_cli.artifacts.atomic import storage_error
from adrec_cli.artifacts.json_files import MAX_JSON_BYTES
from adrec_cli.artifacts.outputs import is_same_place
from adrec_cli.data.addresses import is_address, show_address
from adrec_cli.data.stores import STORES, Entry, FolderStore, Store, naming_store
from adrec_cli.errors import DamagedInventoryError, InputError, StorageError, UsageError, look_up
from adrec_cli.moving.inventory import Inventory, Part, StoredFile, parse_inventory, write_inventory
from adrec_cli.moving.options import GRACE_HOURS

DATASETS_FOLDER: Final = "datasets"
OBJECTS_FOLDER: Final = "objects"
FORMER_FOLDER: Final = "former"
_REUSED_HOURS: Final = GRACE_HOURS / 2
"""Contents that no inventory names are sent again when they are older: they may be removed before the push ends."""
_INVENTORY_SUFFIX: Final = ".json"
_PUSH_AGAIN: Final = "push again from where the data set is whole"


class Place:
    """Where data sets are pushed to and pulled from.

    Attributes:
        shown: its address without what is secret in it, for messages and for what is remembered.
    """

    def __init__(self, address: str) -> None:
        """Open it.

        Args:
            address: `s3://bucket/prefix`, `gs://...`, `az://container/prefix`, `file:///folder`, or a path.

        Raises:
            UsageError: it is of a kind that cannot be pushed to, or names no bucket.
            InputError: the store cannot be opened.
        """
        self._address = address
        kind = address.partition("://")[0].lower() if is_address(address) else "file"
        open_kind = look_up(STORES, kind, "kind of address")
        self.shown = show_address(address).rstrip("/")
        with self._naming(InputError, "open", ""):
            self._store: Store = open_kind(address)
        if isinstance(self._store, FolderStore):
            self.shown = str(self._store.root)

    def require_outside(self, workspace: Path) -> None:
        """Refuse a folder whose files would lie among those of a workspace, or the other way round.

        Args:
            workspace: or the folder of a data set, which may lie elsewhere.

        Raises:
            UsageError: naming both.
        """
        if not isinstance(self._store, FolderStore):
            return
        place = self._store.root
        own = [place / name for name in (DATASETS_FOLDER, OBJECTS_FOLDER, FORMER_FOLDER)]
        if any(_is_within(one, workspace) for one in (place, *own)) or any(_is_within(workspace, one) for one in own):
            raise UsageError(
                f"what is pushed to {self.shown} would lie among the files of {workspace}",
                hint="name a folder outside of it, best on another disk",
            )

    def list_datasets(self) -> list[str]:
        """Return the names of the data sets that lie there, sorted.

        Raises:
            InputError: it cannot be read.
        """
        with self._naming(InputError, "read", DATASETS_FOLDER):
            found = self._store.list_names(DATASETS_FOLDER)
        return sorted(one.removesuffix(_INVENTORY_SUFFIX) for one in found if one.endswith(_INVENTORY_SUFFIX))

    def read_inventory(self, dataset: str) -> Inventory | None:
        """Return what a data set consists of there; None where it does not lie there.

        Raises:
            InputError: it cannot be read, is damaged, or asks for what nobody could have pushed.
        """
        path = _name_inventory(dataset)
        with self._naming(InputError, "read", path):
            try:
                content = self._store.read(path, MAX_JSON_BYTES + 1)
            except FileNotFoundError:
                return None
        return parse_inventory(content, dataset, f"{self.shown}/{path}")

    def write_inventory(self, inventory: Inventory) -> None:
        """Make a list of files what a data set consists of there, and keep the list that it replaces.

        Raises:
            StorageError: it cannot be written.
        """
        path = _name_inventory(inventory.dataset)
        with contextlib.suppress(DamagedInventoryError):
            if (former := self.read_inventory(inventory.dataset)) is not None and former.hashes != inventory.hashes:
                content = write_inventory(former)
                kept = f"{FORMER_FOLDER}/{former.dataset}-{hashlib.sha256(content).hexdigest()[:16]}{_INVENTORY_SUFFIX}"
                with self._naming(StorageError, "write", kept):
                    self._store.write(kept, content)
        with self._naming(StorageError, "write", path):
            self._store.write(path, write_inventory(inventory))

    def list_former(self) -> list[Entry]:
        """Return the lists of files that others took the place of, each written when that happened.

        Raises:
            InputError: it cannot be read.
        """
        with self._naming(InputError, "read", FORMER_FOLDER):
            return self._store.list_all(FORMER_FOLDER)

    def read_former(self, entry: Entry) -> Inventory | None:
        """Return such a list; None where it was removed meanwhile.

        Raises:
            InputError: it cannot be read, or is damaged.
        """
        with self._naming(InputError, "read", entry.path):
            try:
                content = self._store.read(entry.path, MAX_JSON_BYTES + 1)
            except FileNotFoundError:
                return None
        name = PurePosixPath(entry.path).name.rpartition("-")[0]
        return parse_inventory(content, name, f"{self.shown}/{entry.path}")

    def list_objects(self) -> list[Entry]:
        """Return all contents that lie there, and what else is among them.

        Raises:
            InputError: it cannot be read.
        """
        with self._naming(InputError, "read", OBJECTS_FOLDER):
            return self._store.list_all(OBJECTS_FOLDER)

    def remove(self, entry: Entry) -> None:
        """Remove a file, unless it is gone already.

        Raises:
            StorageError: it cannot be removed.
        """
        with self._naming(StorageError, "remove", entry.path), contextlib.suppress(FileNotFoundError):
            self._store.remove(entry.path)

    def read_clock(self) -> float:
        """Return what time it is there, in seconds since 1970, by writing a file.

        Raises:
            StorageError: it cannot be written.
        """
        path = f".clock-{uuid.uuid4().hex}"
        with self._naming(StorageError, "write", path):
            self._store.write(path, b"now")
            (found,) = self._store.look_up([path])
            self._store.remove(path)
        if found is None:
            raise StorageError(f"{self.shown} does not show what was just written there", hint="try again later")
        return found.modified

    def find_missing(self, parts: Iterable[Part], named: Collection[Part], *, again: bool = True) -> set[Part]:
        """Return the parts that do not lie there, or not with all of their bytes, or that may be removed any moment.

        Args:
            parts: that are wanted there.
            named: those that the data set's inventory names; they stay.
            again: send again what nobody names and has lain there for long.

        Raises:
            InputError: it cannot be read.
        """
        distinct = list(dict.fromkeys(parts))
        with self._naming(InputError, "read", OBJECTS_FOLDER):
            entries = self._store.look_up([_name_object(part) for part in distinct])
        oldest = time.time() - 3600 * _REUSED_HOURS
        return {
            part
            for part, entry in zip(distinct, entries, strict=True)
            if entry is None or entry.size != part.bytes or (again and part not in named and entry.modified < oldest)
        }

    def send(self, part: Part, content: bytes) -> None:
        """Write a part.

        Raises:
            StorageError: it cannot be written.
        """
        with self._naming(StorageError, "write", _name_object(part)):
            self._store.write(_name_object(part), content)

    def fetch(self, one: StoredFile, target: Path, on_part: Callable[[Part], None]) -> None:
        """Bring a file here, going on with what is there of it, and check every part and the whole.

        Args:
            one: the file.
            target: where it goes; only once this has returned is all of it there.
            on_part: called with each part.

        Raises:
            InputError: a part cannot be read, or is not what its name says.
            StorageError: it cannot be written here.
        """
        whole = hashlib.sha256()
        with _writing(target), open(target, "r+b" if target.exists() else "x+b") as file:
            for part in one.parts:
                start = file.tell()
                content = file.read(part.bytes)
                if hashlib.sha256(content).hexdigest() != part.sha256:
                    content = self._read(part)
                    file.seek(start)
                    file.write(content)
                whole.update(content)
                on_part(part)
            file.truncate()
            file.flush()
            # It is given other names later, which are all that is synced then.
            os.fsync(file.fileno())
        if whole.hexdigest() != one.sha256:
            raise InputError(
                f"the parts of {one.path} at {self.shown} are not those of the whole", hint="push it again"
            )

    def _read(self, part: Part) -> bytes:
        path = _name_object(part)
        with self._naming(InputError, "read", path):
            try:
                content = self._store.read(path, part.bytes + 1)
            except FileNotFoundError:
                raise InputError(f"{self.shown}/{path} is gone", hint=_PUSH_AGAIN) from None
        if hashlib.sha256(content).hexdigest() != part.sha256:
            raise InputError(
                f"{self.shown}/{path} is damaged: its content is not what its name says",
                hint=f"remove it there, and {_PUSH_AGAIN}",
            )
        return content

    def _naming(
        self, kind: type[InputError | StorageError], action: str, path: str
    ) -> contextlib.AbstractContextManager[None]:
        return naming_store(self._address, path, kind, action)


@contextlib.contextmanager
def _writing(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise storage_error("write", target, error) from error


def _is_within(path: Path, folder: Path) -> bool:
    """Return whether a path, which need not be there, is a folder or lies in it, by whatever name."""
    real = Path(os.path.realpath(path))
    # By what they are: there are disks where a name has two cases, and folders that are mounted twice.
    return any(is_same_place(one, folder) for one in (real, *real.parents))


def _name_inventory(dataset: str) -> str:
    return f"{DATASETS_FOLDER}/{dataset}{_INVENTORY_SUFFIX}"


def _name_object(part: Part) -> str:
    return f"{OBJECTS_FOLDER}/{part.sha256[:2]}/{part.sha256}"
