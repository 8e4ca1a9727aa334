"""The gradient of a step, added up in the order of its parts whoever computed them."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from adrec_cli.training.item_blocks import ItemBlocks
from adrec_cli.training.processes import Processes


class GradientSum:
    """The sum of the gradients of a step's parts, which come in rounds: in each, a process computes one part at most.

    A sum of floats depends on its order. Here it is that of the parts, so that one process and several come to the same
    bytes. Of a dense gradient each process adds one stretch; of a sparse one, all of them add all rows.
    """

    def __init__(
        self, trained: Mapping[str, torch.nn.Parameter], processes: Processes, blocks: ItemBlocks | None = None
    ) -> None:
        """Begin with nothing.

        Args:
            trained: parameters by name, without gradients.
            processes: that compute the parts.
            blocks: of the item table, whose gradients are added by who keeps the rows; None where all keep all.
        """
        self._trained, self._processes, self._blocks = trained, processes, blocks
        self._rows: dict[str, torch.Tensor] = {}
        self._stretch: torch.Tensor | None = None
        self._dense: set[str] = set()

    def take(self, parts: int, *, sparse: frozenset[str], dense: frozenset[str]) -> None:
        """Take the gradients that the backward passes of a round have left at the parameters.

        Args:
            parts: of the round; the process of rank r has computed one if r is less.
            sparse, dense: names of the parameters that have such a gradient in any process.
        """
        for name, weight in self._trained.items():
            if name in sparse:
                self._add_rows(name, weight, parts)
                weight.grad = None
        # One process leaves dense gradients where they are: the next backward pass adds to them, in that order.
        if self._processes.count > 1:
            self._add_stretch(parts, dense)

    def finish(self) -> None:
        """Give every parameter the sum of its gradients; sparse ones are coalesced."""
        for name, total in self._rows.items():
            self._trained[name].grad = total
        if self._stretch is None:
            return
        total_N, begin = self._processes.collect(self._stretch), 0
        for name, weight in self._trained.items():
            if name not in self._rows:
                end = begin + weight.numel()
                weight.grad = total_N[begin:end].view_as(weight) if name in self._dense else None
                begin = end

    def _add_rows(self, name: str, weight: torch.nn.Parameter, parts: int) -> None:
        if self._blocks is not None and weight is self._blocks.weight:
            rows, values = self._blocks.send_gradient()
        else:
            rows, values = self._gather_rows(weight)
        for rows_U, values_UD in zip(rows[:parts], values[:parts], strict=True):
            self._rows[name] = add_rows(self._rows.get(name), rows_U, values_UD, weight.shape)

    def _gather_rows(self, weight: torch.nn.Parameter) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        """Return the rows that each process has a gradient of, ascending, and the values."""
        if weight.grad is None:
            own = torch.sparse_coo_tensor(
                torch.empty(1, 0, dtype=torch.int64), torch.empty(0, *weight.shape[1:]), weight.shape,
                device=weight.device, is_coalesced=True, check_invariants=False,
            )  # fmt: skip
        else:
            own = weight.grad.coalesce()
        return self._processes.gather_rows(own.indices()[0]), self._processes.gather_rows(own.values())

    def _add_stretch(self, parts: int, dense: frozenset[str]) -> None:
        self._dense |= dense
        gradients = []
        for name, weight in self._trained.items():
            if name in self._rows:
                continue
            # What is added to minus zero is left as it is, its sign too, as where there is nothing to add.
            gradient = torch.full_like(weight, -0.0) if weight.grad is None else weight.grad
            gradients.append(gradient.flatten())
            weight.grad = None
        if not gradients:
            return
        for own in self._processes.deal(torch.cat(gradients).detach())[:parts]:
            self._stretch = own.clone() if self._stretch is None else self._stretch.add_(own)


def add_rows(
    total: torch.Tensor | None, rows_U: torch.Tensor, values_UD: torch.Tensor, shape: torch.Size
) -> torch.Tensor:
    """Return a coalesced sparse tensor with rows added to it.

    Args:
        total: coalesced; None for nothing.
        rows_U: ascending numbers of rows, each once.
        values_UD: of the rows.
        shape: of the tensor.
    """
    if total is not None:
        before_T, added_UD = total.indices()[0], values_UD
        together = torch.cat([before_T, rows_U])
        rows_U, places = torch.unique(together, return_inverse=True)
        values_UD = added_UD.new_zeros(len(rows_U), *added_UD.shape[1:])
        values_UD[places[: len(before_T)]] = total.values()
        # No row appears twice, so that nothing depends on the order of threads.
        values_UD.index_add_(0, places[len(before_T) :], added_UD)
    return torch.sparse_coo_tensor(rows_U.unsqueeze(0), values_UD, shape, is_coalesced=True, check_invariants=False)
