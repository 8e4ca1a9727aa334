"""Dropout whose randomness is passed in."""

from __future__ import annotations

import math

import torch

_LEVELS = 2**16


Drawn = torch.Tensor | torch.Generator
"""What decides about entries: a draw for each, or the generator that is going to draw where they are dropped."""


def draws(shape: tuple[int, ...], generator: torch.Generator, *, apart: bool = False) -> Drawn:
    """Return what decides about entries: int16 of this shape, uniform.

    One 64-bit draw decides four entries, which costs a quarter of a Bernoulli draw per entry. A GPU draws and drops in
    one kernel, so that there it is the generator itself, unless draws are to be made `apart`.
    """
    if generator.device.type == "cuda" and not apart:
        return generator
    count = math.prod(shape)
    words = torch.empty((count + 3) // 4, dtype=torch.int64, device=generator.device)
    words.random_(-(2**63), None, generator=generator)
    return words.view(torch.int16)[:count].view(shape)


def drop(x: torch.Tensor, drawn: Drawn | None, probability: float) -> torch.Tensor:
    """Zero the entries whose draw is low and scale the rest so that the expectation stays.

    Args:
        x: any shape.
        drawn: as `draws`, of the same shape; None means evaluation: x is returned as it is.
        probability: in [0, 1); rounded to a multiple of 2^-16.
    """
    if drawn is None:
        return x
    if isinstance(drawn, torch.Generator):
        kept, _ = torch._fused_dropout(x, 1 - probability, drawn)
        return kept
    levels = round(probability * _LEVELS)
    scale = 1 / (1 - levels / _LEVELS)
    if torch.compiler.is_compiling():
        return torch.where(drawn >= levels - _LEVELS // 2, x * scale, 0.0)
    # Compared straight into x's type: a mask of booleans would have to be converted in a pass of its own.
    kept = torch.ge(drawn, levels - _LEVELS // 2, out=torch.empty_like(x, requires_grad=False))
    # In half precision the scale itself would be rounded, and every entry with it the same way.
    return x * kept.mul_(scale) if x.dtype == torch.float32 else (x * kept) * scale


def dropout(x: torch.Tensor, probability: float, generator: torch.Generator | None) -> torch.Tensor:
    """Draw and drop at once.

    Args:
        x, probability: as `drop`.
        generator: on x's device; None means evaluation: x is returned as it is.
    """
    if generator is None or probability == 0.0:
        return x
    return drop(x, draws(tuple(x.shape), generator), probability)
