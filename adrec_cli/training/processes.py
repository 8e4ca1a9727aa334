"""The processes a training is computed by: this one alone, or several that a launcher started together.

What is written against `Processes` runs in one process as in several. None of them adds up anything in an order of its
own: numbers are moved from one to the other as they are, and each process adds the same ones in the same order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final, TypeVar

from adrec_cli.errors import ArtifactError

if TYPE_CHECKING:
    import torch

    from adrec_cli.training.memory_once import MemoryOnce

T = TypeVar("T")


class Processes:
    """One process alone, which several are written like.

    Attributes:
        rank: of this process, from 0; the first one reads and writes files and talks to people.
        count: of all processes.
        here: of those on this machine.
        lost: another process cannot be reached any more.
        once: gives memory that all processes of this machine use, as `MemoryOnce`, for what they open in one `agree`;
            None where there is none.
    """

    rank: int = 0
    count: int = 1
    here: int = 1
    lost: bool = False
    once: MemoryOnce | None = None

    @property
    def first(self) -> bool:
        """Whether this process is the first one."""
        return self.rank == 0

    def choose_device(self, name: str) -> str:
        """Return the device that this process computes on where all were asked to use one of this name."""
        return name

    def send_order(self, order: dict[str, Any]) -> None:
        """Have the other processes begin with something that all of them do together."""

    def gather(self, compute: Callable[[], Any]) -> list[Any]:
        """Compute something in every process and return what came of it in each, in the order of ranks.

        Args:
            compute: returns what JSON can hold.

        Raises:
            AdrecError: raised by `compute` in any of them; all raise that of the lowest rank.
        """
        return [compute()]

    def agree(self, compute: Callable[[], T]) -> T:
        """Compute something in every process and return what came of it in this one; errors as `gather`."""
        return compute()

    def gather_rows(self, rows: torch.Tensor) -> list[torch.Tensor]:
        """Return the rows (U, ...) of every process, of each as many as it has, in the order of ranks."""
        return [rows]

    def add_up(self, counts: torch.Tensor) -> torch.Tensor:
        """Return the sum of integers over all processes."""
        return counts

    def share(self, tensors: Iterable[torch.Tensor]) -> None:
        """Give tensors the values that the first process has in them."""

    def deal(self, values_N: torch.Tensor) -> torch.Tensor:
        """Hand each process its stretch of the values of all; return those of this one's, (count, stretch).

        Stretches are equally long; the last ones end in zeros where N is not a multiple of their number.
        """
        return values_N.unsqueeze(0)

    def collect(self, stretch: torch.Tensor) -> torch.Tensor:
        """Return the stretches of all processes in a row."""
        return stretch

    def exchange(self, rows: torch.Tensor, sent: list[int], received: list[int]) -> torch.Tensor:
        """Hand each process its rows, some to each in the order of ranks; return those that all have for this one.

        Args:
            rows: (U, ...); all of them are handed over.
            sent, received: how many to and from each process.
        """
        return rows


ALONE: Final = Processes()
"""One process, as `adrec` runs unless something starts several."""


def require_alike(processes: Processes, described: Any) -> None:
    """Raise unless all processes have come to the same description of what they are about to share.

    Args:
        processes: all of which go through this.
        described: what JSON can hold, of this process's data, options and code.

    Raises:
        ArtifactError: naming the first process that has another.
    """
    found = processes.gather(lambda: described)
    for rank, one in enumerate(found):
        if one != found[0]:
            raise ArtifactError(
                f"process {rank} has other data, options or code than the first process",
                hint="give all machines the same, then run the same command again",
            )


def advance_together(steps: Iterator[int], processes: Processes) -> Iterator[int]:
    """Advance an iterator in each process by one step a round, until none has another; yield what a round has done.

    After each step they hear of each other, so that what fails in one soon ends all.

    Args:
        steps: of this process, each at least 1; there need not be as many in all of them.
        processes: all of which go through this.

    Raises:
        AdrecError: raised by a step in any of them.
    """
    while done := sum(processes.gather(lambda: next(steps, 0))):
        yield done


def compute_after_first(compute: Callable[[], T], processes: Processes) -> T:
    """Compute something in the first process and then, with what it has brought here, in the others; errors as all."""
    found = processes.agree(lambda: [compute()] if processes.first else [])
    return processes.agree(lambda: found[0] if found else compute())
