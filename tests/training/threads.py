"""Several `Processes` as threads of one, which cost no start, for tests of what they compute together."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import torch

from adrec_cli.errors import AdrecError
from adrec_cli.training.processes import Processes

T = TypeVar("T")

_SECONDS = 120


class _Table:
    """Where the threads lay down what they tell each other."""

    def __init__(self, count: int) -> None:
        self.barrier = threading.Barrier(count, timeout=_SECONDS)
        self.places: list[Any] = [None] * count


class Thread(Processes):
    """One of several; `Processes` says what its methods do."""

    def __init__(self, rank: int, table: _Table) -> None:
        self.rank, self.count, self.table = rank, len(table.places), table

    def all(self, mine: Any) -> list[Any]:
        """Return what all have laid down."""
        self.table.places[self.rank] = mine
        self.table.barrier.wait()
        found = list(self.table.places)
        self.table.barrier.wait()
        return found

    def gather(self, compute: Callable[[], Any]) -> list[Any]:
        try:
            mine: tuple[Any, AdrecError | None] = (compute(), None)
        except AdrecError as error:
            mine = (None, error)
        told = self.all(mine)
        for _, error in told:
            if error is not None:
                raise error
        return [copy.deepcopy(found) for found, _ in told]

    def agree(self, compute: Callable[[], T]) -> T:
        kept: list[T] = []
        self.gather(lambda: kept.append(compute()))
        return kept[0]

    def gather_rows(self, rows: torch.Tensor) -> list[torch.Tensor]:
        return [one.clone() for one in self.all(rows)]

    def add_up(self, counts: torch.Tensor) -> torch.Tensor:
        return torch.stack(self.gather_rows(counts)).sum(dim=0)

    def share(self, tensors: Iterable[torch.Tensor]) -> None:
        for tensor in tensors:
            first = self.gather_rows(tensor.detach())[0]
            tensor.detach().copy_(first)

    def deal(self, values_N: torch.Tensor) -> torch.Tensor:
        stretch = -(-len(values_N) // self.count)
        padded = torch.nn.functional.pad(values_N, (0, stretch * self.count - len(values_N)))
        begin = self.rank * stretch
        return torch.stack([one[begin : begin + stretch] for one in self.gather_rows(padded)])

    def collect(self, stretch: torch.Tensor) -> torch.Tensor:
        return torch.cat(self.gather_rows(stretch))

    def exchange(self, rows: torch.Tensor, sent: list[int], received: list[int]) -> torch.Tensor:
        assert sum(sent) == len(rows)
        handed = self.all(list(rows.clone().split(sent)))
        mine = [one[self.rank] for one in handed]
        assert [len(one) for one in mine] == received
        return torch.cat(mine)


def in_threads(count: int, work: Callable[[Processes], T]) -> list[T]:
    """Do something in several threads that work together; return what came of it in each, in the order of ranks."""
    table = _Table(count)

    def one(rank: int) -> T:
        try:
            return work(Thread(rank, table))
        except BaseException:
            # The others would wait for it.
            if not table.barrier.broken:
                threading.Timer(0.5, table.barrier.abort).start()
            raise

    with ThreadPoolExecutor(count) as pool:
        working = [pool.submit(one, rank) for rank in range(count)]
    errors = [ended.exception() for ended in working]
    for error in errors:
        if error is not None and not isinstance(error, threading.BrokenBarrierError):
            raise error
    return [ended.result() for ended in working]
