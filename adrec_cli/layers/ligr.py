"""LiGR blocks: pre-norm attention and SwiGLU, each let through by a learned gate."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from adrec_cli.layers.attention import CausalSelfAttention
from adrec_cli.layers.dropout import dropout


class LiGRBlock(nn.Module):
    """x + sigmoid(gate(x)) * f(LayerNorm(x)), for f causal self-attention and then f a SwiGLU feed-forward network.

    Source: Borisyuk et al. 2025, "From Features to Transformers", arXiv 2502.03417; eSASRec, arXiv 2508.06450.
    """

    def __init__(self, width: int, heads: int, feed_forward_multiplier: int, dropout_probability: float) -> None:
        super().__init__()
        self.dropout_probability = dropout_probability
        inner = feed_forward_multiplier * width
        self.attention_norm = nn.LayerNorm(width)
        self.attention = CausalSelfAttention(width, heads, dropout_probability)
        self.attention_gate = nn.Linear(width, width)
        self.feed_forward_norm = nn.LayerNorm(width)
        self.activated = nn.Linear(width, inner, bias=False)
        self.expand = nn.Linear(width, inner, bias=False)
        self.contract = nn.Linear(inner, width, bias=False)
        self.feed_forward_gate = nn.Linear(width, width)

    def forward(
        self, hidden_RLD: torch.Tensor, mask_R1LL: torch.Tensor | None, generator: torch.Generator | None
    ) -> torch.Tensor:
        """Transform rows; arguments as `CausalSelfAttention.forward`."""
        attended = self.attention(self.attention_norm(hidden_RLD), mask_R1LL, generator)
        gate_RLD = torch.sigmoid(self.attention_gate(hidden_RLD))
        hidden_RLD = hidden_RLD + gate_RLD * dropout(attended, self.dropout_probability, generator)
        normed_RLD = self.feed_forward_norm(hidden_RLD)
        inner = dropout(
            F.silu(self.activated(normed_RLD)) * self.expand(normed_RLD), self.dropout_probability, generator
        )
        gate_RLD = torch.sigmoid(self.feed_forward_gate(hidden_RLD))
        return hidden_RLD + gate_RLD * dropout(self.contract(inner), self.dropout_probability, generator)

    def initialize(self, generator: torch.Generator) -> None:
        """Draw fresh weights: Xavier normal matrices, zero biases, unit norms."""
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_normal_(module.weight, generator=generator)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif isinstance(module, nn.LayerNorm):
                nn.init.ones_(module.weight)
                nn.init.zeros_(module.bias)
