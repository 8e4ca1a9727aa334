"""A filter that parts the slow from the quick in a sequence, mixed with attention: the block of BSARec.

Slow is what the lowest frequencies of a discrete Fourier transform over L positions hold. As that is a sum over the
positions with weights that depend on their distance alone, it needs no transform, packs like attention does, and has a
causal form, which sums over what came before.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from adrec_cli.layers.attention import KeyValueCache
from adrec_cli.layers.dropout import dropout
from adrec_cli.layers.transformer import LAYER_NORM_EPS, TransformerBlock


def low_pass_kernel_L(length: int, components: int) -> torch.Tensor:
    """Return the weight of a position at each distance 0..L-1 in what a low-pass filter keeps.

    Args:
        length: L, of the row that is transformed.
        components: c; the frequencies 0..c // 2 are kept.
    """
    distance_L = torch.arange(length, dtype=torch.float64)
    kernel_L = torch.zeros(length, dtype=torch.float64)
    for frequency in range(min(components // 2, length // 2) + 1):
        # Every frequency but the first, and the highest of an even length, stands for two.
        pair = 1 if frequency in (0, length / 2) else 2
        kernel_L += pair * torch.cos(2 * math.pi * frequency * distance_L / length)
    return (kernel_L / length).float()


class FrequencyFilter(nn.Module):
    """low + beta^2 (x - low), for low the slow part of x and beta learned for each entry.

    Source: BSARec, eq. 6-8 and its `FrequencyLayer`; the same as a transform of rows that are filled up with zeros.
    """

    def __init__(self, width: int, *, length: int, components: int) -> None:
        """Take the sizes.

        Args:
            width: D.
            length: L of the transform; distances must be smaller.
            components: c of `low_pass_kernel_L`.
        """
        super().__init__()
        self.beta_D = nn.Parameter(torch.zeros(width))
        self.register_buffer("kernel_L", low_pass_kernel_L(length, components), persistent=False)

    def forward(self, hidden_RLD: torch.Tensor, visible_RLL: torch.Tensor | None) -> torch.Tensor:
        """Filter rows.

        Args:
            hidden_RLD: R rows.
            visible_RLL: bool, which position counts for which; None means that all of a row do.
        """
        columns_L = torch.arange(hidden_RLD.shape[1], device=hidden_RLD.device)
        distance_LL = (columns_L - columns_L.unsqueeze(1)).abs()
        # Farther apart are only positions of different sequences, which do not count for each other.
        kernel = self._kernel()[distance_LL.clamp(max=len(self._kernel()) - 1)]
        weights = kernel if visible_RLL is None else torch.where(visible_RLL, kernel, 0.0)
        return self._mix(hidden_RLD, weights.to(hidden_RLD.dtype) @ hidden_RLD)

    def sum_low(self, hidden_BLD: torch.Tensor, lengths_B: torch.Tensor | None) -> torch.Tensor:
        """Return low_B1D, what left-aligned histories give to the low part of the position after each."""
        columns_L = torch.arange(hidden_BLD.shape[1], device=hidden_BLD.device)
        if lengths_B is None:
            weights_BL = self._kernel()[hidden_BLD.shape[1] - columns_L].expand(hidden_BLD.shape[0], -1)
        else:
            ages_BL = lengths_B.unsqueeze(1) - columns_L
            weights_BL = torch.where(ages_BL > 0, self._kernel()[ages_BL.clamp(min=0)], 0.0)
        return weights_BL.unsqueeze(1) @ hidden_BLD

    def extend(self, token_B1D: torch.Tensor, low_B1D: torch.Tensor) -> torch.Tensor:
        """Filter one new token after histories that gave low_B1D."""
        return self._mix(token_B1D, low_B1D + self._kernel()[0] * token_B1D)

    def initialize(self, generator: torch.Generator) -> None:
        """Draw fresh weights from N(0, 1)."""
        nn.init.normal_(self.beta_D, generator=generator)

    def _kernel(self) -> torch.Tensor:
        return self.get_buffer("kernel_L")

    def _mix(self, hidden: torch.Tensor, low: torch.Tensor) -> torch.Tensor:
        return low + self.beta_D.square() * (hidden - low)


@dataclass
class FilteredCache(KeyValueCache):
    """A history as a block with a filter remembers it.

    Attributes:
        low_B1D: as `FrequencyFilter.sum_low`.
    """

    low_B1D: torch.Tensor | None = None


class FrequencyBlock(TransformerBlock):
    """share * filter + (1 - share) * attention, each with its residual and LayerNorm, then a feed-forward network.

    Source: BSARec, eq. 5 and its `BSARecBlock`; tanh-GELU instead of GELU.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        dropout_probability: float,
        *,
        length: int,
        components: int,
        share: float,
        inner_dropout: bool = True,
    ) -> None:
        """Take the sizes.

        Args:
            width, heads, dropout_probability: as `TransformerBlock`.
            length, components: of the filter.
            share: alpha, of the filter, in [0, 1].
            inner_dropout: within the feed-forward network too.
        """
        super().__init__(width, heads, dropout_probability)
        self.share, self.inner_dropout = share, inner_dropout
        self.filter = FrequencyFilter(width, length=length, components=components)
        self.filter_norm = nn.LayerNorm(width, eps=LAYER_NORM_EPS)

    def forward(
        self,
        hidden_RLD: torch.Tensor,
        mask_R1LL: torch.Tensor | None,
        generator: torch.Generator | None,
        filtered_RLL: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Transform rows.

        Args:
            hidden_RLD, mask_R1LL, generator: as `CausalSelfAttention.forward`.
            filtered_RLL: bool, which position counts for which in the filter; None means as in attention.
        """
        if filtered_RLL is None:
            filtered_RLL = _causal(hidden_RLD) if mask_R1LL is None else _visible(mask_R1LL)
        filtered_RLD = dropout(self.filter(hidden_RLD, filtered_RLL), self.dropout_probability, generator)
        attended_RLD = dropout(self.attention(hidden_RLD, mask_R1LL, generator), self.dropout_probability, generator)
        return self._feed_forward(self._mix(hidden_RLD, filtered_RLD, attended_RLD), generator)

    def compile_transform(self) -> None:
        """A filter is not compiled."""

    def prefill(
        self, hidden_BLD: torch.Tensor, lengths_B: torch.Tensor | None, padding_bias_B: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, KeyValueCache]:
        """Transform histories and keep what a new token needs; arguments as `CausalSelfAttention.prefill`."""
        attended_BLD, cache = self.attention.prefill(hidden_BLD, lengths_B, padding_bias_B)
        filtered_BLD = self.filter(hidden_BLD, _causal(hidden_BLD))
        output_BLD = self._feed_forward(self._mix(hidden_BLD, filtered_BLD, attended_BLD), None)
        return output_BLD, self._add_low(cache, hidden_BLD, lengths_B)

    def remember(
        self, hidden_BLD: torch.Tensor, lengths_B: torch.Tensor | None, padding_bias_B: torch.Tensor | None = None
    ) -> KeyValueCache:
        """Keep what a new token needs; arguments as `prefill`."""
        cache = super().remember(hidden_BLD, lengths_B, padding_bias_B)
        return self._add_low(cache, hidden_BLD, lengths_B)

    def extend(self, token_B1D: torch.Tensor, cache: KeyValueCache) -> torch.Tensor:
        """Transform one new token after a cached history."""
        assert isinstance(cache, FilteredCache)
        assert cache.low_B1D is not None
        filtered_B1D = self.filter.extend(token_B1D, cache.low_B1D)
        return self._feed_forward(self._mix(token_B1D, filtered_B1D, self.attention.extend(token_B1D, cache)), None)

    def initialize_extras(self, generator: torch.Generator) -> None:
        """Draw fresh weights of the filter."""
        self.filter.initialize(generator)

    def _add_low(self, cache: KeyValueCache, hidden_BLD: torch.Tensor, lengths_B: torch.Tensor | None) -> KeyValueCache:
        return FilteredCache(
            keys_SBHd=cache.keys_SBHd,
            values_SBHd=cache.values_SBHd,
            padding_SB1=cache.padding_SB1,
            padding_bias_B=cache.padding_bias_B,
            low_B1D=self.filter.sum_low(hidden_BLD, lengths_B),
        )

    def _mix(self, hidden: torch.Tensor, filtered: torch.Tensor, attended: torch.Tensor) -> torch.Tensor:
        filtered, attended = self.filter_norm(hidden + filtered), self.attention_norm(hidden + attended)
        return self.share * filtered + (1 - self.share) * attended

    def _feed_forward(self, hidden: torch.Tensor, generator: torch.Generator | None) -> torch.Tensor:
        inner = F.gelu(self.expand(hidden), approximate="tanh")
        if self.inner_dropout:
            inner = dropout(inner, self.dropout_probability, generator)
        update = dropout(self.contract(inner), self.dropout_probability, generator)
        normed: torch.Tensor = self.feed_forward_norm(hidden + update)
        return normed


def _visible(mask_R1LL: torch.Tensor) -> torch.Tensor:
    """Return visible_RLL of a mask, bool or to be added to scores, one for all heads or for each."""
    return mask_R1LL[:, 0] if mask_R1LL.dtype == torch.bool else ~mask_R1LL[:, 0].isneginf()


def _causal(hidden_RLD: torch.Tensor) -> torch.Tensor:
    """Return visible_1LL, every position and those before it."""
    length = hidden_RLD.shape[1]
    return torch.ones(1, length, length, dtype=torch.bool, device=hidden_RLD.device).tril()
