"""What every model is handed and what it gives back; training and ranking know models by this alone.

Shapes are in the names of tensors: B batch (users or sequences), R packed rows, L positions, N real tokens of a
batch, D width, V items with padding (column 0), K top-k, T diffusion steps, H heads, S slots of a cache, d = D / H.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

from adrec_cli.errors import UsageError
from adrec_cli.schema import PAD


@dataclass(frozen=True, kw_only=True)
class PackedBatch:
    """Training sequences, several of which may share a row.

    Attributes:
        inputs_RL, targets_RL: int64 item indices, targets one step ahead; 0 is padding.
        segments_RL: int64, the number 1..B of the sequence in the batch, 0 for padding.
        positions_RL: int64, 0.. within the sequence.
        sequences: B.
    """

    inputs_RL: torch.Tensor
    targets_RL: torch.Tensor
    segments_RL: torch.Tensor
    positions_RL: torch.Tensor
    sequences: int

    @property
    def real_RL(self) -> torch.Tensor:
        """Which positions hold a token rather than padding."""
        return self.inputs_RL != PAD

    def sequence_weights_N(self) -> torch.Tensor:
        """Return weights that average over the positions of a sequence first, then over sequences; they sum to 1."""
        segments_N = self.segments_RL[self.real_RL]
        lengths = torch.bincount(segments_N, minlength=self.sequences + 1)
        return 1.0 / (lengths[segments_N] * self.sequences)

    def to(self, device: torch.device) -> PackedBatch:
        """Return the batch on another device."""
        return PackedBatch(
            inputs_RL=self.inputs_RL.to(device, non_blocking=True),
            targets_RL=self.targets_RL.to(device, non_blocking=True),
            segments_RL=self.segments_RL.to(device, non_blocking=True),
            positions_RL=self.positions_RL.to(device, non_blocking=True),
            sequences=self.sequences,
        )


@dataclass(frozen=True, kw_only=True)
class HistoryBatch:
    """Histories of users of similar length, left-aligned.

    Attributes:
        items_BL: int64, oldest first; 0 from lengths_B on.
        lengths_B: int64, at least 1.
    """

    items_BL: torch.Tensor
    lengths_B: torch.Tensor

    def to(self, device: torch.device) -> HistoryBatch:
        """Return the batch on another device."""
        return HistoryBatch(items_BL=self.items_BL.to(device), lengths_B=self.lengths_B.to(device))


@dataclass(frozen=True, kw_only=True)
class TokenOutputs:
    """What a model says of each real token of a training batch.

    Attributes:
        predicted_ND: compared with items by inner product.
        x_start_ND: the embedding of the target, where the output has one to be regressed to; else None.
        targets_N: int64 item indices.
        weights_N: as `PackedBatch.sequence_weights_N`.
    """

    predicted_ND: torch.Tensor
    x_start_ND: torch.Tensor | None
    targets_N: torch.Tensor
    weights_N: torch.Tensor


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How a diffusion model samples at inference; models without diffusion ignore it.

    Attributes:
        steps: reverse steps; None means as many as the model was trained with.
        noise: "seeded" or "zero".
        seed: of the noise.
    """

    steps: int | None = None
    noise: str = "seeded"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.steps is not None and self.steps < 1:
            raise UsageError(f"steps must be at least 1, got {self.steps}")
        if self.noise not in ("seeded", "zero"):
            raise UsageError(f"unknown noise {self.noise!r}", hint="one of: seeded, zero")


FAST_SAMPLING = Sampling(steps=1, noise="zero")
"""One deterministic step; what validation during training uses."""


class SequentialRecommender(nn.Module, ABC):
    """A model that turns histories into vectors whose inner product with item vectors is the score.

    Attributes:
        name: registered.
        outputs: what can be trained and ranked by.
        max_length: L, the newest items of a history that are used.
    """

    name: ClassVar[str]
    outputs: ClassVar[tuple[str, ...]]
    max_length: int

    @abstractmethod
    def components(self) -> Mapping[str, nn.Module]:
        """Return the parts a stage can train or freeze, by name; together they hold every parameter."""

    @abstractmethod
    def initialize(self, component: str, generator: torch.Generator) -> None:
        """Draw fresh weights for one component."""

    @abstractmethod
    def token_outputs(self, batch: PackedBatch, *, output: str, generator: torch.Generator | None) -> TokenOutputs:
        """Return one of the model's `outputs` for every real token; a generator means training."""

    @abstractmethod
    def represent(
        self, histories: HistoryBatch, *, output: str, sampling: Sampling, generator: torch.Generator
    ) -> torch.Tensor:
        """Return representation_BD of each history."""

    @abstractmethod
    def item_vectors_VD(self) -> torch.Tensor:
        """Return the vectors scored against; row 0 is padding."""
