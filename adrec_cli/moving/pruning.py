"""Contents elsewhere that nobody can need any more, removed.

Named is what an inventory lists, or one that was replaced within the grace. Whoever pushes or pulls has read an
inventory that was the last one at that time: what it names stays for the grace behind its end, and what is sent stays
for the grace behind that. So no push and no pull that takes less than the grace misses anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import PurePosixPath
from typing import Final

from adrec_cli.artifacts.atomic import TEMPORARY_SUFFIX
from adrec_cli.data.stores import Entry
from adrec_cli.events import OnEvent
from adrec_cli.moving.moved import MovingProgress, Pruned
from adrec_cli.moving.place import Place

_CONTENT: Final = r"[0-9a-f]{64}"
_UNFINISHED: Final = rf"\.{_CONTENT}\.[0-9a-f]{{32}}{re.escape(TEMPORARY_SUFFIX)}"
_LOOK_AGAIN: Final = 1000
"""Contents that are removed between two looks at the inventories."""


def prune(place: Place, *, grace_hours: float, now: float | None = None, on_event: OnEvent) -> Pruned:
    """Remove contents that no data set there has, or has had within the grace.

    Args:
        place: where they lie; ages are by its clock.
        grace_hours: for how long they stay.
        now: seconds since 1970, to remove nothing and only say what would be; None asks the place and removes.
        on_event: called with `MovingProgress`, in bytes.

    Raises:
        InputError: something cannot be read, or an inventory is damaged; what it names is not known then.
        StorageError: something cannot be removed; the same call goes on.
    """
    # Listed first: what is sent from here on is not among it, and what is named from here on is asked for below.
    contents = [one for one in place.list_objects() if re.fullmatch(f"{_CONTENT}|{_UNFINISHED}", _name(one))]
    oldest = (place.read_clock() if now is None else now) - 3600 * grace_hours
    current, named = _read_named(place, oldest)
    unneeded = [one for one in contents if _name(one) not in named and one.modified < oldest]
    waiting = [one for one in contents if _name(one) not in current and (_name(one) in named or one.modified >= oldest)]
    removed = unneeded if now is not None else list(_remove(place, unneeded, oldest, on_event))
    return Pruned(
        objects=len(removed),
        bytes=sum(one.size for one in removed),
        waiting=len(waiting),
        waiting_bytes=sum(one.size for one in waiting),
        grace_hours=grace_hours,
        dry_run=now is not None,
    )


def _remove(place: Place, unneeded: Sequence[Entry], oldest: float, on_event: OnEvent) -> Iterator[Entry]:
    """Remove contents, each unless an inventory names it by now, and then former inventories that count no more."""
    done, total, left = 0, sum(one.size for one in unneeded), iter(unneeded)
    while some := list(islice(left, _LOOK_AGAIN)):
        _, named = _read_named(place, oldest)
        for one in some:
            done += one.size
            if _name(one) not in named:
                place.remove(one)
                yield one
            on_event(MovingProgress(label="removing what nobody needs", done=done, total=total))
    for former in place.list_former():
        if former.modified < oldest:
            place.remove(former)


def _read_named(place: Place, oldest: float) -> tuple[set[str], set[str]]:
    """Return the hashes of contents that inventories name, and with them those of former ones that still count.

    Current ones are read first: what replaces one of them has written it among the former ones before.
    """
    inventories = [place.read_inventory(name) for name in place.list_datasets()]
    current = {part.sha256 for one in inventories if one is not None for file in one.files for part in file.parts}
    former = [place.read_former(one) for one in place.list_former() if one.modified >= oldest]
    return current, current | {
        part.sha256 for one in former if one is not None for file in one.files for part in file.parts
    }


def _name(entry: Entry) -> str:
    return PurePosixPath(entry.path).name
