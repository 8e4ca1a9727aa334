"""The causal post-norm Transformer used as ADRec's CAM and ADM."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn

from adrec_cli.layers.attention import CausalSelfAttention, KeyValueCache, spread_over_heads
from adrec_cli.layers.dropout import Drawn, draws, drop

LAYER_NORM_EPS = 1e-12


def newest_position(hidden_BLD: torch.Tensor, lengths_B: torch.Tensor | None) -> torch.Tensor:
    """Return newest_B1D, the last real position of left-aligned histories; None means that all positions are real."""
    if lengths_B is None:
        return hidden_BLD[:, -1:]
    return hidden_BLD[torch.arange(len(lengths_B), device=hidden_BLD.device), lengths_B - 1].unsqueeze(1)


Draws = tuple[Drawn | None, Drawn | None, Drawn | None, Drawn | None]
"""Of attention weights, attended, inner and update, as `dropout.draws`."""

_NO_DRAWS: Draws = (None, None, None, None)


class TransformerBlock(nn.Module):
    """Self-attention and a feed-forward network of width 4 D, each followed by residual and LayerNorm.

    Source: Vaswani et al. 2017; tanh-GELU as in the ADRec code.
    """

    def __init__(self, width: int, heads: int, dropout_probability: float) -> None:
        super().__init__()
        self.dropout_probability = dropout_probability
        self.attention = CausalSelfAttention(width, heads, dropout_probability)
        self.attention_norm = nn.LayerNorm(width, eps=LAYER_NORM_EPS)
        self.expand = nn.Linear(width, 4 * width)
        self.contract = nn.Linear(4 * width, width)
        self.feed_forward_norm = nn.LayerNorm(width, eps=LAYER_NORM_EPS)
        self.compiled: Callable[..., torch.Tensor] | None = None

    def forward(
        self, hidden_RLD: torch.Tensor, mask_R1LL: torch.Tensor | None, generator: torch.Generator | None
    ) -> torch.Tensor:
        """Transform rows; arguments as `CausalSelfAttention.forward`."""
        transform = self.compiled or self._transform
        output: torch.Tensor = transform(hidden_RLD, mask_R1LL, self._draws(hidden_RLD, generator))
        return output

    def compile_transform(self) -> None:
        """Have `forward` run what torch.compile makes of it; draws stay outside, as they need their generator."""
        self.compiled = torch.compile(self._transform, dynamic=True)

    def _draws(self, hidden_RLD: torch.Tensor, generator: torch.Generator | None) -> Draws:
        """Draw for attention weights, attended, inner and update, in this order; Nones where nothing is dropped."""
        apart = self.compiled is not None
        attention = self.attention.draws(hidden_RLD, generator, apart=apart)
        if generator is None or self.dropout_probability == 0.0:
            return attention, None, None, None
        shape, inner_shape = tuple(hidden_RLD.shape), (*hidden_RLD.shape[:-1], self.expand.out_features)
        attended, inner, update = (draws(of, generator, apart=apart) for of in (shape, inner_shape, shape))
        return attention, attended, inner, update

    def _transform(self, hidden_RLD: torch.Tensor, mask_R1LL: torch.Tensor | None, drawn: Draws) -> torch.Tensor:
        return self._finish(hidden_RLD, self.attention.attend(hidden_RLD, mask_R1LL, drawn[0]), drawn)

    def prefill(
        self, hidden_BLD: torch.Tensor, lengths_B: torch.Tensor | None, padding_bias_B: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, KeyValueCache]:
        """Transform histories and keep their keys and values; arguments as `CausalSelfAttention.prefill`."""
        attended, cache = self.attention.prefill(hidden_BLD, lengths_B, padding_bias_B)
        return self._finish(hidden_BLD, attended, _NO_DRAWS), cache

    def remember(
        self, hidden_BLD: torch.Tensor, lengths_B: torch.Tensor | None, padding_bias_B: torch.Tensor | None = None
    ) -> KeyValueCache:
        """Keep keys and values of histories whose own outputs nobody asks for; arguments as `prefill`."""
        return self.attention.remember(hidden_BLD, lengths_B, padding_bias_B)

    def initialize_extras(self, generator: torch.Generator) -> None:
        """Draw fresh weights of what is neither a matrix nor a norm; there is nothing."""

    def extend(self, token_B1D: torch.Tensor, cache: KeyValueCache) -> torch.Tensor:
        """Transform one new token after a cached history."""
        return self._finish(token_B1D, self.attention.extend(token_B1D, cache), _NO_DRAWS)

    def _finish(self, hidden: torch.Tensor, attended: torch.Tensor, drawn: Draws) -> torch.Tensor:
        if (
            all(one is None for one in drawn)
            and not torch.is_grad_enabled()
            and not torch.is_autocast_enabled(hidden.device.type)
        ):
            return self._finish_in_place(hidden, attended)
        p = self.dropout_probability
        hidden = self.attention_norm(hidden + drop(attended, drawn[1], p))
        inner = drop(F.gelu(self.expand(hidden), approximate="tanh"), drawn[2], p)
        normed: torch.Tensor = self.feed_forward_norm(hidden + drop(self.contract(inner), drawn[3], p))
        return normed

    def _finish_in_place(self, hidden: torch.Tensor, attended: torch.Tensor) -> torch.Tensor:
        """Do the same without dropout in as few passes over memory as can be; `attended` is overwritten."""
        hidden = self.attention_norm(attended.add_(hidden))
        update = self.contract(F.gelu(self.expand(hidden), approximate="tanh"))
        normed: torch.Tensor = self.feed_forward_norm(update.add_(hidden))
        return normed


class CausalTransformer(nn.Module):
    """A stack of causal post-norm blocks."""

    def __init__(
        self,
        *,
        width: int,
        blocks: int,
        heads: int,
        dropout_probability: float,
        block: Callable[[int, int, float], TransformerBlock] = TransformerBlock,
    ) -> None:
        """Stack `blocks` blocks, each made by `block` from width, heads and dropout."""
        super().__init__()
        self.heads = heads
        self.blocks = nn.ModuleList(block(width, heads, dropout_probability) for _ in range(blocks))

    def forward(
        self, hidden_RLD: torch.Tensor, mask_R1LL: torch.Tensor | None, generator: torch.Generator | None
    ) -> torch.Tensor:
        """Transform rows; arguments as `CausalSelfAttention.forward`."""
        spread = all(type(block) is TransformerBlock for block in self.blocks)
        if spread and mask_R1LL is not None and generator is not None and hidden_RLD.device.type == "cuda":
            mask_R1LL = spread_over_heads(mask_R1LL, self.heads)
        for block in self.blocks:
            hidden_RLD = block(hidden_RLD, mask_R1LL, generator)
        return hidden_RLD

    def prefill(
        self, hidden_BLD: torch.Tensor, lengths_B: torch.Tensor | None, padding_bias_B: torch.Tensor | None = None
    ) -> list[KeyValueCache]:
        """Return one cache a block for left-aligned histories; arguments as `CausalSelfAttention.prefill`.

        Of the last block only keys and values are computed: nothing else of it is seen by a new token.
        """
        caches = []
        for number, block in enumerate(self.blocks, start=1):
            assert isinstance(block, TransformerBlock)
            if number == len(self.blocks):
                caches.append(block.remember(hidden_BLD, lengths_B, padding_bias_B))
            else:
                hidden_BLD, cache = block.prefill(hidden_BLD, lengths_B, padding_bias_B)
                caches.append(cache)
        return caches

    def newest(
        self, hidden_BLD: torch.Tensor, lengths_B: torch.Tensor | None, padding_bias_B: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Return output_B1D at the newest position of each left-aligned history; arguments as `prefill`.

        The other positions are computed only as far as the newest one sees them.
        """
        token_B1D = newest_position(hidden_BLD, lengths_B)
        before_B = None if lengths_B is None else lengths_B - 1
        return self.extend(token_B1D, self.prefill(hidden_BLD[:, :-1], before_B, padding_bias_B))

    def extend(self, token_B1D: torch.Tensor, caches: list[KeyValueCache]) -> torch.Tensor:
        """Return the output at one new token after cached histories."""
        for block, cache in zip(self.blocks, caches, strict=True):
            assert isinstance(block, TransformerBlock)
            token_B1D = block.extend(token_B1D, cache)
        return token_B1D

    def initialize(self, generator: torch.Generator) -> None:
        """Draw fresh weights: Xavier normal matrices (q, k and v each by itself), zero biases, unit norms."""
        for module in self.modules():
            if isinstance(module, TransformerBlock):
                module.initialize_extras(generator)
            if isinstance(module, nn.Linear):
                # The fused q, k, v matrix is three square ones; a feed-forward matrix is one.
                parts = module.weight.chunk(3) if module.out_features == 3 * module.in_features else (module.weight,)
                for part in parts:
                    nn.init.xavier_normal_(part, generator=generator)
                nn.init.zeros_(module.bias)
            elif isinstance(module, nn.LayerNorm):
                nn.init.ones_(module.weight)
                nn.init.zeros_(module.bias)
