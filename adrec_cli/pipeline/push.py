"""`adrec push`: a data set with all that was made of it, copied to a place elsewhere."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from adrec_cli import __version__
from adrec_cli.artifacts.atomic import storage_error
from adrec_cli.artifacts.lock import AT_ONCE, Waiting, exclusive
from adrec_cli.artifacts.steadily import list_told, read_steadily
from adrec_cli.artifacts.workspace import Workspace
from adrec_cli.errors import ArtifactError, DamagedInventoryError, StorageError
from adrec_cli.events import OnEvent, ignore
from adrec_cli.moving.inventory import PART_BYTES, Inventory, Part, StoredFile
from adrec_cli.moving.marks import moving_folder, read_marks, write_mark
from adrec_cli.moving.moved import Counter, Moved, Pruned, describe_moved
from adrec_cli.moving.options import NO_PRUNING, PruneOptions
from adrec_cli.moving.place import Place
from adrec_cli.moving.pruning import prune as prune_place
from adrec_cli.moving.snapshot import Snapshot, describe_file, look_at, taking_snapshot
from adrec_cli.wording import command, command_anywhere, option


@dataclass(frozen=True, kw_only=True)
class Pushing:
    """How a push goes about it.

    Attributes:
        force: replace what others have pushed there since.
        dry_run: only say what would be sent, and removed.
        pruning: whether to remove what nobody needs, behind it.
        on_event: gets `MovingProgress`.
    """

    force: bool
    dry_run: bool
    pruning: PruneOptions
    on_event: OnEvent


def push(
    dataset_name: str | None,
    address: str,
    *,
    workspace: Path,
    force: bool = False,
    dry_run: bool = False,
    pruning: PruneOptions = NO_PRUNING,
    waiting: Waiting = AT_ONCE,
    on_event: OnEvent = ignore,
) -> Moved:
    """Copy a data set with its models, results and former data to a place elsewhere.

    Contents that lie there already are not sent, so that the same call goes on where one was ended. What the data set
    consists of there changes last and at once; until then, whoever pulls gets what was pushed before.

    Args:
        dataset_name: None takes the only one.
        address: `s3://bucket/prefix`, `gs://...`, `az://container/prefix`, `file:///folder`, or a folder's path.
        workspace: where data sets are.
        force, dry_run, pruning, on_event: as `Pushing`.
        waiting: for how long, if another run holds a lock; none is held while files are sent.

    Raises:
        UsageError: the address is of a kind that cannot be pushed to, or lies in the workspace.
        InputError: what lies there cannot be read, or is damaged.
        ArtifactError: the data set is missing or damaged, or another was pushed there since.
        LockedError: a run is under way.
        StorageError: there cannot be written.
    """
    asked = Pushing(force=force, dry_run=dry_run, pruning=pruning, on_event=on_event)
    folder = Workspace(workspace).dataset_folder(dataset_name)
    place = Place(address)
    for one in (workspace, folder):
        place.require_outside(one)
    if dry_run:
        return read_steadily(lambda: list_told(folder), lambda: _push(folder, place, look_at(folder), asked))
    purpose = command_anywhere("push", folder.name, place.shown).removeprefix("adrec ")
    with (
        exclusive(moving_folder(folder), purpose, waiting),
        taking_snapshot(folder, purpose, waiting) as snapshot,
    ):
        return _push(folder, place, snapshot, asked)


def _push(folder: Path, place: Place, snapshot: Snapshot, asked: Pushing) -> Moved:
    # Where nothing is sent nothing is held: a run may remove a file meanwhile.
    places = (one for one in snapshot.places.items() if not asked.dry_run or one[1].is_file())
    files = tuple(describe_file(path, where) for path, where in places)
    inventory = Inventory(
        dataset=folder.name,
        files=files,
        pushed_at=datetime.now(UTC).isoformat(timespec="seconds"),
        adrec_version=__version__,
    )
    there = _read_there(place, folder.name, force=asked.force)
    if there is not None and not asked.force:
        _require_successor(there, inventory, read_marks(folder).get(place.shown, {}), place)
    named = set() if there is None else {part for one in there.files for part in one.parts}
    missing = place.find_missing((part for one in files for part in one.parts), named, again=not asked.dry_run)
    size = sum(part.bytes for part in missing)
    if not asked.dry_run:
        counter = Counter(f"sending {folder.name}", size, asked.on_event)
        for one in files:
            _send(one, snapshot.places[one.path], missing, place, counter)
        if there is None or there.hashes != inventory.hashes:
            place.write_inventory(inventory)
        write_mark(folder, place.shown, inventory.hashes)
    before = {} if there is None else there.hashes
    return Moved(
        dataset=folder.name,
        place=place.shown,
        files=len(files),
        moved=[describe_moved(one.path, one.bytes) for one in files if before.get(one.path) != one.sha256],
        bytes=size,
        others=snapshot.others,
        dry_run=asked.dry_run,
        pruned=_prune(place, asked) if asked.pruning.prune else None,
    )


def _prune(place: Place, asked: Pushing) -> Pruned:
    now = time.time() if asked.dry_run else None
    return prune_place(place, grace_hours=asked.pruning.grace, now=now, on_event=asked.on_event)


def _read_there(place: Place, name: str, *, force: bool) -> Inventory | None:
    """Return what lies there; None where nothing does, or with `force` where it is damaged."""
    try:
        return place.read_inventory(name)
    except DamagedInventoryError as error:
        if not force:
            raise DamagedInventoryError(error.message, hint=f"replace it with {option('force', True)}") from None
        return None


def _require_successor(there: Inventory, ours: Inventory, base: Mapping[str, str], place: Place) -> None:
    """Refuse to replace what was pushed by somebody else since this data set was last moved to or from there."""
    if there.hashes not in (dict(base), ours.hashes):
        raise ArtifactError(
            f"{there.dataset} at {place.shown} was pushed from elsewhere since it was last moved to or from here, at "
            f"{there.pushed_at}",
            hint=f"get it with: {command('pull', place.shown, there.dataset)}, or replace it with "
            f"{option('force', True)}",
        )


def _send(one: StoredFile, source: Path, missing: set[Part], place: Place, counter: Counter) -> None:
    """Send the parts of a file that are missing, and take them off that list."""
    if missing.isdisjoint(one.parts):
        return
    try:
        with open(source, "rb") as file:
            for number, part in enumerate(one.parts):
                if part not in missing:
                    continue
                file.seek(number * PART_BYTES)
                content = file.read(part.bytes)
                if hashlib.sha256(content).hexdigest() != part.sha256:
                    raise StorageError(f"{one.path} changed while it was sent", hint="run the same command again")
                place.send(part, content)
                missing.discard(part)
                counter(part.bytes)
    except OSError as error:
        raise storage_error("read", source, error) from error
