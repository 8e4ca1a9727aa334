"""How vectors are made noisy in training and denoised when asked for: which noise, at which timesteps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Protocol

import torch
from torch import nn

from adrec_cli.diffusion.geodesic import geodesic_ddpm, geodesic_q_sample, on_sphere
from adrec_cli.diffusion.process import GaussianDiffusion
from adrec_cli.diffusion.samplers import Denoiser, Noise, Sampler, sampler_named
from adrec_cli.diffusion.timesteps import LossAwareTimesteps, uniform_timesteps
from adrec_cli.errors import UsageError, look_up
from adrec_cli.wording import option


class Process(Protocol):
    """A kind of noise: what it makes of clean vectors, how it is added, and what takes it away again."""

    def clean(self, x: torch.Tensor) -> torch.Tensor:
        """Return vectors (..., D) as the denoiser sees them without noise."""

    def q_sample(
        self, diffusion: GaussianDiffusion, x_start: torch.Tensor, t: torch.Tensor, noise: torch.Tensor
    ) -> torch.Tensor:
        """Return x_t; arguments as `GaussianDiffusion.q_sample`."""

    def sampler(self, name: str, eta: float) -> Sampler:
        """Return a sampler; arguments and errors as `sampler_named`."""


class _Gaussian:
    """Noise is added."""

    def clean(self, x: torch.Tensor) -> torch.Tensor:
        return x

    def q_sample(
        self, diffusion: GaussianDiffusion, x_start: torch.Tensor, t: torch.Tensor, noise: torch.Tensor
    ) -> torch.Tensor:
        return diffusion.q_sample(x_start, t, noise)

    def sampler(self, name: str, eta: float) -> Sampler:
        return sampler_named(name, eta=eta)


class _Geodesic:
    """Noise turns directions; lengths do not count."""

    def clean(self, x: torch.Tensor) -> torch.Tensor:
        return on_sphere(x)

    def q_sample(
        self, diffusion: GaussianDiffusion, x_start: torch.Tensor, t: torch.Tensor, noise: torch.Tensor
    ) -> torch.Tensor:
        return geodesic_q_sample(diffusion, x_start, t, noise)

    def sampler(self, name: str, eta: float) -> Sampler:
        if name != "ddpm":
            raise UsageError(f"geodesic noise has no sampler {name}", hint=option("sampler", "ddpm"))
        return geodesic_ddpm


KINDS: Mapping[str, Process] = MappingProxyType({"gaussian": _Gaussian(), "geodesic": _Geodesic()})
PER: Mapping[str, bool] = MappingProxyType({"token": False, "sequence": True})
"""What draws a timestep of its own -> whether the tokens of a sequence share one."""
TIMESTEP_SAMPLING: Mapping[str, Callable[[int], LossAwareTimesteps | None]] = MappingProxyType(
    {"uniform": lambda steps: None, "loss_aware": LossAwareTimesteps}
)
"""Number of steps T -> what draws timesteps by their losses; None where all are equally likely."""


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
        self.process = look_up(KINDS, kind, "kind of noise")
        self.per_sequence = look_up(PER, per, "share of timesteps")
        self.loss_aware = look_up(TIMESTEP_SAMPLING, timestep_sampling, "sampling of timesteps")(diffusion.steps)

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
        return self.process.clean(x)

    def q_sample(self, x_start: torch.Tensor, t: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        """Return x_t; arguments as `GaussianDiffusion.q_sample`."""
        return self.process.q_sample(self.diffusion, x_start, t, noise)

    def sample(
        self, denoiser: Denoiser, noise: Noise, *, steps: int | None, sampler: str = "ddpm", eta: float = 0.0
    ) -> torch.Tensor:
        """Run the reverse chain in `steps` steps, by default all.

        Args:
            denoiser, noise: as `ddpm`.
            steps: 1..T.
            sampler, eta: as `sampler_named`.

        Raises:
            UsageError: as `GaussianDiffusion.respace`, or geodesic noise has no such sampler.
        """
        run = self.process.sampler(sampler, eta)
        return run(denoiser, self.diffusion.respace(steps or self.diffusion.steps), noise)
