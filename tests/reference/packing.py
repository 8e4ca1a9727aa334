"""Best-fit decreasing, one sequence after the other."""

from __future__ import annotations

import numpy as np


def pack(lengths: np.ndarray, row_length: int) -> tuple[np.ndarray, np.ndarray]:
    """Put each sequence, the longest first, into the fullest row that takes it; of equally full rows the newest."""
    rows, starts = np.empty(len(lengths), dtype=np.int64), np.empty(len(lengths), dtype=np.int64)
    open_rows: list[list[int]] = [[] for _ in range(row_length + 1)]
    count = 0
    for sequence in np.argsort(-lengths, kind="stable").tolist():
        length = int(lengths[sequence])
        fitting = [capacity for capacity in range(length, row_length + 1) if open_rows[capacity]]
        if fitting:
            capacity = fitting[0]
            row = open_rows[capacity].pop()
        else:
            capacity, row, count = row_length, count, count + 1
        rows[sequence], starts[sequence] = row, row_length - capacity
        if capacity > length:
            open_rows[capacity - length].append(row)
    return rows, starts
