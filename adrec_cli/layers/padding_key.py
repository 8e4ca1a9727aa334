"""Padding that takes part as a key, exactly and at the price of one: n equal keys are one with log(n) on its score.

Code that pads on the left and masks padding as a query only lets every token attend to it: the share of attention it
takes tells how short a history is. As all padding of a sequence is alike, in every layer, one padding token at its
beginning does the same, wherever its score as a key is raised by the logarithm of how many it stands for.
"""

from __future__ import annotations

import torch

_NEVER = -1e9
"""Of a key that stands for none; finite, as the padding token itself sees no other key."""


def padding_bias(counts: torch.Tensor) -> torch.Tensor:
    """Return what is added to the score of a key that stands for several, float32; a count of 0 masks it."""
    return torch.where(counts > 0, counts.clamp(min=1).float().log(), _NEVER)


def mask_with_padding_key(visible_R1LL: torch.Tensor, bias_RL: torch.Tensor) -> torch.Tensor:
    """Return mask_R1LL, float32 to be added to scores, for rows whose first position is padding that all may see.

    Args:
        visible_R1LL: bool, which key a query may see apart from the first.
        bias_RL: of the first key, as each query sees it.
    """
    mask_R1LL = torch.zeros(visible_R1LL.shape, device=visible_R1LL.device).masked_fill(~visible_R1LL, float("-inf"))
    mask_R1LL[:, 0, :, 0] = bias_RL
    return mask_R1LL


def causal_mask_with_padding_key(length: int, bias_B: torch.Tensor) -> torch.Tensor:
    """Return mask_B1LL as `mask_with_padding_key` for histories of `length` positions with the padding, one per row."""
    # Not len(), which would fix the number of histories in an exported graph.
    causal_LL = torch.ones(length, length, dtype=torch.bool, device=bias_B.device).tril()
    return mask_with_padding_key(causal_LL.expand(bias_B.shape[0], 1, -1, -1), bias_B.unsqueeze(1))
