"""Several short sequences into one row, so that next to nothing is computed for padding."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def pack(lengths: npt.NDArray[np.int64], row_length: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Place sequences into rows by best-fit decreasing: each into the fullest row that still takes it.

    Sequences of one length are placed together. The fullest row that takes one of them takes as many more as it can,
    as no other row is fuller then and still has room; so all rows that are equally full are filled at once.

    Args:
        lengths: of the sequences, each in 1..row_length.
        row_length: L.

    Returns:
        The row and the first position of each sequence. Rows are numbered from 0 without gaps.
    """
    order = np.argsort(-lengths, kind="stable")
    rows, starts = np.empty(len(lengths), dtype=np.int64), np.empty(len(lengths), dtype=np.int64)
    # Rows by the number of positions left; the one filled last is at the end.
    open_rows: list[list[int]] = [[] for _ in range(row_length + 1)]
    row_count = placed = 0
    counts = np.bincount(lengths, minlength=row_length + 1).tolist()
    for length in range(row_length, 0, -1):
        waiting = counts[length]
        while waiting:
            capacity = next((c for c in range(length, row_length) if open_rows[c]), row_length)
            each = capacity // length
            wanted = -(-waiting // each)
            if capacity == row_length:
                taken = list(range(row_count, row_count + wanted))
                row_count += wanted
            else:
                left, wanted = open_rows[capacity], min(wanted, len(open_rows[capacity]))
                taken = left[: -wanted - 1 : -1]
                del left[-wanted:]
            count = min(waiting, wanted * each)
            sequences = order[placed : placed + count]
            rows[sequences] = np.repeat(np.array(taken), each)[:count]
            starts[sequences] = row_length - capacity + length * (np.arange(count) % each)
            open_rows[capacity - each * length] += taken[:-1]
            open_rows[capacity - (count - (wanted - 1) * each) * length].append(taken[-1])
            placed, waiting = placed + count, waiting - count
    return rows, starts
