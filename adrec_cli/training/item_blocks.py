"""An item table too large for one card: each process keeps a block of its rows, and brings those that a step uses.

What a step computes is what it would with the whole table, to the byte: rows are moved as they are, the gradients of a
row reach its owner and are added there in the order of parts, and only the owner steps it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import gcd
from typing import Any

import torch
import torch.nn.functional as F

from adrec_cli.errors import AdrecError, Stopped
from adrec_cli.models.base import SequentialRecommender
from adrec_cli.schema import PAD
from adrec_cli.training.processes import Processes

_UNITS = 840
"""Stretches of a table that are never cut: of a number that the usual numbers of processes divide."""
_ALIGNED = 16
"""Floats from the beginning of one unit to the next are a multiple of it, so that products find them aligned alike."""
_PIECE_BYTES = 2**24
"""Sent at once where blocks are handed out or read one after the other."""


def unit_of(rows: int, width: int) -> int:
    """Return how many rows a unit of a table has; it does not depend on the number of processes."""
    step = _ALIGNED // gcd(_ALIGNED, width)
    return step * max(1, -(-rows // (_UNITS * step)))


def block_bounds(rows: int, width: int, count: int) -> list[int]:
    """Return where the blocks of `count` processes begin, and where the last one ends; whole units each."""
    unit = unit_of(rows, width)
    units = -(-rows // unit)
    return [min(rows, unit * (units * rank // count)) for rank in range(count + 1)]


@dataclass(frozen=True)
class _Brought:
    """Rows that are here for the part that is computed.

    Attributes:
        items_U: whose they are, ascending, padding among them.
        rows_UD: without gradients.
    """

    items_U: torch.Tensor
    rows_UD: torch.Tensor


class _OfWhole(torch.autograd.Function):
    """Rows of a table, whose sparse gradient becomes one of the whole table: the same as if it had been looked up in.

    The table is a leaf without memory, for its shape and its gradient.
    """

    @staticmethod
    def forward(ctx: Any, whole_VD: torch.Tensor, rows_UD: torch.Tensor, items_U: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(items_U)
        ctx.shape = whole_VD.shape
        return rows_UD.view_as(rows_UD)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        (items_U,), gradient = ctx.saved_tensors, grad_outputs[0]
        # Both ascend, so that coalescing meets equal rows in the same order as in the whole table.
        items_N = items_U[gradient._indices()[0]]
        of_whole = torch.sparse_coo_tensor(
            items_N.unsqueeze(0), gradient._values(), ctx.shape,
            is_coalesced=gradient.is_coalesced(), check_invariants=False,
        )  # fmt: skip
        return of_whole, None, None


class Blockwise:
    """A tensor whose blocks come from all processes, one piece after the other, as who writes it reads it.

    Attributes:
        shape, dtype, nbytes: of the whole.
    """

    def __init__(self, pieces: Iterator[torch.Tensor], shape: tuple[int, ...], dtype: torch.dtype) -> None:
        self.shape, self.dtype = torch.Size(shape), dtype
        self.nbytes = self.shape.numel() * dtype.itemsize
        self._pieces = pieces

    def __iter__(self) -> Iterator[torch.Tensor]:
        """Go on with the pieces; each is there once."""
        return self._pieces


class ItemBlocks:
    """The item table of a model under training, of which this process keeps a block.

    Attributes:
        table: of the model; its weight is the block.
        bounds: rows at which the blocks begin, and where the last one ends.
        names: of the table among the model's weights.
    """

    def __init__(self, model: SequentialRecommender, processes: Processes) -> None:
        """Cut the table up; all processes call this, and only the first one's rows are looked at.

        Args:
            model: with one item table, on the CPU.
            processes: that share it.
        """
        (self.table,) = model.item_tables()
        weight = self.table.weight
        assert weight is not None
        self.processes = processes
        self.rows, self.width = self.table.shape
        self.unit = unit_of(self.rows, self.width)
        self.bounds = block_bounds(self.rows, self.width, processes.count)
        self.begin, self.end = self.bounds[processes.rank : processes.rank + 2]
        self.names = {name for name, one in model.state_dict(keep_vars=True).items() if one is weight}
        own = self.hand_out(weight.detach() if processes.first else None, weight.dtype, (self.width,))
        self.table.weight = torch.nn.Parameter(own)
        self.table.blocks = self
        self._brought: _Brought | None = None
        self._whole_VD = torch.empty(0)

    @property
    def weight(self) -> torch.nn.Parameter:
        """The rows of this process."""
        assert self.table.weight is not None
        return self.table.weight

    @property
    def elsewhere(self) -> int:
        """How many numbers other processes keep."""
        return (self.rows - self.end + self.begin) * self.width

    def holds(self, name: str) -> bool:
        """Return whether a tensor of a state or of the weights, by its name there, lies in blocks."""
        return any(name == own or name.endswith(f"/{own}") for own in self.names)

    # ---- rows in use

    def bring(self, *items: torch.Tensor) -> None:
        """Have the rows of some items here, and those of no others; all processes call this together."""
        whole_VD = torch.full((1, 1), float("nan"), dtype=self.weight.dtype, device=self.weight.device)
        self._whole_VD = whole_VD.expand(self.rows, self.width).requires_grad_(self.weight.requires_grad)
        nothing = torch.empty(0, dtype=torch.int64, device=self.weight.device)
        self._brought = self._bring(nothing, self.weight.detach()[:0], items)

    def bring_more(self, *items: torch.Tensor) -> None:
        """Have the rows of some more items here too; all processes call this together."""
        assert self._brought is not None
        self._brought = self._bring(self._brought.items_U, self._brought.rows_UD, items)

    def _bring(self, here_U: torch.Tensor, rows_UD: torch.Tensor, items: tuple[torch.Tensor, ...]) -> _Brought:
        padding = torch.full((1,), PAD, device=here_U.device)
        asked_U = torch.cat([padding, *(some.flatten() for some in items)]).unique()  # type: ignore[no-untyped-call]
        asked_U = asked_U[~torch.isin(asked_U, here_U, assume_unique=True)]
        items_U, order_U = torch.cat([here_U, asked_U]).sort()
        return _Brought(items_U, torch.cat([rows_UD, self._fetch(asked_U)])[order_U])

    def __call__(self, items: torch.Tensor) -> torch.Tensor:
        """Return what `look_up` does."""
        return self.look_up(items)

    def look_up(self, items: torch.Tensor) -> torch.Tensor:
        """Return the vectors (..., D) of items (...); padding gives zeros and gets no gradient.

        In training of items that were brought; otherwise of any, and all processes call this together.
        """
        if torch.is_grad_enabled():
            table_UD, numbers = self.locate(items)
            return F.embedding(numbers, table_UD, padding_idx=PAD, sparse=True)
        asked_U, numbers = items.unique(return_inverse=True)  # type: ignore[no-untyped-call]
        return self._fetch(asked_U)[numbers]

    def locate(self, items: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the rows that were brought, and the numbers of some items among them; gradients go to `gradient`.

        Raises:
            RuntimeError: not all of them were brought: the model looks up what is neither an input nor a target.
        """
        assert self._brought is not None
        items_U = self._brought.items_U
        numbers = torch.searchsorted(items_U, items).clamp_(max=len(items_U) - 1)
        if not torch.equal(items_U[numbers], items):
            raise RuntimeError("a step looks up items that were not brought for it")
        # One for each lookup: gradients are added in the order in which lookups come, and in pairs as they come.
        table_UD: torch.Tensor = _OfWhole.apply(self._whole_VD, self._brought.rows_UD, items_U)  # type: ignore[no-untyped-call]
        return table_UD, numbers

    def _fetch(self, items_U: torch.Tensor) -> torch.Tensor:
        """Return rows, of which each process asks for its own, ascending and each once."""
        sent, received = self._count(items_U)
        asked = self.processes.exchange(items_U, sent, received)
        return self.processes.exchange(self.weight.detach()[asked - self.begin], received, sent)

    def _count(self, items_U: torch.Tensor) -> tuple[list[int], list[int]]:
        """Return how many of ascending items each process keeps, and how many of theirs this one does."""
        bounds = torch.tensor(self.bounds, device=items_U.device)
        sent_W = torch.searchsorted(items_U, bounds).diff()
        return sent_W.tolist(), self.processes.deal(sent_W).flatten().tolist()

    # ---- gradients

    @property
    def gradient(self) -> torch.Tensor | None:
        """What backward passes have left since the rows were brought, sparse, of the whole table."""
        return self._whole_VD.grad

    def send_gradient(self) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        """Give the gradients of rows to their owners; return those of this one's block, from each process.

        Returns:
            rows, ascending numbers within the block, and their values, of each process in the order of ranks.
        """
        if (gradient := self.gradient) is None:
            items_U = torch.empty(0, dtype=torch.int64, device=self.weight.device)
            values_UD = self.weight.detach()[:0]
        else:
            whole = gradient.coalesce()
            items_U, values_UD = whole.indices()[0], whole.values()
        sent, received = self._count(items_U)
        rows = self.processes.exchange(items_U, sent, received) - self.begin
        values = self.processes.exchange(values_UD, sent, received)
        return list(torch.split(rows, received)), list(torch.split(values, received))

    # ---- all rows

    def units(self) -> Iterator[tuple[int, torch.Tensor]]:
        """Yield the item that each unit of this block begins with, and its rows.

        What is computed unit by unit does not depend on how many processes there are.
        """
        for begin in range(self.begin, self.end, self.unit):
            yield begin, self.weight.detach()[begin - self.begin : min(begin + self.unit, self.end) - self.begin]

    def take_of_owners(self, values_N: torch.Tensor, items_N: torch.Tensor) -> torch.Tensor:
        """Return of each item the value that the process has which keeps it; all processes call this together."""
        owner_N = torch.searchsorted(torch.tensor(self.bounds[1:], device=items_N.device), items_N, right=True)
        return torch.stack(self.processes.gather_rows(values_N)).gather(0, owner_N.unsqueeze(0)).squeeze(0)

    def add_up(self, counts: torch.Tensor) -> torch.Tensor:
        """Return the sum of counts over all processes."""
        return self.processes.add_up(counts)

    def hand_out(
        self,
        whole: torch.Tensor | None,
        dtype: torch.dtype,
        of_row: Sequence[int],
        *,
        device: torch.device | None = None,
    ) -> torch.Tensor:
        """Return this process's block of a tensor that the first one has; all processes call this together.

        Args:
            whole: (V, ...), with padding; None in all but the first.
            dtype, of_row: its type, and its shape but for V.
            device: of the block; None for the CPU.
        """
        own = torch.empty(self.end - self.begin, *of_row, dtype=dtype, device=device)
        if whole is not None:
            own.copy_(whole[self.begin : self.end])
        for rank, begin, end in self._pieces_of(own):
            rows = own[:0] if whole is None else whole[begin:end].to(own.device)
            found = self._move(rows, end - begin, source=0, target=rank)
            if self.processes.rank == rank:
                own[begin - self.begin : end - self.begin] = found
        return own

    def cut(self, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Return the tensors of a state with this process's blocks of those that are whole."""
        return {
            name: one[self.begin : self.end].clone() if self.holds(name) and one.shape[:1] == (self.rows,) else one
            for name, one in tensors.items()
        }

    @contextmanager
    def put_together(self, tensors: Mapping[str, torch.Tensor]) -> Iterator[Mapping[str, torch.Tensor | Blockwise]]:
        """Let the first process write tensors whose blocks come from all; all processes call this together.

        Args:
            tensors: of a state or the weights; those in blocks are of this process.

        Yields:
            In the first process the same ones with those in blocks as `Blockwise`, to be read in the order of names.

        Raises:
            AdrecError: what was raised within, in the first process: in all of them.
        """
        names, failed = sorted(name for name in tensors if self.holds(name) and tensors[name].dim()), None
        streams = self._streams({name: tensors[name].detach() for name in names})
        if self.processes.first:
            try:
                yield {**tensors, **streams}
            except Stopped:
                raise
            except AdrecError as error:
                failed = error
        else:
            yield {}
        # Whatever came of it, the others send all they have.
        for name in names:
            for _ in streams[name]:
                pass
        self.processes.agree(lambda: _raise(failed))

    def _streams(self, own: Mapping[str, torch.Tensor]) -> dict[str, Blockwise]:
        waiting = list(own)

        def take_turn(name: str) -> Iterator[torch.Tensor]:
            if waiting[0] != name:
                raise RuntimeError(f"{name} is read before {waiting[0]}, which the other processes send first")
            yield from self._collect(own[name])
            waiting.pop(0)

        return {name: Blockwise(take_turn(name), (self.rows, *one.shape[1:]), one.dtype) for name, one in own.items()}

    def _collect(self, own: torch.Tensor) -> Iterator[torch.Tensor]:
        """Yield the pieces of all blocks in the first process; in the others nothing of use."""
        if self.processes.first:
            yield own
        for rank, begin, end in self._pieces_of(own):
            rows = own[begin - self.begin : end - self.begin] if self.processes.rank == rank else own[:0]
            yield self._move(rows, end - begin, source=rank, target=0)

    def _move(self, rows: torch.Tensor, count: int, *, source: int, target: int) -> torch.Tensor:
        """Move some rows from one process to another; all processes call this together."""
        sent, received = [0] * self.processes.count, [0] * self.processes.count
        if self.processes.rank == source:
            sent[target] = count
        if self.processes.rank == target:
            received[source] = count
        return self.processes.exchange(rows, sent, received)

    def _pieces_of(self, own: torch.Tensor) -> Iterator[tuple[int, int, int]]:
        """Yield the rank, beginning and end of all pieces but those of the first process."""
        step = max(1, _PIECE_BYTES // max(1, own[:1].nbytes))
        for rank in range(1, self.processes.count):
            for begin in range(self.bounds[rank], self.bounds[rank + 1], step):
                yield rank, begin, min(begin + step, self.bounds[rank + 1])


@contextmanager
def gather_blocks(
    blocks: ItemBlocks | None, tensors: Mapping[str, torch.Tensor]
) -> Iterator[Mapping[str, torch.Tensor | Blockwise]]:
    """Yield tensors of a state or the weights as they are to be written, by `ItemBlocks.put_together` if in blocks."""
    if blocks is None:
        yield tensors
        return
    with blocks.put_together(tensors) as whole:
        yield whole


def _raise(error: AdrecError | None) -> None:
    if error is not None:
        raise error
