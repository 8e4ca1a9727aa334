"""Looking up rows of a table so that a GPU adds up their gradients in few kernels, the same way each time."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F

_FEW_ROWS = 256
"""Largest table, in rows, that a GPU looks up by a product with zeros and ones."""


class _SortedLookup(torch.autograd.Function):
    """`F.embedding` whose gradient is a sum over stretches of positions that are sorted by row already."""

    @staticmethod
    def forward(ctx: Any, rows_N: torch.Tensor, table_VD: torch.Tensor, order_N: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(rows_N, order_N)
        ctx.rows = len(table_VD)
        return F.embedding(rows_N, table_VD)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: torch.Tensor) -> tuple[None, torch.Tensor, None]:
        rows_N, order_N = ctx.saved_tensors
        # Row 0 is padding: its stretch begins and ends where that of row 1 begins.
        bounds = torch.arange(ctx.rows + 1, device=rows_N.device).clamp_(min=1)
        begins = torch.searchsorted(rows_N.index_select(0, order_N), bounds)
        sorted_ND = grad_outputs[0].index_select(0, order_N)
        return None, torch.segment_reduce(sorted_ND, "sum", offsets=begins, initial=0, unsafe=True), None


def lookup_sorted(rows: torch.Tensor, table_VD: torch.Tensor, order_N: torch.Tensor) -> torch.Tensor:
    """Return rows of a table, (..., D); row 0, padding, gets no gradient.

    Args:
        rows: (...), int64.
        table_VD: the table.
        order_N: the positions of flattened `rows` in ascending order of the rows they hold.
    """
    found_ND: torch.Tensor = _SortedLookup.apply(rows.flatten(), table_VD, order_N)  # type: ignore[no-untyped-call]
    return found_ND.view(*rows.shape, -1)


def lookup_of_few(rows: torch.Tensor, table_TD: torch.Tensor) -> torch.Tensor:
    """Return rows of a table that has few, (..., D).

    Each row is looked up many times, which a GPU would add up one after the other.
    """
    if rows.device.type != "cuda" or len(table_TD) > _FEW_ROWS:
        return F.embedding(rows, table_TD)
    return multiply_lookup(rows, table_TD)


def multiply_lookup(rows: torch.Tensor, table_TD: torch.Tensor) -> torch.Tensor:
    """Return rows of a table as a product with zeros and ones."""
    with torch.autocast(rows.device.type, enabled=False):
        chosen = (rows.unsqueeze(-1) == torch.arange(len(table_TD), device=rows.device)).to(table_TD.dtype)
        return chosen @ table_TD
