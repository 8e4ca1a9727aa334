"""A batch that goes to an object store: made here, then sent file by file, with a marker behind all of them."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import shutil
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Final

from adrec_cli.artifacts.atomic import storage_error
from adrec_cli.data.addresses import find_address, show_address
from adrec_cli.data.shards import WHOLE, Shard
from adrec_cli.data.stores import OBJECT_STORES, Store, naming_store
from adrec_cli.errors import InputError, StorageError, UsageError, look_up
from adrec_cli.recommending.destination import Destination
from adrec_cli.wording import option

MARKER: Final = "_SUCCESS"
"""Lies in a folder whose files are all there; readers of tables leave out what begins so."""
_MARKERS: Final = re.compile(rf"{MARKER}(?:-\d+-of-(\d+))?")
"""The marker of all users, or of a share of them, and how many shares there were."""


@dataclass(frozen=True, kw_only=True)
class Elsewhere:
    """Where a batch goes, and where it is made.

    Attributes:
        address: of the object or the prefix.
        local: file or folder in the workspace, visible to `adrec forget`, which is removed when all has been sent; of
            each share another, as one may be sent while another is made.
    """

    address: str
    local: Path

    @classmethod
    def find(cls, out: Path, workspace: Path, shard: Shard) -> Elsewhere | None:
        """Return where a batch goes that is written to an address; None where it is a path.

        Raises:
            UsageError: the address is of a kind that is not written to, or names nothing in a bucket.
        """
        if (address := find_address(out)) is None:
            return None
        look_up(OBJECT_STORES, address.partition("://")[0].lower(), "kind of address")
        shown = PurePosixPath(show_address(address).partition("://")[2])
        if len(shown.parts) < 2:
            raise UsageError(
                f"{show_address(address)} names nothing in a bucket", hint=option("out", "s3://BUCKET/recs/")
            )
        digest = hashlib.sha256(show_address(address).encode()).hexdigest()[:8]
        return cls(address=address, local=workspace / f"{shown.stem}-{digest}{_name_share(shard)}{shown.suffix}")

    @property
    def shown(self) -> str:
        """The address with nothing secret in it."""
        return show_address(self.address)

    def require_free(self, destination: Destination) -> None:
        """Refuse a prefix below which something lies that is not part of a batch.

        Raises:
            UsageError: naming it.
            InputError: the store cannot be read.
        """
        with naming_store(self.address, "", InputError, "read"):
            store, name = self._open()
            names = store.list_names(name) if destination.is_folder else []
        destination.require_own_names((one for one in names if one and not one.startswith(MARKER)), self.shown)

    def send(self, destination: Destination, files: Collection[Path], rows: int) -> None:
        """Send the files of a batch, and behind them the marker, which is not there meanwhile.

        Args:
            destination: where they were made.
            files: of the batch, whole.
            rows: in them.

        Raises:
            StorageError: the store cannot be written.
        """
        with naming_store(self.address, "", StorageError, "write"):
            store, name = self._open()
            if destination.is_folder:
                _remove_markers(store, name, destination)
            unknown = _name_unknown(destination, name)
            if destination.unknown.exists():
                store.write(unknown, destination.unknown.read_bytes())
            elif store.look_up([unknown])[0] is not None:
                store.remove(unknown)
            if destination.is_folder:
                _send_folder(store, name, destination, files, rows)
            else:
                store.write(name, destination.path.read_bytes())

    def show_unknown(self, destination: Destination) -> str:
        """Return where who and what is unknown is listed there."""
        parent, _, name = self.shown.rstrip("/").rpartition("/")
        return f"{parent}/{_name_unknown(destination, name)}"

    def remove_local(self, destination: Destination) -> None:
        """Remove what was made here.

        Raises:
            StorageError: the file system refused.
        """
        try:
            destination.unknown.unlink(missing_ok=True)
            if destination.is_folder:
                # Not there where no file was made: there may be more shares than stretches of users.
                with contextlib.suppress(FileNotFoundError):
                    shutil.rmtree(destination.path)
            else:
                destination.path.unlink()
        except OSError as error:
            raise storage_error("remove", destination.path, error) from error

    def _open(self) -> tuple[Store, str]:
        """Return the store at the prefix that the batch lies right below, and the batch's name there."""
        place, mark, query = self.address.partition("?")
        parent, _, name = place.rstrip("/").rpartition("/")
        open_kind = OBJECT_STORES[self.address.partition("://")[0].lower()]
        return open_kind(f"{parent}{mark}{query}"), name


def _name_unknown(destination: Destination, name: str) -> str:
    """Return the name of the list of who is unknown, beside a batch of a name that is written as one is here."""
    return replace(destination, path=Path(name)).unknown.name


def _remove_markers(store: Store, name: str, destination: Destination) -> None:
    """Remove the markers that vouch for files which are about to change: all but those of the other shares."""
    for found in store.list_names(name):
        marker = _MARKERS.fullmatch(found)
        if marker and (found == _name_marker(destination) or int(marker[1] or 1) != destination.shard.count):
            # Another share that begins now may have removed it.
            with contextlib.suppress(FileNotFoundError):
                store.remove(f"{name}/{found}")


def _name_marker(destination: Destination) -> str:
    return f"{MARKER}{_name_share(destination.shard)}"


def _name_share(shard: Shard) -> str:
    return "" if shard == WHOLE else f"-{shard.number}-of-{shard.count}"


def _send_folder(store: Store, name: str, destination: Destination, files: Collection[Path], rows: int) -> None:
    names, kept = store.list_names(name), [path.name for path in files]
    for path in files:
        store.write(f"{name}/{path.name}", path.read_bytes())
    for stale in destination.stale_names(names, kept):
        store.remove(f"{name}/{stale}")
    store.write(f"{name}/{_name_marker(destination)}", json.dumps({"files": kept, "rows": rows}).encode())
