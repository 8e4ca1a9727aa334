"""What a data set consists of elsewhere: a list of files with their hashes, written last and believed least."""

from __future__ import annotations

import itertools
import json
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import Any, Final

from adrec_cli.artifacts.harmless_text import harmless
from adrec_cli.artifacts.json_files import MAX_JSON_BYTES, content_sha256, take_checksum
from adrec_cli.artifacts.manifest import DATASET_NAME
from adrec_cli.data.download import MOST_BYTES
from adrec_cli.errors import DamagedInventoryError
from adrec_cli.moving.kinds import find_kind
from adrec_cli.schema import ITEMS_FILE, MANIFEST_FILE, SEQUENCES_FILE
from adrec_cli.wording import say_count

INVENTORY_VERSION: Final = 1
PART_BYTES: Final = 1 << 26
"""Large files are stored in parts of this size, so that one that was stopped goes on in the middle."""
_CHECKSUM: Final = "inventory_sha256"
_NEEDED: Final = (MANIFEST_FILE, SEQUENCES_FILE, ITEMS_FILE)


@dataclass(frozen=True, kw_only=True)
class Part:
    """Content that is stored as one object: a file, or a stretch of a large one.

    Attributes:
        sha256: of the content, which is its name too.
        bytes: its size.
    """

    sha256: str
    bytes: int


@dataclass(frozen=True, kw_only=True)
class StoredFile:
    """A file of a data set.

    Attributes:
        path: relative to the data set's folder, with slashes.
        sha256: of its content.
        bytes: its size.
        parts_sha256: of each stretch of `PART_BYTES`, of which the last may be shorter.
    """

    path: str
    sha256: str
    bytes: int
    parts_sha256: tuple[str, ...]

    @property
    def parts(self) -> list[Part]:
        """What it is stored as, in order."""
        starts = range(0, max(self.bytes, 1), PART_BYTES)
        sizes = (min(PART_BYTES, self.bytes - start) for start in starts)
        return [Part(sha256=one, bytes=size) for one, size in zip(self.parts_sha256, sizes, strict=True)]


@dataclass(frozen=True, kw_only=True)
class Inventory:
    """All files of a data set that was pushed.

    Attributes:
        dataset: its name.
        files: sorted by path.
        pushed_at: ISO 8601, UTC, by the clock of whoever pushed; nothing is decided by it.
        adrec_version: what pushed it.
        format_version: of this list.
    """

    dataset: str
    files: tuple[StoredFile, ...]
    pushed_at: str
    adrec_version: str
    format_version: int = INVENTORY_VERSION

    @property
    def hashes(self) -> dict[str, str]:
        """SHA-256 of each file by its path."""
        return {one.path: one.sha256 for one in self.files}


def write_inventory(inventory: Inventory) -> bytes:
    """Return an inventory as JSON, which ends with the hash of its own content."""
    content = asdict(inventory)
    content[_CHECKSUM] = content_sha256(content)
    return (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode()


def parse_inventory(content: bytes, dataset: str, shown: str) -> Inventory:
    """Return the inventory of a data set, unless it asks for anything that no `adrec push` could have written.

    Args:
        content: at most a byte more than `MAX_JSON_BYTES` of what lies there.
        dataset: whose it must be.
        shown: where it lies, for messages.

    Raises:
        DamagedInventoryError: it is damaged, of another version or of another data set, or names a file that cannot be
            one of it.
    """
    try:
        return _parse(content, dataset)
    except (ValueError, TypeError, RecursionError) as error:
        raise DamagedInventoryError(
            f"{shown} is damaged or was not written by adrec: {harmless(str(error))[:200]}",
            hint="push again from where the data set is whole",
        ) from None


def _parse(content: bytes, dataset: str) -> Inventory:
    if len(content) > MAX_JSON_BYTES:
        raise ValueError(f"larger than {MAX_JSON_BYTES:,} bytes")
    told = json.loads(content.decode())
    if not isinstance(told, dict):
        raise ValueError("not a JSON object")
    if type(version := told.get("format_version")) is not int or version != INVENTORY_VERSION:
        raise ValueError(f"format version {version!r}, this adrec reads {INVENTORY_VERSION}")
    if not take_checksum(told, _CHECKSUM):
        raise ValueError("its content does not match its own checksum")
    if not isinstance(told.get("files"), list) or not all(isinstance(one, dict) for one in told["files"]):
        raise ValueError("files is not a list of tables")
    files = tuple(_read_file(one) for one in told.pop("files"))
    inventory = Inventory(**told, files=files)
    _require_types(inventory, dataset)
    _require_distinct(one.path for one in files)
    if missing := set(_NEEDED) - inventory.hashes.keys():
        raise ValueError(f"{min(missing)} is not among its files")
    if (total := sum(one.bytes for one in files)) > MOST_BYTES:
        raise ValueError(f"its files have {say_count(total, 'byte')}, more than {MOST_BYTES:,}")
    return inventory


def _require_types(inventory: Inventory, dataset: str) -> None:
    if not isinstance(inventory.dataset, str) or not re.fullmatch(DATASET_NAME, inventory.dataset):
        raise ValueError(f"dataset {str(inventory.dataset)[:100]!r} cannot name a folder")
    if inventory.dataset != dataset:
        raise ValueError(f"it is of dataset {inventory.dataset!r}, not {dataset!r}")
    if not isinstance(inventory.pushed_at, str) or not isinstance(inventory.adrec_version, str):
        raise ValueError("pushed_at and adrec_version are not texts")


def _read_file(told: dict[str, Any]) -> StoredFile:
    """Return a file that an inventory names.

    Raises:
        ValueError, TypeError: adrec writes no such file, or a value is not one that it can have.
    """
    if not isinstance(path := told.get("path"), str) or find_kind(path) is None:
        raise ValueError(f"{str(path)[:150]!r} is not a file that adrec writes into a data set's folder")
    if type(size := told.get("bytes")) is not int or not 0 <= size <= MOST_BYTES:
        raise ValueError(f"{path} has a size of {str(size)[:40]}")
    parts = told.pop("parts_sha256", None)
    if not isinstance(parts, list) or len(parts) != max(1, -(-size // PART_BYTES)):
        raise ValueError(f"{path} is not in as many parts as its size needs")
    if not all(isinstance(one, str) and re.fullmatch("[0-9a-f]{64}", one) for one in (told.get("sha256"), *parts)):
        raise ValueError(f"{path} has no SHA-256")
    return StoredFile(**told, parts_sha256=tuple(parts))


def _require_distinct(paths: Iterable[str]) -> None:
    """Refuse a path that is there twice, or that is another's, or its folder's, on a disk that takes A for a."""
    spelled: dict[str, str] = {}
    seen: set[str] = set()
    for path in paths:
        if path in seen:
            raise ValueError(f"{path} is there twice")
        seen.add(path)
        for part in itertools.accumulate(PurePosixPath(path).parts, lambda head, name: f"{head}/{name}"):
            other = spelled.setdefault(unicodedata.normalize("NFC", part).casefold(), part)
            if other != part:
                raise ValueError(f"{part} and {other} are one name where case does not count")
