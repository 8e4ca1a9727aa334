"""What the objects of a source are, by ETag and size: whether they have changed is known without bringing them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Any, Final

from adrec_cli.artifacts.changing import manifest_before, needs_recovery
from adrec_cli.artifacts.manifest import Manifest
from adrec_cli.artifacts.sources import FOLDERS, identify_source
from adrec_cli.data.addresses import find_address, is_address
from adrec_cli.data.datasets import Filters
from adrec_cli.data.object_stores import check_form, open_store
from adrec_cli.data.options import PreprocessOptions
from adrec_cli.data.reading.scratch import SCRATCH_FOLDER
from adrec_cli.data.remote_files import find_etag, list_objects, name_object
from adrec_cli.data.settings import drop_findings, inherit, settle
from adrec_cli.data.source_names import choose_name
from adrec_cli.data.stores import OBJECT_STORES
from adrec_cli.errors import AdrecError

ETAG: Final = "etag"
"""Key of a source in the manifest, beside its hash."""

Versions = Mapping[str, tuple[str, int]]
"""ETag and size of each object by its name, behind the folders of events that say something."""
NO_VERSIONS: Final[Versions] = MappingProxyType({})


def look_up_versions(source: str, options: PreprocessOptions) -> Versions:
    """Return ETag and size of all objects of a source and beside it, nothing where it cannot be known by these.

    Whoever brings the objects afterwards has what they are, or what they became since, which is then seen the next
    time. Nothing is said of what cannot be read: bringing it says that.

    Args:
        source: as typed.
        options: with the files beside it.
    """
    beside = [path for path in (options.items, options.join) if path is not None]
    addresses = [source, *(find_address(path) or str(path) for path in beside)]
    kinds = {address.partition("://")[0].lower() if is_address(address) else "" for address in addresses}
    if options.offline or options.sql is not None or not kinds <= OBJECT_STORES.keys():
        return NO_VERSIONS
    from pyarrow import ArrowException

    try:
        found = [(place.rpartition("/")[2] if number else place, etag, size)
                 for number, address in enumerate(addresses) for place, etag, size in _look_up(address)]  # fmt: skip
    except (OSError, ArrowException, AdrecError):
        return NO_VERSIONS
    named = {name: (etag, size) for name, etag, size in found if etag}
    return named if len(named) == len(found) else NO_VERSIONS


def add_versions(
    sources: Sequence[Mapping[str, Any]], versions: Versions, read: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Return the sources of a manifest with the ETags of those that are objects, as they were looked up before.

    Args:
        sources: of a data set.
        versions: of the objects that are there.
        read: all that was read now, as sources; some may have been taken before.
    """
    etags = {
        identify_source(entry): versions[_place(entry)][0]
        for entry in read
        if versions.get(_place(entry), ("", -1))[1] == entry.get("bytes")
    }
    return [
        {**entry, ETAG: etags[known]} if (known := identify_source(entry)) in etags else dict(entry)
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

    Of an update the one that is added to, if it has taken all of them.

    None also where a killed run has left something in it, which is for whoever makes it to remove.
    """
    if not versions:
        return None
    if options.update is not None:
        manifest = _read_to_update(options)
        if manifest is None or len(find_taken(versions, options, manifest.adrec_version)) < len(versions):
            return None
        parameters = _settle_update(options, manifest)
        return SameObjects(folder=options.update, sources=manifest.sources, parameters=parameters)
    folder = workspace / choose_name(source, options)
    manifest = manifest_before(folder)
    if manifest is None or needs_recovery(folder) or (folder / SCRATCH_FOLDER).exists():
        return None
    known = [(_place(entry), (entry.get(ETAG), entry.get("bytes"))) for entry in manifest.sources]
    if len(known) != len(versions) or dict(known) != dict(versions):
        return None
    parameters = settle(options, None, Filters()).parameters()
    return SameObjects(folder=folder, sources=manifest.sources, parameters=parameters)


def find_taken(versions: Versions, options: PreprocessOptions, adrec_version: str) -> frozenset[str]:
    """Return the objects that need not be brought for an update: the data set has taken them, read and cut like this.

    Args:
        versions: of the objects that are there.
        options: of the update.
        adrec_version: that would read them now.
    """
    if not versions or options.update is None:
        return frozenset()
    manifest = _read_to_update(options)
    if manifest is None or manifest.adrec_version != adrec_version:
        return frozenset()
    if drop_findings(manifest.parameters) != _settle_update(options, manifest):
        return frozenset()
    taken = {(_place(entry), entry.get(ETAG), entry.get("bytes")) for entry in manifest.sources}
    return frozenset(name for name, (etag, size) in versions.items() if (name, etag, size) in taken)


def _read_to_update(options: PreprocessOptions) -> Manifest | None:
    """Return the manifest of what is added to, None where objects alone do not say what reading them again adds."""
    folder = options.update
    beside = options.items or options.join
    if folder is None or beside or needs_recovery(folder) or (folder / SCRATCH_FOLDER).exists():
        return None
    manifest = manifest_before(folder)
    return None if manifest is None or manifest.reading.get("join") or manifest.reading.get("items") else manifest


def _settle_update(options: PreprocessOptions, manifest: Manifest) -> dict[str, Any]:
    return settle(options, None, Filters(), inherit(manifest)).parameters()


def _look_up(address: str) -> list[tuple[str, str, int]]:
    store, path = open_store(check_form(address))
    found = list_objects(store, path, address)
    return [(name_object(one.path), find_etag(store, one.path), one.size) for one in found]


def _place(source: Mapping[str, Any]) -> str:
    """Return what the object of a source is called, as `name_object`."""
    return str(PurePosixPath(source.get(FOLDERS, ""), str(source.get("name"))))
