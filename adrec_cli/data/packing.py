"""Several short sequences into one row, so that next to nothing is computed for padding."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def pack(lengths: npt.NDArray[np.int64], row_length: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Place sequences into rows by best-fit decreasing: each into the fullest row that still takes it.

    Args:
        lengths: of the sequences, each in 1..row_length.
        row_length: L.

    Returns:
        The row and the first position of each sequence. Rows are numbered from 0 without gaps.
    """
    rows = np.empty(len(lengths), dtype=np.int64)
    starts = np.empty(len(lengths), dtype=np.int64)
    open_rows: list[list[int]] = [[] for _ in range(row_length + 1)]
    # Bit c of `capacities` says that some row has exactly c positions left.
    capacities = 0
    row_count = 0
    for sequence in np.argsort(-lengths, kind="stable").tolist():
        length = int(lengths[sequence])
        fitting = capacities >> length
        if fitting:
            capacity = length + (fitting & -fitting).bit_length() - 1
            row = open_rows[capacity].pop()
            if not open_rows[capacity]:
                capacities &= ~(1 << capacity)
        else:
            capacity, row = row_length, row_count
            row_count += 1
        rows[sequence] = row
        starts[sequence] = row_length - capacity
        if left := capacity - length:
            open_rows[left].append(row)
            capacities |= 1 << left
    return rows, starts
