"""Embeddings of items (with a padding row that stays zero), positions and timesteps."""

from __future__ import annotations

from typing import Protocol

import torch
import torch.nn.functional as F
from torch import nn

from adrec_cli.diffusion.timesteps import sinusoidal_embedding
from adrec_cli.layers.content import ItemContent, whitening
from adrec_cli.layers.lookup import lookup_of_few, lookup_sorted
from adrec_cli.layers.names import COMPUTED
from adrec_cli.schema import PAD


class Blocks(Protocol):
    """What looks vectors up that lie in blocks, each in a process of its own."""

    def look_up(self, items: torch.Tensor) -> torch.Tensor:
        """Return the vectors (..., D) of items (...)."""


class ItemEmbedding(nn.Module):
    """One vector per item, shared by inputs, targets and scores; row 0 is padding and stays zero.

    Vectors are weights of their own, or computed from the content of items, or both: `content`, one of `CONTENTS`.

    Attributes:
        weight: vectors of their own, (V, D); None with content "only". Where they lie in blocks, those of this process.
        blocks: what looks up vectors that lie in blocks; None where all are here.
        content: of items, where vectors are computed from it; else None.
        sparse: the gradient holds only the rows that were looked up; for optimizers that step rows.
    """

    weight: nn.Parameter | None

    def __init__(
        self, items: int, width: int, *, content: str = "none", content_width: int = 0, device: str | None = None
    ) -> None:
        super().__init__()
        self.shape = (items + 1, width)
        own = None if content == "only" else nn.Parameter(torch.zeros(items + 1, width, device=device))
        self.register_parameter("weight", own)
        self.blocks: Blocks | None = None
        self.begins_with_content = content == "init"
        self.content = ItemContent(items, content_width, width, content) if content in COMPUTED else None
        self.sparse = False
        self._beginning_VC: torch.Tensor | None = None
        self._kept: tuple[tuple[tuple[int, int], ...], torch.Tensor] | None = None

    def forward(
        self, items: torch.Tensor, vectors_VD: torch.Tensor | None = None, order_N: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Return the vectors (..., D) of item indices (...), int64; padding gives zeros and gets no gradient.

        Args:
            items: to look up.
            vectors_VD: in place of the weights, such as those that are left of them after dropout.
            order_N: as `lookup_sorted`, where it is known.
        """
        if self.blocks is not None:
            return self.blocks.look_up(items)
        if vectors_VD is None and self.content is not None:
            if torch.is_grad_enabled():
                return self._compute(items, order_N)
            vectors_VD = self.vectors_VD()
        vectors_VD = self.weight if vectors_VD is None else vectors_VD
        assert vectors_VD is not None
        return self._look_up(items, vectors_VD, order_N)

    def vectors_VD(self) -> torch.Tensor:
        """Return the vectors of all items; those that are computed are kept while nothing is trained.

        Raises:
            RuntimeError: they lie in blocks, and are nowhere together.
        """
        if self.blocks is not None:
            raise RuntimeError("the item vectors lie in blocks")
        if self.content is None:
            assert self.weight is not None
            return self.weight
        if torch.is_grad_enabled():
            return self._compute(None, None)
        made_from = tuple((one.data_ptr(), one._version) for one in (*self.parameters(), *self.buffers()))
        if self._kept is None or self._kept[0] != made_from:
            self._kept = (made_from, self._compute(None, None))
        return self._kept[1]

    def train(self, mode: bool = True) -> ItemEmbedding:
        """Set the mode and forget what was computed: a recorded training step changes weights without their telling."""
        self._kept = None
        return super().train(mode)

    def give_content(self, content_VC: torch.Tensor, learnt_V: torch.Tensor) -> None:
        """Take the content of all items; vectors that only begin with it do so when they are next drawn.

        Args:
            content_VC: float16, zeros for padding and where nothing is known.
            learnt_V: bool, the items that occur in what is trained on.
        """
        if self.content is not None:
            self.content.content_VC.copy_(content_VC)
            self.content.learnt_V.copy_(learnt_V)
        elif self.begins_with_content:
            self._beginning_VC = content_VC

    def initialize(self, generator: torch.Generator, std: float) -> None:
        """Draw fresh vectors from N(0, std^2), or let them begin with content of that size."""
        with torch.no_grad():
            if self.weight is not None and not self.weight.is_meta:
                self.weight.normal_(0.0, std, generator=generator)
                if self._beginning_VC is not None:
                    self._begin(self._beginning_VC, generator, std)
                self.weight[PAD].zero_()
        if self.content is not None:
            self.content.initialize(generator, std)

    def _begin(self, content_VC: torch.Tensor, generator: torch.Generator, std: float) -> None:
        """Put whitened content in place of the vectors of items of which something is known."""
        assert self.weight is not None
        matrix_DC, shift_D = whitening(content_VC[1:], self.shape[1], generator)
        known_V = content_VC.any(dim=1)
        self.weight[known_V] = (content_VC[known_V].float() @ matrix_DC.T + shift_D) * std

    def _compute(self, items: torch.Tensor | None, order_N: torch.Tensor | None) -> torch.Tensor:
        """Return the vectors of items, of all for None, from content and, of those that were learnt, their own."""
        assert self.content is not None
        vectors: torch.Tensor = self.content(items)
        if self.weight is not None:
            learnt = self.content.learnt_V if items is None else self.content.learnt_V[items]
            own = self.weight if items is None else self._look_up(items, self.weight, order_N)
            # An item without events has weights that nothing but chance or its being a negative has formed.
            vectors = vectors + own.masked_fill(~learnt.unsqueeze(-1), 0.0)
        padding = torch.arange(len(vectors), device=vectors.device) == PAD if items is None else items == PAD
        return vectors.masked_fill(padding.unsqueeze(-1), 0.0)

    def _look_up(self, items: torch.Tensor, vectors_VD: torch.Tensor, order_N: torch.Tensor | None) -> torch.Tensor:
        if order_N is not None:
            return lookup_sorted(items, vectors_VD, order_N)
        return F.embedding(items, vectors_VD, padding_idx=PAD, sparse=self.sparse)


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
        """Return the embedding of every timestep, (T, D): T rows cost less than one per token.

        While nothing is trained it is computed once.
        """
        if self.training or torch.is_grad_enabled():
            return self._compute_TD()
        made_from = tuple((weight.data_ptr(), weight._version) for weight in self.parameters())
        if self._kept is None or self._kept[0] != made_from:
            self._kept = (made_from, self._compute_TD())
        return self._kept[1]

    def train(self, mode: bool = True) -> TimestepEmbedding:
        """Set the mode and forget the table: a recorded training step changes weights without their telling."""
        self._kept = None
        return super().train(mode)

    def _compute_TD(self) -> torch.Tensor:
        t = torch.arange(self.steps, device=self.expand.weight.device) * (1000.0 / self.steps)
        embedded: torch.Tensor = self.contract(F.silu(self.expand(sinusoidal_embedding(t, self.width))))
        return embedded

    def initialize(self, generator: torch.Generator) -> None:
        """Draw fresh weights: Xavier normal matrices, zero biases."""
        for linear in (self.expand, self.contract):
            nn.init.xavier_normal_(linear.weight, generator=generator)
            nn.init.zeros_(linear.bias)
