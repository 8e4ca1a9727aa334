"""A packed batch whose shapes say all that is computed of it, so that a device never has to be asked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F

from adrec_cli.models.batch import PackedBatch
from adrec_cli.schema import PAD

_PLANES = 7
"""Of every batch; one more says when events were, for a model that reads times."""
_ROWS_AT_ONCE = 8
"""Rows are filled up to a multiple of it, so that batches of about the same size have the same shape."""


@dataclass(frozen=True, kw_only=True)
class PaddedBatch(PackedBatch):
    """A packed batch of which every position counts as a token, those whose target is not learned with no weight.

    Attributes:
        lengths: int64 (R, L), how many tokens the sequence of each position has; 1 for padding.
    """

    padded: ClassVar[bool] = True
    lengths: torch.Tensor

    @classmethod
    def of_planes(cls, planes_PRL: torch.Tensor, *, sequences: int, prefixes: bool = False) -> PaddedBatch:
        """Return the batch whose tensors are those that `planes_of` put one behind the other; no memory is copied."""
        of_every_batch = planes_PRL[:_PLANES]
        inputs_RL, targets_RL, segments_RL, positions_RL, lengths, input_order_RL, target_order_RL = of_every_batch
        return cls(
            inputs_RL=inputs_RL,
            targets_RL=targets_RL,
            segments_RL=segments_RL,
            positions_RL=positions_RL,
            sequences=sequences,
            prefixes=prefixes,
            lengths=lengths,
            seconds_RL=planes_PRL[_PLANES] if len(planes_PRL) > _PLANES else None,
            input_order_N=input_order_RL.flatten(),
            target_order_N=target_order_RL.flatten(),
        )

    def of_tokens(self, values: torch.Tensor) -> torch.Tensor:
        """Return values (R, L, ...) of all positions, (R * L, ...)."""
        return values.flatten(0, 1)

    def targets_of_tokens(self) -> torch.Tensor:
        """Return the targets of all positions, 0 where they are not learned."""
        targets_RL = torch.where(self.learned_RL, self.targets_RL, PAD) if self.prefixes else self.targets_RL
        return targets_RL.flatten()

    def sequence_weights_N(self) -> torch.Tensor:
        """Return the weights of all positions, 0 where the target is not learned."""
        targets: torch.Tensor | int = 1 if self.prefixes else self.lengths
        return torch.where(self.learned_RL, 1.0 / (targets * self.sequences), 0.0).flatten()

    def lengths_RL(self) -> torch.Tensor:
        """Return how many tokens the sequence of each token has."""
        return self.lengths

    def remaining_RL(self) -> torch.Tensor:
        """Return how many tokens of its sequence come after each token; 0 for the newest and for padding."""
        return self.lengths - 1 - self.positions_RL

    def prepend_padding(self) -> PaddedBatch:
        """Return the batch with one more position, padding, at the beginning of each row."""
        rows, length = self.inputs_RL.shape
        first_R = torch.arange(rows, device=self.inputs_RL.device) * (length + 1)
        # Padding is item 0, so that the new positions stand in front of all others.
        input_order_N, target_order_N = (
            None if order_N is None else torch.cat([first_R, order_N + order_N // length + 1])
            for order_N in (self.input_order_N, self.target_order_N)
        )
        return replace(
            self,
            inputs_RL=F.pad(self.inputs_RL, (1, 0)),
            targets_RL=F.pad(self.targets_RL, (1, 0)),
            segments_RL=F.pad(self.segments_RL, (1, 0)),
            positions_RL=F.pad(self.positions_RL, (1, 0)),
            lengths=F.pad(self.lengths, (1, 0), value=1),
            seconds_RL=None if self.seconds_RL is None else F.pad(self.seconds_RL, (1, 0)),
            input_order_N=input_order_N,
            target_order_N=target_order_N,
        )


def planes_of(batch: PackedBatch, max_length: int) -> torch.Tensor:
    """Return what a `PaddedBatch` holds as one tensor on the CPU, int64 (P, R, L), for P 7 or 8.

    Args:
        batch: on the CPU.
        max_length: L, to which rows are filled up; their number is filled up to a multiple of 8.
    """
    rows, used = batch.inputs_RL.shape
    count = _PLANES + (batch.seconds_RL is not None)
    planes = np.zeros((count, -(-rows // _ROWS_AT_ONCE) * _ROWS_AT_ONCE, max_length), dtype=np.int64)
    for plane, values in zip(planes, _values(batch), strict=False):
        plane[:rows, :used] = values
    inputs, targets, segments, _, lengths, input_order, target_order = planes[:_PLANES]
    if batch.seconds_RL is not None:
        planes[_PLANES, :rows, :used] = batch.seconds_RL.numpy()
    lengths[segments == 0] = 1
    for order, items in ((input_order, inputs), (target_order, targets)):
        # Sorting numbers of 16 bits takes a quarter of the time.
        small = items.astype(np.uint16) if items.max() < 2**16 else items
        order[:] = np.argsort(small, axis=None, kind="stable").reshape(order.shape)
    return torch.from_numpy(planes)


def _values(batch: PackedBatch) -> Iterator[np.ndarray[tuple[int, int], np.dtype[np.int64]]]:
    for tensor in (batch.inputs_RL, batch.targets_RL, batch.segments_RL, batch.positions_RL, batch.lengths_RL()):
        yield tensor.numpy()
