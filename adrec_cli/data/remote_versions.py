"""What the objects of a source are, by ETag and size: whether they have changed is known without bringing them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Any, Final

from adrec_cli.artifacts.changing import manifest_before, needs_recovery
from adrec_cli.artifacts.sources import FOLDERS
from adrec_cli.data.addresses import find_address, is_address
from adrec_cli.data.datasets import Filters
from adrec_cli.data.object_stores import check_form, open_store
from adrec_cli.data.options import PreprocessOptions
from adrec_cli.data.reading.folder_names import show_folders
from adrec_cli.data.reading.scratch import SCRATCH_FOLDER
from adrec_cli.data.remote_files import find_etag, list_objects
from adrec_cli.data.settings import settle
from adrec_cli.data.source_names import choose_name
from adrec_cli.data.stores import OBJECT_STORES
from adrec_cli.errors import AdrecError

ETAG: Final = "etag"
"""Key of a source in the manifest, beside its hash."""

Versions = Mapping[str, tuple[str, int]]
"""ETag and size of each object by its name, behind the folders of events that say something."""
NO_VERSIONS: Final[Versions] = MappingProxyType({})


def look_up_versions(source: str, options: PreprocessOptions) -> Versions:
    """Return ETag and size of all objects that a new data set is made of, nothing where it cannot be known by these.

    Whoever brings the objects afterwards has what they are, or what they became since, which is then seen the next
    time. Nothing is said of what cannot be read: bringing it says that.

    Args:
        source: as typed.
        options: with the files beside it.
    """
    beside = [path for path in (options.items, options.join) if path is not None]
    addresses = [source, *(find_address(path) or str(path) for path in beside)]
    kinds = {address.partition("://")[0].lower() if is_address(address) else "" for address in addresses}
    if options.offline or options.sql is not None or options.update is not None or not kinds <= OBJECT_STORES.keys():
        return NO_VERSIONS
    from pyarrow import ArrowException

    try:
        found = [(place.rpartition("/")[2] if number else place, etag, size)
                 for number, address in enumerate(addresses) for place, etag, size in _look_up(address)]  # fmt: skip
    except (OSError, ArrowException, AdrecError):
        return NO_VERSIONS
    named = {name: (etag, size) for name, etag, size in found if etag}
    return named if len(named) == len(found) else NO_VERSIONS


def add_versions(sources: Sequence[Mapping[str, Any]], versions: Versions) -> list[dict[str, Any]]:
    """Return the sources of a manifest with the ETags of those that are objects, as they were looked up before."""
    return [
        {**entry, ETAG: versions[name][0]}
        if (name := _place(entry)) in versions and versions[name][1] == entry.get("bytes")
        else dict(entry)
        for entry in sources
    ]


@dataclass(frozen=True, kw_only=True)
class SameObjects:
    """A data set that was made of the objects that are there now.

    Attributes:
        folder: of the data set.
        sources: as its manifest names them.
        parameters: with which it would be made now.
    """

    folder: Path
    sources: list[dict[str, Any]]
    parameters: dict[str, Any]


def find_made_of(versions: Versions, source: str, options: PreprocessOptions, workspace: Path) -> SameObjects | None:
    """Return the data set that a source would make, if its manifest names these objects and no other file.

    None also where a killed run has left something in it, which is for whoever makes it to remove.
    """
    if not versions:
        return None
    folder = workspace / choose_name(source, options)
    manifest = manifest_before(folder)
    if manifest is None or needs_recovery(folder) or (folder / SCRATCH_FOLDER).exists():
        return None
    known = [(_place(entry), (entry.get(ETAG), entry.get("bytes"))) for entry in manifest.sources]
    if len(known) != len(versions) or dict(known) != dict(versions):
        return None
    parameters = settle(options, None, Filters()).parameters()
    return SameObjects(folder=folder, sources=manifest.sources, parameters=parameters)


def _look_up(address: str) -> list[tuple[str, str, int]]:
    store, path = open_store(check_form(address))
    found = list_objects(store, path, address)
    return [
        (_join(show_folders(PurePosixPath(one.path)), one.base_name), find_etag(store, one.path), one.size)
        for one in found
    ]


def _place(source: Mapping[str, Any]) -> str:
    """Return what an object is called: its name, behind what the names of its folders say."""
    return _join(source.get(FOLDERS, ""), str(source.get("name")))


def _join(folders: str, name: str) -> str:
    return f"{folders}/{name}" if folders else name
