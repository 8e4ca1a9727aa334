"""Sequences into tensors: packed training batches and histories of similar length."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import torch

from adrec_cli.data.packing import pack
from adrec_cli.data.sequences import Sequences
from adrec_cli.models.batch import Elsewhere, HistoryBatch, PackedBatch

_EVENTS_AT_ONCE, _USERS_AT_ONCE = 2**22, 2**18
"""Counted together, so that what is computed of them stays small."""


@dataclass(frozen=True, kw_only=True)
class TrainingWindows:
    """Stretches of train events a model learns from; each gives as many pairs of input and target as its length.

    Attributes:
        items: as `Sequences.items`.
        starts: the first event of each window.
        lengths: inputs of each window, 1..L (one less than its events).
        prefixes: of each window only the last target is learned.
        seconds: as `Sequences.seconds`, for a model that reads times.
    """

    items: npt.NDArray[np.int32]
    starts: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.int64]
    prefixes: bool = False
    seconds: npt.NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def tokens(self) -> int:
        """Inputs of all windows."""
        return int(self.lengths.sum())

    def target_counts(self, item_count: int) -> npt.NDArray[np.int64]:
        """Return how often each item, padding included, is a target of the windows."""
        if self.prefixes:
            return np.bincount(self.items[self.starts + self.lengths], minlength=item_count + 1).astype(np.int64)
        counts = np.zeros(item_count + 1, dtype=np.int64)
        at_once = max(1, _EVENTS_AT_ONCE // int(self.lengths.max(initial=1)))
        for first in range(0, len(self), at_once):
            starts, lengths = self.starts[first : first + at_once], self.lengths[first : first + at_once]
            within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
            targets = self.items[np.repeat(starts + 1, lengths) + within]
            counts += np.bincount(targets, minlength=item_count + 1)
        return counts


def training_windows(sequences: Sequences, max_length: int, *, all_events: bool = False) -> TrainingWindows:
    """Cut the train events of each user into windows of at most max_length inputs.

    Args:
        sequences: of a dataset.
        max_length: L.
        all_events: cut a long history into several windows from its end backwards; otherwise only the newest
            window is used, as in the ADRec code.
    """
    ends = sequences.offsets[:-1] + sequences.train_end
    inputs = sequences.train_end - 1
    has_target = inputs >= 1
    ends, inputs = ends[has_target], inputs[has_target]
    counts = -(-inputs // max_length) if all_events else np.ones_like(inputs)
    owner = np.repeat(np.arange(len(ends)), counts)
    number = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
    lengths = np.minimum(inputs[owner] - number * max_length, max_length)
    # A window's targets end where the newer window's inputs begin: each pair is learned once.
    starts = ends[owner] - 1 - number * max_length - lengths
    return TrainingWindows(items=sequences.items, starts=starts, lengths=lengths)


def find_trained_items(sequences: Sequences) -> torch.Tensor:
    """Return bool (V,), padding in front: which items occur in events of train, whatever windows are cut of them."""
    trained_V = np.zeros(sequences.item_count + 1, dtype=bool)
    ends = sequences.offsets[:-1] + sequences.train_end
    for first in range(0, sequences.users, _USERS_AT_ONCE):
        users = slice(first, first + _USERS_AT_ONCE)
        begins, lengths = sequences.offsets[:-1][users], sequences.lengths[users]
        begin, end = begins[0], begins[-1] + lengths[-1]
        in_train = np.arange(begin, end) < np.repeat(ends[users], lengths)
        trained_V[sequences.items[begin:end][in_train]] = True
    return torch.from_numpy(trained_V)


def prefix_windows(sequences: Sequences, max_length: int, *, all_events: bool = False) -> TrainingWindows:
    """Give every train event after a user's first a window of its own: the events before it, the newest max_length.

    Args:
        sequences: of a dataset.
        max_length: L.
        all_events: as `training_windows`.

    Source: the DiffuRec code, which learns from every prefix of a history, as DuoRec's and BSARec's do.
    """
    first = np.ones_like(sequences.train_end) if all_events else np.maximum(sequences.train_end - max_length, 1)
    counts = np.maximum(sequences.train_end - first, 0)
    owner = np.repeat(np.arange(sequences.users), counts)
    target = first[owner] + np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
    oldest = np.zeros_like(target) if all_events else first[owner] - 1
    lengths = np.minimum(target - oldest, max_length)
    return TrainingWindows(
        items=sequences.items, starts=sequences.offsets[owner] + target - lengths, lengths=lengths, prefixes=True
    )


CUTS = MappingProxyType({"sequences": training_windows, "prefixes": prefix_windows})
"""What a sample is, by the option `samples` of a training."""


def epoch_steps(
    windows: TrainingWindows,
    *,
    batch_size: int,
    parts: int = 1,
    max_length: int,
    generator: torch.Generator,
    first: int = 0,
    turn: int = 0,
    turns: int = 1,
) -> Iterator[list[PackedBatch | Elsewhere]]:
    """Yield the packed batches of each step of an epoch over shuffled windows.

    Args:
        windows: to learn from.
        batch_size: windows a step; the last step may have fewer.
        parts: largest number of batches per step, of about as many windows each.
        max_length: L, the length of a row.
        generator: of the order.
        first: steps to leave out, when an interrupted epoch goes on.
        turn, turns: number of this process, and of all; the batches that others compute are not packed.
    """
    order = torch.randperm(len(windows), generator=generator).numpy()
    for begin in range(first * batch_size, len(windows), batch_size):
        chosen = order[begin : begin + batch_size]
        pieces = np.array_split(chosen, min(parts, len(chosen)))
        yield [
            pack_batch(windows, piece, max_length) if number % turns == turn else _elsewhere(windows, piece)
            for number, piece in enumerate(pieces)
        ]


def _elsewhere(windows: TrainingWindows, chosen: npt.NDArray[np.int64]) -> Elsewhere:
    targets = len(chosen) if windows.prefixes else int(windows.lengths[chosen].sum())
    return Elsewhere(targets=targets, sequences=len(chosen))


def pack_batch(windows: TrainingWindows, chosen: npt.NDArray[np.int64], max_length: int) -> PackedBatch:
    """Pack some windows into one batch; rows are as long as the longest needs, at most max_length."""
    starts, lengths = windows.starts[chosen], windows.lengths[chosen]
    rows, columns = pack(lengths, max_length)
    used = int((columns + lengths).max())
    shape = (int(rows.max()) + 1, used)
    position = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    at = np.repeat(rows * used + columns, lengths) + position
    source = np.repeat(starts, lengths) + position

    def fill(values: npt.NDArray[np.integer]) -> torch.Tensor:
        flat = np.zeros(shape[0] * shape[1], dtype=np.int64)
        flat[at] = values
        return torch.from_numpy(flat.reshape(shape))

    return PackedBatch(
        inputs_RL=fill(windows.items[source]),
        targets_RL=fill(windows.items[source + 1]),
        segments_RL=fill(np.repeat(np.arange(1, len(chosen) + 1), lengths)),
        positions_RL=fill(position),
        sequences=len(chosen),
        prefixes=windows.prefixes,
        seconds_RL=None if windows.seconds is None else fill(windows.seconds[source]),
    )


def history_batches(
    items: npt.NDArray[np.int32],
    starts: npt.NDArray[np.int64],
    ends: npt.NDArray[np.int64],
    *,
    max_length: int,
    batch_tokens: int,
    most_cases: int | None = None,
    seconds: npt.NDArray[np.int64] | None = None,
) -> Iterator[tuple[npt.NDArray[np.int64], HistoryBatch]]:
    """Yield histories of similar length together with the numbers of the cases they belong to.

    A batch holds one length only, so that it needs neither padding nor a mask, unless it would be less than a quarter
    full.

    Args:
        items: as `Sequences.items`.
        starts, ends: the events [start, end) of each case's history, at least one.
        max_length: L; only the newest L events are used.
        batch_tokens: largest number of positions per batch; a batch has at least one case.
        most_cases: of a batch; None leaves it to its positions.
        seconds: when each of the items was, for a model that reads times.
    """
    starts = np.maximum(starts, ends - max_length)
    lengths = ends - starts
    order = np.argsort(lengths, kind="stable")
    sorted_lengths = lengths[order]
    begin = 0
    while begin < len(order):
        # Sorted by length, so a batch's last history is its longest; positions grow with every case taken in.
        window = sorted_lengths[begin : begin + min(batch_tokens, most_cases or batch_tokens)]
        positions = np.arange(1, len(window) + 1) * window
        count = max(1, int(np.searchsorted(positions, batch_tokens, side="right")))
        alike = int(np.searchsorted(window[:count], window[0], side="right"))
        if alike * window[0] * 4 >= batch_tokens:
            count = alike
        cases = order[begin : begin + count]
        yield cases, _history_batch(items, starts[cases], lengths[cases], seconds)
        begin += count


def _history_batch(
    items: npt.NDArray[np.int32],
    starts: npt.NDArray[np.int64],
    lengths: npt.NDArray[np.int64],
    seconds: npt.NDArray[np.int64] | None,
) -> HistoryBatch:
    columns = np.arange(lengths.max())
    real = columns < lengths[:, None]
    source = np.where(real, starts[:, None] + columns, 0)
    padded = np.where(real, items[source], 0).astype(np.int64)
    return HistoryBatch(
        items_BL=torch.from_numpy(padded),
        lengths_B=torch.from_numpy(lengths.astype(np.int64)),
        whole=bool(lengths.min() == len(columns)),
        seconds_BL=None if seconds is None else torch.from_numpy(np.where(real, seconds[source], 0)),
    )
