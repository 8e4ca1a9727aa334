"""`adrec pull`: a data set that was pushed, brought into the workspace with all that was made of it."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from adrec_cli.artifacts.changing import read_forgotten, recover_dataset
from adrec_cli.artifacts.lock import AT_ONCE, Waiting, exclusive, exclusive_with_all_inside
from adrec_cli.artifacts.manifest import DATASET_NAME, Manifest
from adrec_cli.errors import ArtifactError, InputError, StorageError, UsageError
from adrec_cli.events import OnEvent, ignore
from adrec_cli.moving.arriving import Arriving, check_arrival
from adrec_cli.moving.comparison import Comparison, compare, has_all
from adrec_cli.moving.exchange import Arrival, exchange_files
from adrec_cli.moving.hashes import Hashes
from adrec_cli.moving.inventory import Inventory
from adrec_cli.moving.marks import moving_folder, read_marks, remove_copies, write_mark
from adrec_cli.moving.moved import Counter, Moved, describe_moved
from adrec_cli.moving.place import Place
from adrec_cli.schema import MANIFEST_FILE
from adrec_cli.wording import command, command_anywhere, inflect, option, say_count


@dataclass(frozen=True, kw_only=True)
class Pulling:
    """How a pull goes about it.

    Attributes:
        force: overwrite what has changed here, and look at the content of every file.
        dry_run: only say what would be brought.
        waiting: for how long, if another run holds a lock; none of the data set's is held while files come.
        on_event: gets `MovingProgress`.
    """

    force: bool = False
    dry_run: bool = False
    waiting: Waiting = AT_ONCE
    on_event: OnEvent = ignore


def pull(address: str, dataset_name: str | None = None, *, workspace: Path, pulling: Pulling = Pulling()) -> Moved:
    """Bring a data set that was pushed, with its models, results and former data.

    Files come into a folder beside the data set and are checked; then they take their places while nobody changes the
    data set. What lies here and not there stays. A pull that was ended changes nothing before that, and is continued
    by the next one.

    Args:
        address: where it was pushed to.
        dataset_name: None takes the only one there.
        workspace: where data sets are.
        pulling: how.

    Raises:
        UsageError: the address is of a kind that cannot be pulled from, or there are several data sets.
        InputError: there is no such data set, or it is damaged, or not what adrec pushes.
        ArtifactError: a file has changed here since the data set was last moved, or users were forgotten here.
        LockedError: a run is under way.
        StorageError: here cannot be written.
    """
    place = Place(address)
    name = _choose_name(place, dataset_name)
    inventory = place.read_inventory(name)
    if inventory is None:
        raise _name_missing(place, name)
    folder = workspace / name
    base = read_marks(folder).get(place.shown, {})
    if not pulling.force and inventory.hashes == base and has_all(folder, inventory):
        return _describe(place, Comparison(inventory=inventory, here=base, base=base), 0, pulling)
    if pulling.dry_run:
        comparison = compare(folder, inventory, base, Hashes())
        return _describe(place, comparison, _count_bytes(comparison), pulling)
    purpose = command_anywhere("pull", place.shown, name).removeprefix("adrec ")
    with exclusive(moving_folder(folder), purpose, pulling.waiting):
        return _pull(folder, place, inventory, purpose, pulling)


def _pull(folder: Path, place: Place, inventory: Inventory, purpose: str, pulling: Pulling) -> Moved:
    base, hashes = read_marks(folder).get(place.shown, {}), Hashes()
    comparison = compare(folder, inventory, base, hashes)
    if not pulling.force:
        comparison.require_unchanged_here(folder.name)
    size = _count_bytes(comparison)
    _require_room(size, moving_folder(folder))
    counter = Counter(f"bringing {folder.name}", size, pulling.on_event)
    arriving = Arriving(folder, place, hashes, counter)
    arriving.bring(comparison)
    with exclusive_with_all_inside(folder, purpose, pulling.waiting):
        recover_dataset(folder)
        # Looked at again: nobody was kept from changing it while the files came.
        comparison = compare(folder, inventory, base, hashes)
        if not pulling.force:
            comparison.require_unchanged_here(folder.name)
        contents = arriving.find_contents(comparison)
        manifest_place = contents.get(inventory.hashes[MANIFEST_FILE], folder / MANIFEST_FILE)
        manifest = check_arrival(inventory, manifest_place, place.shown)
        _require_forgotten(folder, manifest, place)
        arrival = Arrival(manifest=manifest, inventory=inventory, contents=contents)
        exchange_files(folder, arrival, [one.path for one in comparison.differing])
    write_mark(folder, place.shown, inventory.hashes)
    remove_copies(folder)
    return _describe(place, comparison, counter.done, pulling)


def _choose_name(place: Place, given: str | None) -> str:
    if given is None:
        known = place.list_datasets()
        if len(known) > 1:
            raise UsageError(
                f"{place.shown} holds several data sets: {', '.join(known)}",
                hint=f"name one: {command('pull', place.shown, known[0])}",
            )
        if not known:
            raise _name_missing(place, "data set")
        given = known[0]
    if not re.fullmatch(DATASET_NAME, given):
        raise UsageError(f"{given!r} cannot name a data set", hint="letters, digits, blanks and . _ + -")
    return given


def _name_missing(place: Place, name: str) -> InputError:
    known = ", ".join(place.list_datasets()) or "none"
    return InputError(
        f"there is no {name} at {place.shown}; available: {known}", hint="check the address, or push it there first"
    )


def _count_bytes(comparison: Comparison) -> int:
    """Return how many bytes must come: each content once, and none that is here under another name."""
    here = set(comparison.here.values())
    return sum({one.sha256: one.bytes for one in comparison.needed if one.sha256 not in here}.values())


def _require_room(size: int, place: Path) -> None:
    if size > (free := shutil.disk_usage(place).free):
        raise StorageError(
            f"{place} has {free / 1e6:,.0f} MB left, {size / 1e6:,.0f} MB are to come",
            hint=f"free space, or choose another place with {option('workspace')}",
        )


def _require_forgotten(folder: Path, manifest: Manifest, place: Place) -> None:
    """Refuse to bring back who has left; not even `force` allows that.

    Raises:
        ArtifactError: users were forgotten here who may be in what came.
    """
    if left := set(read_forgotten(folder).get("users", [])) - set(manifest.forgotten.get("users", [])):
        raise ArtifactError(
            f"{say_count(len(left), 'user')} {inflect(len(left), 'was', 'were')} forgotten in "
            f"{folder.name} here who may be in what lies at {place.shown}",
            hint=f"forget them where it was pushed from, or push what is here: "
            f"{command('push', folder.name, place.shown, force=True)}",
        )


def _describe(place: Place, comparison: Comparison, size: int, pulling: Pulling) -> Moved:
    return Moved(
        dataset=comparison.inventory.dataset,
        place=place.shown,
        files=len(comparison.inventory.files),
        moved=[describe_moved(one.path, one.bytes) for one in comparison.differing],
        bytes=size,
        pushed_at=comparison.inventory.pushed_at,
        overwritten=comparison.changed_here,
        dry_run=pulling.dry_run,
    )
