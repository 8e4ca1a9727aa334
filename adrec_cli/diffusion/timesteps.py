"""Which timestep each vector is noised to during training, and how a denoiser receives it."""

from __future__ import annotations

import math

import torch
from torch import nn


def uniform_timesteps(shape: tuple[int, ...], steps: int, generator: torch.Generator) -> torch.Tensor:
    """Draw t ~ U{0..T-1} independently for every entry of `shape`; int64 on the generator's device.

    Source: ADRec section 4.2, noise drawn independently for every token.
    """
    return torch.randint(steps, shape, generator=generator, device=generator.device)


class LossAwareTimesteps(nn.Module):
    """Draws a timestep the more often, the larger its newest losses were; weights keep the expected loss as it is.

    A timestep's share is the root of its losses' mean square, mixed with a uniform share. Until every timestep has a
    full history, all are equally likely. The histories are buffers that no checkpoint holds: they belong to a training
    under way.

    Source: Nichol and Dhariwal 2021, section 3.3 and `LossSecondMomentResampler` of their code.
    """

    history_TH: torch.Tensor
    seen_T: torch.Tensor

    def __init__(self, steps: int, *, history: int = 10, uniform_share: float = 0.001) -> None:
        super().__init__()
        self.uniform_share = uniform_share
        self.register_buffer("history_TH", torch.zeros(steps, history), persistent=False)
        self.register_buffer("seen_T", torch.zeros(steps, dtype=torch.int64), persistent=False)

    def shares_T(self) -> torch.Tensor:
        """Return the probability of each timestep, float64."""
        steps, history = self.history_TH.shape
        uniform_T = torch.full_like(self.seen_T, 1 / steps, dtype=torch.float64)
        root_T = self.history_TH.double().square().mean(dim=1).sqrt()
        if bool((self.seen_T < history).any()) or not root_T.any():
            return uniform_T
        return (1 - self.uniform_share) * root_T / root_T.sum() + self.uniform_share * uniform_T

    def draw(self, shape: tuple[int, ...], generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Draw timesteps independently for every entry of `shape`.

        Returns:
            t, int64, and the weight of the loss at it, which is uniform share over share.
        """
        shares_T = self.shares_T()
        t = torch.multinomial(shares_T, math.prod(shape), replacement=True, generator=generator).view(shape)
        return t, (1 / (len(shares_T) * shares_T)).float()[t]

    def observe(self, t_N: torch.Tensor, losses_N: torch.Tensor) -> None:
        """Remember losses, each at its timestep, the newest last."""
        steps, history = self.history_TH.shape
        order_N = torch.argsort(t_N, stable=True)
        t_N, losses_N = t_N[order_N], losses_N.detach()[order_N].to(self.history_TH.dtype)
        counts_T = torch.bincount(t_N, minlength=steps)
        age_N = counts_T.cumsum(0)[t_N] - 1 - torch.arange(len(t_N), device=t_N.device)
        columns_TH = torch.arange(history, device=t_N.device) + counts_T.clamp(max=history).unsqueeze(1)
        moved_TH = torch.cat([self.history_TH, torch.zeros_like(self.history_TH)], dim=1).gather(1, columns_TH)
        newest_N = age_N < history
        moved_TH[t_N[newest_N], history - 1 - age_N[newest_N]] = losses_N[newest_N]
        self.history_TH.copy_(moved_TH)
        self.seen_T.copy_((self.seen_T + counts_T).clamp(max=history))


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
