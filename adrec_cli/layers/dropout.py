"""Dropout whose randomness is passed in."""

from __future__ import annotations

import torch

_LEVELS = 2**16


def dropout(x: torch.Tensor, probability: float, generator: torch.Generator | None) -> torch.Tensor:
    """Zero each entry with `probability` and scale the rest so that the expectation stays.

    One 64-bit draw decides four entries, so the probability is rounded to a multiple of 2^-16 and drawing
    costs a quarter of a Bernoulli draw per entry.

    Args:
        x: any shape.
        probability: in [0, 1).
        generator: on x's device; None means evaluation: x is returned as it is.
    """
    if generator is None or probability == 0.0:
        return x
    words = torch.empty((x.numel() + 3) // 4, dtype=torch.int64, device=x.device)
    words.random_(-(2**63), None, generator=generator)
    threshold = round(probability * _LEVELS) - _LEVELS // 2
    draws = words.view(torch.int16)[: x.numel()].view(x.shape)
    # Compared straight into x's type: a mask of booleans would have to be converted in a pass of its own.
    kept = torch.ge(draws, threshold, out=torch.empty_like(x, requires_grad=False))
    return x * kept.mul_(1 / (1 - round(probability * _LEVELS) / _LEVELS))
