"""A network that maps every token by itself, in place of a Transformer."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from adrec_cli.layers.attention import KeyValueCache


class TokenMLP(nn.Module):
    """Two linear layers of inner width 4 D with SiLU between, then LayerNorm; called as a `CausalTransformer` is.

    Source: the ADRec code, `dif_decoder: mlp`.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.expand = nn.Linear(width, 4 * width)
        self.contract = nn.Linear(4 * width, width)
        self.norm = nn.LayerNorm(width)

    def forward(
        self, hidden_RLD: torch.Tensor, mask_R1LL: torch.Tensor | None, generator: torch.Generator | None
    ) -> torch.Tensor:
        """Transform rows; neither mask nor generator matters."""
        mapped: torch.Tensor = self.norm(self.contract(F.silu(self.expand(hidden_RLD))))
        return mapped

    def prefill(
        self, hidden_BLD: torch.Tensor, lengths_B: torch.Tensor | None, padding_bias_B: torch.Tensor | None = None
    ) -> list[KeyValueCache]:
        """Return no cache: no token sees another."""
        return []

    def extend(self, token_B1D: torch.Tensor, caches: list[KeyValueCache]) -> torch.Tensor:
        """Return the output at one new token."""
        return self.forward(token_B1D, None, None)

    def initialize(self, generator: torch.Generator) -> None:
        """Draw fresh weights: Xavier normal matrices, zero biases, unit norm."""
        for linear in (self.expand, self.contract):
            nn.init.xavier_normal_(linear.weight, generator=generator)
            nn.init.zeros_(linear.bias)
        nn.init.ones_(self.norm.weight)
        nn.init.zeros_(self.norm.bias)
