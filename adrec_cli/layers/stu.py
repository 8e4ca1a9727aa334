"""HSTU's block: attention without a softmax, weighed by where things stand, and gated."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from adrec_cli.layers.dropout import dropout
from adrec_cli.layers.lookup import lookup_of_few

_EPS = 1e-6


class SequentialTransductionUnit(nn.Module):
    """x + O(Dropout(U * LayerNorm(SiLU(Q K^T + bias) / L V))), for U, V, Q, K = SiLU(W LayerNorm(x)).

    Source: Zhai et al. 2024, "Actions Speak Louder than Words", arXiv 2402.17152, eq. 1-3; a bias for each distance;
    those of times come with the mask.
    """

    def __init__(self, width: int, heads: int, length: int, dropout_probability: float) -> None:
        """Take the sizes.

        Args:
            width: D; each of U, V, Q and K has it.
            heads: H, divides it.
            length: L, which sums over a history are divided by, however long it is.
            dropout_probability: of what is added to x.
        """
        super().__init__()
        self.heads, self.length, self.dropout_probability = heads, length, dropout_probability
        self.uvqk = nn.Linear(width, 4 * width, bias=False)
        self.distance_L1 = nn.Parameter(torch.zeros(length, 1))
        self.out = nn.Linear(width, width)

    def forward(
        self, hidden_RLD: torch.Tensor, mask_R1LL: torch.Tensor | None, generator: torch.Generator | None
    ) -> torch.Tensor:
        """Transform rows; arguments as `CausalSelfAttention.forward`."""
        rows, positions, width = hidden_RLD.shape
        normed_RLD = F.layer_norm(hidden_RLD, (width,), eps=_EPS)
        gate, value, query, key = F.silu(self.uvqk(normed_RLD)).chunk(4, dim=2)
        value, query, key = (
            part.view(rows, positions, self.heads, width // self.heads).transpose(1, 2) for part in (value, query, key)
        )
        scores_RHLL = query @ key.transpose(-2, -1) + self._bias_LL(positions)
        if mask_R1LL is None:
            mask_R1LL = torch.ones(positions, positions, dtype=torch.bool, device=hidden_RLD.device).tril()
        visible_R1LL = mask_R1LL
        if mask_R1LL.dtype != torch.bool:
            visible_R1LL = ~mask_R1LL.isneginf()
            # SiLU makes no number of minus infinity.
            scores_RHLL = scores_RHLL + mask_R1LL.masked_fill(~visible_R1LL, 0.0)
        weights_RHLL = (F.silu(scores_RHLL) / self.length).masked_fill(~visible_R1LL, 0.0)
        attended_RLD = (weights_RHLL @ value).transpose(1, 2).flatten(2)
        gated_RLD = gate * F.layer_norm(attended_RLD, (width,), eps=_EPS)
        update: torch.Tensor = self.out(dropout(gated_RLD, self.dropout_probability, generator))
        return hidden_RLD + update

    def initialize(self, generator: torch.Generator) -> None:
        """Draw fresh weights: normal with .02, the output Xavier uniform with zero bias, as in RecTools."""
        nn.init.normal_(self.uvqk.weight, 0.0, 0.02, generator=generator)
        nn.init.normal_(self.distance_L1, 0.0, 0.02, generator=generator)
        nn.init.xavier_uniform_(self.out.weight, generator=generator)
        nn.init.zeros_(self.out.bias)

    def _bias_LL(self, positions: int) -> torch.Tensor:
        columns_L = torch.arange(positions, device=self.distance_L1.device)
        # Later positions are masked; farther ones than a history is long are of other sequences.
        distance_LL = (columns_L.unsqueeze(1) - columns_L).clamp(0, self.length - 1)
        return lookup_of_few(distance_LL, self.distance_L1).squeeze(2)
