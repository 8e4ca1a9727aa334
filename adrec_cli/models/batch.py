"""What every model is handed: sequences to learn from, several to a row, and histories to continue."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
import torch.nn.functional as F

from adrec_cli.schema import PAD

_KEY_BASE = 6364136223846793005
"""Base of the polynomial whose value, modulo 2^64, is the key of a history; Knuth's multiplier."""


@dataclass(frozen=True, kw_only=True)
class PackedBatch:
    """Training sequences, several of which may share a row.

    Attributes:
        inputs_RL, targets_RL: int64 item indices, targets one step ahead; 0 is padding.
        segments_RL: int64, the number 1..B of the sequence in the batch, 0 for padding.
        positions_RL: int64, 0.. within the sequence.
        sequences: B.
        prefixes: every sequence is one sample, of which only the last target is learned; otherwise all are.
        padded: padding counts as tokens of no weight, as `PaddedBatch` has it.
        seconds_RL: int64, when the event of each input was, 0 for padding; None for a model that reads no times.
        input_order_N, target_order_N: the positions of flattened inputs and targets, sorted by item, where a batch
            knows them.
    """

    inputs_RL: torch.Tensor
    targets_RL: torch.Tensor
    segments_RL: torch.Tensor
    positions_RL: torch.Tensor
    sequences: int
    prefixes: bool = False
    padded: ClassVar[bool] = False
    seconds_RL: torch.Tensor | None = None
    input_order_N: torch.Tensor | None = None
    target_order_N: torch.Tensor | None = None

    @property
    def real_RL(self) -> torch.Tensor:
        """Which positions hold a token rather than padding."""
        return self.inputs_RL != PAD

    @property
    def learned_RL(self) -> torch.Tensor:
        """Which positions have a target that is learned."""
        return self.real_RL & (self.remaining_RL() == 0) if self.prefixes else self.real_RL

    @property
    def targets(self) -> int:
        """How many targets are learned."""
        return self.sequences if self.prefixes else int(self.real_RL.sum())

    def of_tokens(self, values: torch.Tensor) -> torch.Tensor:
        """Return what of values (R, L, ...) belongs to tokens whose target is learned, (N, ...)."""
        return values[self.learned_RL]

    def targets_of_tokens(self) -> torch.Tensor:
        """Return the targets that are learned, (N,)."""
        return self.of_tokens(self.targets_RL)

    def sequence_weights_N(self) -> torch.Tensor:
        """Return weights that average over the targets of a sequence first, then over sequences; they sum to 1."""
        if self.prefixes:
            return torch.full((self.sequences,), 1 / self.sequences, device=self.inputs_RL.device)
        segments_N = self.segments_RL[self.real_RL]
        lengths = torch.bincount(segments_N, minlength=self.sequences + 1)
        return 1.0 / (lengths[segments_N] * self.sequences)

    def lengths_RL(self) -> torch.Tensor:
        """Return how many tokens the sequence of each token has; of padding, how much padding there is."""
        return torch.bincount(self.segments_RL.flatten(), minlength=self.sequences + 1)[self.segments_RL]

    def prepend_padding(self) -> PackedBatch:
        """Return the batch with one more position, padding, at the beginning of each row."""
        return replace(
            self,
            inputs_RL=F.pad(self.inputs_RL, (1, 0)),
            targets_RL=F.pad(self.targets_RL, (1, 0)),
            segments_RL=F.pad(self.segments_RL, (1, 0)),
            positions_RL=F.pad(self.positions_RL, (1, 0)),
            seconds_RL=None if self.seconds_RL is None else F.pad(self.seconds_RL, (1, 0)),
        )

    def remaining_RL(self) -> torch.Tensor:
        """Return how many tokens of its sequence come after each token; 0 for the newest and for padding."""
        lengths = torch.bincount(self.segments_RL.flatten(), minlength=self.sequences + 1)
        return torch.where(self.real_RL, lengths[self.segments_RL] - 1 - self.positions_RL, 0)

    def to(self, device: torch.device) -> PackedBatch:
        """Return the batch on another device."""
        return replace(
            self,
            inputs_RL=self.inputs_RL.to(device, non_blocking=True),
            targets_RL=self.targets_RL.to(device, non_blocking=True),
            segments_RL=self.segments_RL.to(device, non_blocking=True),
            positions_RL=self.positions_RL.to(device, non_blocking=True),
            seconds_RL=None if self.seconds_RL is None else self.seconds_RL.to(device, non_blocking=True),
        )


@dataclass(frozen=True, kw_only=True)
class Elsewhere:
    """A batch of a step that another process computes: what its share in the step depends on.

    Attributes:
        targets, sequences: as those of `PackedBatch`.
    """

    targets: int
    sequences: int

    def to(self, device: torch.device) -> Elsewhere:
        """Return it as it is: it is on no device."""
        return self


@dataclass(frozen=True, kw_only=True)
class HistoryBatch:
    """Histories of users of similar length, left-aligned.

    Attributes:
        items_BL: int64, oldest first; 0 from lengths_B on.
        lengths_B: int64, at least 1.
        whole: every history fills its row, so that there is no padding to be masked.
        seconds_BL: int64, when each event was; None for a model that reads no times.
    """

    items_BL: torch.Tensor
    lengths_B: torch.Tensor
    whole: bool = False
    seconds_BL: torch.Tensor | None = None

    @property
    def padded_lengths_B(self) -> torch.Tensor | None:
        """The lengths where there is padding, else None."""
        return None if self.whole else self.lengths_B

    def keys(self) -> list[int]:
        """Return a number of 64 bits for each history that depends on its items and their order, not on padding."""
        powers_L = torch.full((self.items_BL.shape[1],), _KEY_BASE, device=self.items_BL.device).cumprod(0)
        keys: list[int] = (self.items_BL * powers_L).sum(dim=1).tolist()
        return keys

    def prepend_padding(self) -> HistoryBatch:
        """Return the histories with padding in front, which counts as one of their positions."""
        return replace(
            self,
            items_BL=F.pad(self.items_BL, (1, 0)),
            lengths_B=self.lengths_B + 1,
            seconds_BL=None if self.seconds_BL is None else F.pad(self.seconds_BL, (1, 0)),
        )

    def remaining_BL(self) -> torch.Tensor:
        """Return how many items of its history come after each; 0 for the newest and for padding."""
        columns_L = torch.arange(self.items_BL.shape[1], device=self.items_BL.device)
        return (self.lengths_B.unsqueeze(1) - 1 - columns_L).clamp(min=0)

    def to(self, device: torch.device) -> HistoryBatch:
        """Return the batch on another device."""
        return replace(
            self,
            items_BL=self.items_BL.to(device),
            lengths_B=self.lengths_B.to(device),
            seconds_BL=None if self.seconds_BL is None else self.seconds_BL.to(device),
        )
