"""Parts of a batch, made in turns by all processes that share it.

It does not matter to a part which process makes it: all lie in one folder, so that what several have begun is
finished by any number of them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence

from adrec_cli.artifacts.recommendation_file import find_parts_folder, write_part
from adrec_cli.recommending.batch import Batch
from adrec_cli.training.processes import Processes, require_alike


def leave_to_first(_number: int, _name: str) -> None:
    """Keep nothing of a part: the first process does."""


def make_in_turns(
    batch: Batch, key: str, missing: Sequence[int], processes: Processes, keep: Callable[[int, str], None]
) -> Iterator[Sequence[int]]:
    """Make missing parts in rounds, in each of which every process makes one, and yield the numbers of a round's parts.

    Args:
        batch: as every process has opened it.
        key: of everything a part depends on, as this process sees it.
        missing: numbers of the parts; those that the first process names are made.
        processes: all of which go through this.
        keep: called with number and name of each part.

    Raises:
        ArtifactError: a process comes to another key than the first.
        AdrecError: raised in any of them.
    """
    require_alike(processes, key)
    numbers: list[int] = processes.gather(lambda: list(missing))[0]
    for begin in range(0, len(numbers), processes.count):
        turns = numbers[begin : begin + processes.count]
        names = processes.gather(functools.partial(_make_own, batch, key, turns, processes.rank))
        processes.agree(functools.partial(_keep_all, dict(zip(turns, names, strict=False)), keep))
        yield turns


def _keep_all(names: Mapping[int, str], keep: Callable[[int, str], None]) -> None:
    for number, name in names.items():
        keep(number, name)


def _make_own(batch: Batch, key: str, turns: Sequence[int], rank: int) -> str | None:
    """Make the part of a process's turn and return its name; None where it has none in this round."""
    if rank >= len(turns):
        return None
    return write_part(find_parts_folder(batch.destination.unfinished), key, turns[rank], batch.rank(turns[rank]))
