"""Which timestep each vector is noised to during training, and how a denoiser is told."""

from __future__ import annotations

import math

import torch


def uniform_timesteps(shape: tuple[int, ...], steps: int, generator: torch.Generator) -> torch.Tensor:
    """Draw t ~ U{0..T-1} independently for every entry of `shape`; int64 on the generator's device.

    Source: ADRec section 4.2, noise drawn independently for every token.
    """
    return torch.randint(steps, shape, generator=generator, device=generator.device)


def sinusoidal_embedding(t: torch.Tensor, width: int, *, max_period: float = 10_000.0) -> torch.Tensor:
    """Embed timesteps as cosines and sines of falling frequency.

    Args:
        t: (...), may be fractional.
        width: D, even.
        max_period: the longest period.

    Returns:
        (..., D), float32.

    Source: Ho et al. 2020; frequencies exp(-ln(max_period) i / (D / 2)).
    """
    half = width // 2
    frequencies = torch.exp(-math.log(max_period) * torch.arange(half, dtype=torch.float32, device=t.device) / half)
    angles = t.unsqueeze(-1).float() * frequencies
    return torch.cat([angles.cos(), angles.sin()], dim=-1)
