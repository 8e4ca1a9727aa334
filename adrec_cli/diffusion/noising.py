"""How vectors are made noisy in training and denoised when asked for: which noise, at which timesteps."""

from __future__ import annotations

import torch
from torch import nn

from adrec_cli.diffusion.geodesic import geodesic_ddpm, geodesic_q_sample, on_sphere
from adrec_cli.diffusion.process import GaussianDiffusion
from adrec_cli.diffusion.samplers import Denoiser, Noise, sampler_named
from adrec_cli.diffusion.timesteps import LossAwareTimesteps, uniform_timesteps
from adrec_cli.errors import UsageError

KINDS = ("gaussian", "geodesic")
PER = ("token", "sequence")
TIMESTEP_SAMPLING = ("uniform", "loss_aware")


class Noising(nn.Module):
    """A diffusion process with the choices that a model leaves open; it has no weights.

    Attributes:
        diffusion: the process.
        loss_aware: what draws timesteps by their losses; None where all are equally likely.
    """

    def __init__(self, diffusion: GaussianDiffusion, *, kind: str, per: str, timestep_sampling: str) -> None:
        """Choose.

        Args:
            diffusion: whose schedule says how noisy a timestep is.
            kind: one of `KINDS`; "geodesic" looks at directions alone.
            per: one of `PER`: what draws a timestep of its own.
            timestep_sampling: one of `TIMESTEP_SAMPLING`.
        """
        super().__init__()
        self.diffusion = diffusion
        self.geodesic = kind == "geodesic"
        self.per_sequence = per == "sequence"
        self.loss_aware = LossAwareTimesteps(diffusion.steps) if timestep_sampling == "loss_aware" else None

    def timesteps(
        self, segments_RL: torch.Tensor, sequences: int, generator: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Draw timesteps for a packed batch.

        Args:
            segments_RL: the number 1..B of the sequence at each position, 0 for padding.
            sequences: B.
            generator: on their device.

        Returns:
            t_RL, and the weight of each token's loss where timesteps are not equally likely.
        """
        # Padding's timestep is never looked at.
        shape = (sequences + 1,) if self.per_sequence else tuple(segments_RL.shape)
        if self.loss_aware is None:
            t, weight = uniform_timesteps(shape, self.diffusion.steps, generator), None
        else:
            t, weight = self.loss_aware.draw(shape, generator)
        if self.per_sequence:
            return t[segments_RL], None if weight is None else weight[segments_RL]
        return t, weight

    def clean(self, x: torch.Tensor) -> torch.Tensor:
        """Return vectors (..., D) as the denoiser sees them without noise."""
        return on_sphere(x) if self.geodesic else x

    def q_sample(self, x_start: torch.Tensor, t: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        """Return x_t; arguments as `GaussianDiffusion.q_sample`."""
        if self.geodesic:
            return geodesic_q_sample(self.diffusion, x_start, t, noise)
        return self.diffusion.q_sample(x_start, t, noise)

    def sample(
        self, denoiser: Denoiser, noise: Noise, *, steps: int | None, sampler: str = "ddpm", eta: float = 0.0
    ) -> torch.Tensor:
        """Run the reverse chain in so many steps, by default all.

        Args:
            denoiser, noise: as `ddpm`.
            steps: 1..T.
            sampler, eta: as `sampler_named`.

        Raises:
            UsageError: as `GaussianDiffusion.respaced`, or geodesic noise has no such sampler.
        """
        if self.geodesic and sampler != "ddpm":
            raise UsageError(f"geodesic noise has no sampler {sampler}", hint="--sampler ddpm")
        diffusion = self.diffusion.respaced(steps or self.diffusion.steps)
        return (geodesic_ddpm if self.geodesic else sampler_named(sampler, eta=eta))(denoiser, diffusion, noise)
