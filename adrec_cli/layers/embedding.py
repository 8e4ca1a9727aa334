"""Embeddings of items (with a padding row that stays zero), positions and timesteps."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from adrec_cli.diffusion.timesteps import sinusoidal_embedding
from adrec_cli.layers.lookup import lookup_of_few, lookup_sorted
from adrec_cli.schema import PAD


class ItemEmbedding(nn.Module):
    """One vector an item, shared by inputs, targets and scores; row 0 is padding and stays zero.

    Attributes:
        sparse: the gradient holds only the rows that were looked up; for optimizers that step rows.
    """

    def __init__(self, items: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(items + 1, width))
        self.sparse = False

    def forward(
        self, items: torch.Tensor, vectors_VD: torch.Tensor | None = None, order_N: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Return the vectors (..., D) of item indices (...), int64; padding gives zeros and gets no gradient.

        Args:
            items: to look up.
            vectors_VD: in place of the weights, such as those that are left of them after dropout.
            order_N: as `lookup_sorted`, where it is known.
        """
        vectors_VD = self.weight if vectors_VD is None else vectors_VD
        if order_N is not None:
            return lookup_sorted(items, vectors_VD, order_N)
        return F.embedding(items, vectors_VD, padding_idx=PAD, sparse=self.sparse)

    def initialize(self, generator: torch.Generator, std: float) -> None:
        """Draw fresh vectors from N(0, std^2)."""
        with torch.no_grad():
            self.weight.normal_(0.0, std, generator=generator)
            self.weight[PAD].zero_()


class PositionEmbedding(nn.Module):
    """One learned vector a position."""

    def __init__(self, positions: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(positions, width))

    def forward(self, positions: torch.Tensor) -> torch.Tensor:
        """Return the vectors (..., D) of positions (...), int64 in 0..L-1."""
        # A lookup rather than indexing, whose backward pass is nondeterministic on CUDA.
        return lookup_of_few(positions, self.weight)

    def initialize(self, generator: torch.Generator, std: float) -> None:
        """Draw fresh vectors from N(0, std^2)."""
        nn.init.normal_(self.weight, 0.0, std, generator=generator)


class TimestepEmbedding(nn.Module):
    """A sinusoidal embedding of 1000 t / T, passed through a two-layer network with SiLU.

    Source: the ADRec code, `time_embed`; Ho et al. 2020.
    """

    def __init__(self, width: int, steps: int) -> None:
        super().__init__()
        self.width = width
        self.steps = steps
        self._kept: tuple[tuple[tuple[int, int], ...], torch.Tensor] | None = None
        self.expand = nn.Linear(width, 4 * width)
        self.contract = nn.Linear(4 * width, width)

    def table_TD(self) -> torch.Tensor:
        """Return the embedding of every timestep, (T, D): T rows cost less than one a token.

        While nothing is trained it is computed once.
        """
        if self.training or torch.is_grad_enabled():
            return self._computed_TD()
        made_from = tuple((weight.data_ptr(), weight._version) for weight in self.parameters())
        if self._kept is None or self._kept[0] != made_from:
            self._kept = (made_from, self._computed_TD())
        return self._kept[1]

    def train(self, mode: bool = True) -> TimestepEmbedding:
        """Set the mode and forget the table: a recorded training step changes weights without their telling."""
        self._kept = None
        return super().train(mode)

    def _computed_TD(self) -> torch.Tensor:
        t = torch.arange(self.steps, device=self.expand.weight.device) * (1000.0 / self.steps)
        embedded: torch.Tensor = self.contract(F.silu(self.expand(sinusoidal_embedding(t, self.width))))
        return embedded

    def initialize(self, generator: torch.Generator) -> None:
        """Draw fresh weights: Xavier normal matrices, zero biases."""
        for linear in (self.expand, self.contract):
            nn.init.xavier_normal_(linear.weight, generator=generator)
            nn.init.zeros_(linear.bias)
