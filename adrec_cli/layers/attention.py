"""Causal multi-head self-attention over packed rows, and with cached keys and values for one new token."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import nn

from adrec_cli.layers.dropout import Drawn, draws, drop
from adrec_cli.layers.padding_key import causal_mask_with_padding_key


def make_packed_mask(segments_RL: torch.Tensor) -> torch.Tensor:
    """Return mask_R1LL, bool: True where query and key belong to the same sequence, whichever comes first.

    Args:
        segments_RL: as `make_packed_causal_mask`.
    """
    return (segments_RL.unsqueeze(2) == segments_RL.unsqueeze(1)).unsqueeze(1)


def make_packed_causal_mask(segments_RL: torch.Tensor) -> torch.Tensor:
    """Return which key a query may see when several sequences share a row.

    Args:
        segments_RL: the number of the sequence a position belongs to; padding has a number of its own.

    Returns:
        mask_R1LL, bool: True where query and key belong to the same sequence and the key is not later.
    """
    length = segments_RL.shape[1]
    causal_LL = torch.ones(length, length, dtype=torch.bool, device=segments_RL.device).tril()
    return make_packed_mask(segments_RL) & causal_LL


def spread_over_heads(mask_R1LL: torch.Tensor, heads: int) -> torch.Tensor:
    """Return mask_RHLL, float32 to be added to scores; it is laid out as a batched product reads it.

    Args:
        mask_R1LL: which position sees which, bool, or float to be added.
        heads: H.
    """
    rows, _, length, _ = mask_R1LL.shape
    if mask_R1LL.dtype == torch.bool:
        mask_R1LL = torch.where(mask_R1LL, 0.0, float("-inf"))
    return mask_R1LL.expand(rows, heads, length, length).contiguous()


_FEW_SLOTS = 16
"""Below it, one query a history is quicker by elementwise products than by a matrix product for each head."""


@dataclass
class KeyValueCache:
    """Keys and values of a history in one attention layer, with one free slot at the end for the new token.

    Attributes:
        keys_SBHd, values_SBHd: S = longest history + 1; slot S - 1 belongs to the new token.
        padding_SB1: bool, the slots the new token may not see; None where all histories are equally long.
        padding_bias_B: added to the scores of slot 0, where that holds a padding key.
    """

    keys_SBHd: torch.Tensor
    values_SBHd: torch.Tensor
    padding_SB1: torch.Tensor | None
    padding_bias_B: torch.Tensor | None = None
    _bias_N1S: torch.Tensor | None = field(default=None, init=False, repr=False)

    @classmethod
    def of(
        cls,
        key_BLHd: torch.Tensor,
        value_BLHd: torch.Tensor,
        lengths_B: torch.Tensor | None,
        padding_bias_B: torch.Tensor | None = None,
    ) -> KeyValueCache:
        """Keep the keys and values of left-aligned histories of lengths_B; None means that all are whole."""
        padding_SB1 = None
        if lengths_B is not None:
            slots_S1 = torch.arange(key_BLHd.shape[1] + 1, device=lengths_B.device).unsqueeze(1)
            padding_SB1 = ((slots_S1 >= lengths_B) & (slots_S1 < key_BLHd.shape[1])).unsqueeze(2)
        keys_SBHd, values_SBHd = (
            F.pad(part.transpose(0, 1), (0, 0, 0, 0, 0, 0, 0, 1)) for part in (key_BLHd, value_BLHd)
        )
        return cls(keys_SBHd=keys_SBHd, values_SBHd=values_SBHd, padding_SB1=padding_SB1, padding_bias_B=padding_bias_B)

    def attend(self, query_BHd: torch.Tensor) -> torch.Tensor:
        """Return attended_BHd, what the new token takes from its history and itself."""
        if query_BHd.device.type == "cuda":
            return self.attend_in_products(query_BHd)
        if len(self.keys_SBHd) >= _FEW_SLOTS and self.padding_bias_B is None:
            keys_BHSd, values_BHSd = self.keys_SBHd.permute(1, 2, 0, 3), self.values_SBHd.permute(1, 2, 0, 3)
            visible_B11S = None if self.padding_SB1 is None else ~self.padding_SB1.permute(1, 2, 0).unsqueeze(2)
            return F.scaled_dot_product_attention(
                query_BHd.unsqueeze(2), keys_BHSd, values_BHSd, attn_mask=visible_B11S
            ).squeeze(2)
        scores_SBH = (self.keys_SBHd * (query_BHd / math.sqrt(query_BHd.shape[-1]))).sum(dim=-1)
        if self.padding_SB1 is not None:
            scores_SBH = scores_SBH.masked_fill(self.padding_SB1, float("-inf"))
        if self.padding_bias_B is not None:
            scores_SBH[0] += self.padding_bias_B.unsqueeze(1)
        return (self.values_SBHd * scores_SBH.softmax(dim=0).unsqueeze(-1)).sum(dim=0)

    def attend_in_products(self, query_BHd: torch.Tensor) -> torch.Tensor:
        """Return the same in few kernels, which read keys and values where they lie."""
        batch, heads, width = query_BHd.shape
        keys_NdS = self.keys_SBHd.flatten(1, 2).permute(1, 2, 0)
        query_N1d = (query_BHd / math.sqrt(width)).view(batch * heads, 1, width)
        if self._bias_N1S is None:
            self._bias_N1S = self._bias(heads)
        scores_N1S = torch.baddbmm(self._bias_N1S, query_N1d, keys_NdS)
        attended_N1d = torch.bmm(scores_N1S.softmax(dim=2), self.values_SBHd.flatten(1, 2).transpose(0, 1))
        return attended_N1d.view(batch, heads, width)

    def _bias(self, heads: int) -> torch.Tensor:
        """Return bias_N1S, N = B H, what is added to scores: minus infinity where a slot is not seen."""
        slots, batch = self.keys_SBHd.shape[:2]
        bias_BHS = self.keys_SBHd.new_zeros(batch, heads, slots)
        if self.padding_SB1 is not None:
            bias_BHS.masked_fill_(self.padding_SB1.permute(1, 2, 0), float("-inf"))
        if self.padding_bias_B is not None:
            bias_BHS[:, :, 0] += self.padding_bias_B.unsqueeze(1)
        return bias_BHS.view(batch * heads, 1, slots)


class CausalSelfAttention(nn.Module):
    """Multi-head self-attention in which no position sees a later one.

    Source: Vaswani et al. 2017, section 3.2; ADRec section 4.1.
    """

    def __init__(self, width: int, heads: int, attention_dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.attention_dropout = attention_dropout
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(
        self, hidden_RLD: torch.Tensor, mask_R1LL: torch.Tensor | None, generator: torch.Generator | None
    ) -> torch.Tensor:
        """Attend within rows.

        Args:
            hidden_RLD: R rows.
            mask_R1LL: which position sees which, bool, or float to be added to scores; None means plain causal.
            generator: for dropout of the attention weights; None in evaluation.
        """
        return self.attend(hidden_RLD, mask_R1LL, self.draws(hidden_RLD, generator))

    def draws(
        self, hidden_RLD: torch.Tensor, generator: torch.Generator | None, *, apart: bool = False
    ) -> Drawn | None:
        """Return what decides about dropout of the attention weights; None where nothing is dropped."""
        if generator is None or self.attention_dropout == 0.0:
            return None
        rows, length, _ = hidden_RLD.shape
        return draws((rows, self.heads, length, length), generator, apart=apart)

    def attend(
        self, hidden_RLD: torch.Tensor, mask_R1LL: torch.Tensor | None, drawn_RHLL: Drawn | None
    ) -> torch.Tensor:
        """Attend as `forward` does, with the draws made already."""
        if isinstance(drawn_RHLL, torch.Generator) and mask_R1LL is not None:
            return self._merge(self.attend_in_products(hidden_RLD, mask_R1LL, drawn_RHLL))
        query, key, value = self._project(hidden_RLD)
        return self._merge(self._attend(query, key, value, mask_R1LL, drawn_RHLL))

    def attend_in_products(
        self, hidden_RLD: torch.Tensor, mask_R1LL: torch.Tensor, drawn_RHLL: Drawn | None
    ) -> torch.Tensor:
        """Return attended_RHLd as `_attend` does in few kernels: a product scales and masks the scores it makes."""
        rows, length, width = hidden_RLD.shape
        # One copy lays out queries, keys and values as batched products read them, instead of one for each.
        parts = self.qkv(hidden_RLD).view(rows, length, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        query, key, value = parts.contiguous().view(3, rows * self.heads, length, -1).unbind(0)
        if mask_R1LL.shape[1] != self.heads or mask_R1LL.dtype == torch.bool:
            mask_R1LL = spread_over_heads(mask_R1LL, self.heads)
        scores = torch.baddbmm(
            mask_R1LL.view(rows * self.heads, length, length), query, key.mT, alpha=1 / math.sqrt(query.shape[-1])
        )
        dropped = drop(scores.softmax(dim=-1), drawn_RHLL, self.attention_dropout)
        return torch.bmm(dropped, value).view(rows, self.heads, length, -1)

    def prefill(
        self, hidden_BLD: torch.Tensor, lengths_B: torch.Tensor | None, padding_bias_B: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, KeyValueCache]:
        """Attend over left-aligned histories and keep their keys and values.

        Args:
            hidden_BLD: positions from lengths_B on are padding; being later, no real position sees them.
            lengths_B: real positions of each history; None means that all are.
            padding_bias_B: of the first key, if the first position of each history is a padding key.
        """
        query, key, value = self._project(hidden_BLD)
        mask_B1LL = None
        if padding_bias_B is not None:
            mask_B1LL = causal_mask_with_padding_key(hidden_BLD.shape[1], padding_bias_B)
        attended = self._merge(self._attend(query, key, value, mask_B1LL, None))
        return attended, KeyValueCache.of(key.transpose(1, 2), value.transpose(1, 2), lengths_B, padding_bias_B)

    def remember(
        self, hidden_BLD: torch.Tensor, lengths_B: torch.Tensor | None, padding_bias_B: torch.Tensor | None = None
    ) -> KeyValueCache:
        """Keep the keys and values of histories whose own outputs nobody asks for; arguments as `prefill`."""
        batch, length, width = hidden_BLD.shape
        both = F.linear(hidden_BLD, self.qkv.weight[width:], self.qkv.bias[width:])
        key_BLHd, value_BLHd = both.view(batch, length, 2, self.heads, width // self.heads).unbind(2)
        return KeyValueCache.of(key_BLHd, value_BLHd, lengths_B, padding_bias_B)

    def extend(self, token_B1D: torch.Tensor, cache: KeyValueCache) -> torch.Tensor:
        """Attend from one new token to its cached history and itself; the cache's free slot is overwritten."""
        batch, _, width = token_B1D.shape
        query_BHd, key_BHd, value_BHd = (
            self.qkv(token_B1D).view(batch, 3, self.heads, width // self.heads).unbind(dim=1)
        )
        cache.keys_SBHd[-1] = key_BHd
        cache.values_SBHd[-1] = value_BHd
        merged: torch.Tensor = self.out(cache.attend(query_BHd).flatten(1).unsqueeze(1))
        return merged

    def _project(self, hidden_RLD: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        rows, length, width = hidden_RLD.shape
        qkv = self.qkv(hidden_RLD).view(rows, length, 3, self.heads, width // self.heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        return query, key, value

    def _attend(
        self,
        query_RHLd: torch.Tensor,
        key_RHLd: torch.Tensor,
        value_RHLd: torch.Tensor,
        mask_R1LL: torch.Tensor | None,
        drawn_RHLL: Drawn | None,
    ) -> torch.Tensor:
        if drawn_RHLL is None:
            return F.scaled_dot_product_attention(
                query_RHLd, key_RHLd, value_RHLd, attn_mask=mask_R1LL, is_causal=mask_R1LL is None
            )
        # scaled_dot_product_attention draws its dropout from the global generator, so it is spelt out here.
        scores_RHLL = query_RHLd @ key_RHLd.transpose(-2, -1) / math.sqrt(query_RHLd.shape[-1])
        if mask_R1LL is None:
            length = query_RHLd.shape[2]
            mask_R1LL = torch.ones(length, length, dtype=torch.bool, device=scores_RHLL.device).tril()
        if mask_R1LL.dtype == torch.bool:
            scores_RHLL = scores_RHLL.masked_fill(~mask_R1LL, float("-inf"))
        else:
            scores_RHLL = scores_RHLL + mask_R1LL
        weights_RHLL = scores_RHLL.softmax(dim=-1)
        return drop(weights_RHLL, drawn_RHLL, self.attention_dropout) @ value_RHLd

    def _merge(self, attended_RHLd: torch.Tensor) -> torch.Tensor:
        merged: torch.Tensor = self.out(attended_RHLd.transpose(1, 2).flatten(2))
        return merged
