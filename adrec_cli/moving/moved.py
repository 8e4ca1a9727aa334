"""What a push or a pull did, or would do, and how far it is."""

from __future__ import annotations

from dataclasses import dataclass, field

from adrec_cli.events import OnEvent
from adrec_cli.moving.kinds import find_kind


@dataclass(frozen=True, kw_only=True)
class MovedFile:
    """A file that was moved, or would be.

    Attributes:
        path: in the data set's folder.
        kind: of file.
        bytes: its size.
    """

    path: str
    kind: str
    bytes: int


@dataclass(frozen=True, kw_only=True)
class Pruned:
    """What was removed from a place, or with `dry_run` would be.

    Attributes:
        objects, bytes: contents that no inventory names, and their size.
        waiting, waiting_bytes: those that stay, as the grace is not over.
        grace_hours: for how long they do.
        dry_run: nothing was changed.
    """

    objects: int
    bytes: int
    waiting: int
    waiting_bytes: int
    grace_hours: float
    dry_run: bool


@dataclass(frozen=True, kw_only=True)
class Moved:
    """What a push or a pull did, or with `dry_run` would do.

    Attributes:
        dataset: its name.
        place: address, with nothing secret in it.
        files: of the data set, in all.
        moved: those of them that are others where they go to.
        bytes: that went over, or would: contents that are there already do not.
        pushed_at: when what lies there was pushed, by the clock of whoever did; None where that is now.
        overwritten: paths of files that had changed here, and were overwritten by a pull, or would be.
        others: paths of what lies in the data set's folder and is not adrec's, which a push leaves out.
        dry_run: nothing was changed.
        pruned: what was removed there; None where that was not asked for.
    """

    dataset: str
    place: str
    files: int
    moved: list[MovedFile]
    bytes: int
    pushed_at: str | None = None
    overwritten: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    dry_run: bool = False
    pruned: Pruned | None = None


def describe_moved(path: str, size: int) -> MovedFile:
    """Return a file as it is listed."""
    return MovedFile(path=path, kind=find_kind(path) or "", bytes=size)


@dataclass(frozen=True, kw_only=True)
class MovingProgress:
    """How far a push or a pull is.

    Attributes:
        label: what is done, and to which data set.
        done, total: bytes.
    """

    label: str
    done: int
    total: int


class Counter:
    """Counts bytes that have gone over, and reports them."""

    def __init__(self, label: str, total: int, on_event: OnEvent) -> None:
        self._label, self._total, self._on_event = label, total, on_event
        self.done = 0

    def __call__(self, size: int) -> None:
        """Count some more."""
        self.done += size
        self._on_event(MovingProgress(label=self._label, done=self.done, total=self._total))
