"""Scores of all items as inner products, by whichever kernel reads the item vectors at the memory's speed."""

from __future__ import annotations

from typing import Final

import numpy as np
import torch

_FEW_ROWS: Final = 4
_MANY_ENTRIES: Final = 2**22
"""Of few rows, with entries of item vectors that no cache holds, BLAS is quicker with the items as its rows."""
_WIDE: Final = 128
_SOME_ENTRIES: Final = 2**19
"""From this width and number of entries on, BLAS reads for one row at a third of the memory's speed."""
_ITEMS_AT_ONCE: Final = 4_096


def score_items(representation_RD: torch.Tensor, items_CD: torch.Tensor, out_RC: torch.Tensor) -> torch.Tensor:
    """Write scores_RC = representation_RD items_CD^T to out_RC and return it.

    Which kernel computes them, and so the last digit, depends on how many rows are asked for together.

    Args:
        representation_RD: one per user.
        items_CD: contiguous rows.
        out_RC: rows to be overwritten.
    """
    rows, (items, width) = len(representation_RD), items_CD.shape
    if items_CD.device.type == "cpu" and items_CD.dtype == torch.float32:
        if rows == 1 and width >= _WIDE and items * width >= _SOME_ENTRIES and torch.get_num_threads() == 1:
            # NumPy's loop takes one item after the other, and only one thread.
            np.einsum("cd,d->c", items_CD.numpy(), representation_RD[0].numpy(), out=out_RC[0].numpy())
            return out_RC
        if 1 < rows <= _FEW_ROWS and items * width >= _MANY_ENTRIES:
            for begin in range(0, items, _ITEMS_AT_ONCE):
                some = slice(begin, begin + _ITEMS_AT_ONCE)
                out_RC[:, some] = torch.mm(items_CD[some], representation_RD.T).T
            return out_RC
    return torch.mm(representation_RD, items_CD.T, out=out_RC)
