"""The forward process q(x_t | x_start) and the posterior q(x_{t-1} | x_t, x_start)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch

from adrec_cli.diffusion.schedules import betas_for
from adrec_cli.errors import UsageError
from adrec_cli.wording import option, say_count


@dataclass(frozen=True, kw_only=True)
class StepNumbers:
    """Coefficients of a process as Python's numbers, which a sampler need not fetch from tensors one by one.

    Attributes:
        timesteps, posterior_mean_coefs, sample_std: of each step, as `GaussianDiffusion` names them.
    """

    timesteps: list[int]
    posterior_mean_coefs: list[tuple[float, float]]
    sample_std: list[float]


@dataclass(frozen=True, kw_only=True)
class GaussianDiffusion:
    """The coefficients of a diffusion process over T steps, computed in float64, kept in float32.

    Attributes:
        timesteps_T: the original timestep of each step, int64; 0..T-1 unless respaced.
        original_steps: T of the schedule the model was trained with.
        alphas_cumprod_T: the product of (1 - beta) up to t, float64.
        sqrt_alphas_cumprod_T, sqrt_one_minus_alphas_cumprod_T: of x_start and of the noise in x_t.
        posterior_mean_coef1_T, posterior_mean_coef2_T: of x_start and of x_t in the posterior mean.
        posterior_variance_T: of q(x_{t-1} | x_t, x_start); 0 at t = 0.
        sample_std_T: the standard deviation used when sampling ("fixed large", sqrt of beta).

    Source: Ho et al. 2020, eq. 4, 6 and 7; ADRec eq. 3-6.
    """

    timesteps_T: torch.Tensor
    original_steps: int
    betas_T: torch.Tensor
    alphas_cumprod_T: torch.Tensor
    sqrt_alphas_cumprod_T: torch.Tensor
    sqrt_one_minus_alphas_cumprod_T: torch.Tensor
    posterior_mean_coef1_T: torch.Tensor
    posterior_mean_coef2_T: torch.Tensor
    posterior_variance_T: torch.Tensor
    sample_std_T: torch.Tensor

    @property
    def steps(self) -> int:
        """How many reverse steps this process has."""
        return len(self.betas_T)

    @classmethod
    def from_schedule(
        cls, schedule: str, steps: int, *, beta_a: float = 0.3, beta_b: float = 10.0
    ) -> GaussianDiffusion:
        """Return the process of a named schedule; arguments as `betas_for`.

        Raises:
            UsageError: as `betas_for`.
        """
        # On the CPU even where a model is only outlined: these are numbers, not weights.
        with torch.device("cpu"):
            betas_T = betas_for(schedule, steps, beta_a=beta_a, beta_b=beta_b)
            return cls.from_betas(betas_T, timesteps_T=torch.arange(steps), original_steps=steps)

    @classmethod
    def from_betas(cls, betas_T: torch.Tensor, *, timesteps_T: torch.Tensor, original_steps: int) -> GaussianDiffusion:
        """Compute every coefficient from betas_T, float64."""
        alphas_cumprod_T = torch.cumprod(1 - betas_T, dim=0)
        previous_T = torch.cat([torch.ones(1, dtype=torch.float64), alphas_cumprod_T[:-1]])
        posterior_variance_T = betas_T * (1 - previous_T) / (1 - alphas_cumprod_T)
        # The first step's posterior variance is 0; the second's stands in for it, as in Ho et al.'s code.
        variance_T = betas_T.clone()
        variance_T[0] = posterior_variance_T[min(1, len(betas_T) - 1)]
        return cls(
            timesteps_T=timesteps_T,
            original_steps=original_steps,
            betas_T=betas_T,
            alphas_cumprod_T=alphas_cumprod_T,
            sqrt_alphas_cumprod_T=alphas_cumprod_T.sqrt().float(),
            sqrt_one_minus_alphas_cumprod_T=(1 - alphas_cumprod_T).sqrt().float(),
            posterior_mean_coef1_T=(betas_T * previous_T.sqrt() / (1 - alphas_cumprod_T)).float(),
            posterior_mean_coef2_T=((1 - previous_T) * (1 - betas_T).sqrt() / (1 - alphas_cumprod_T)).float(),
            posterior_variance_T=posterior_variance_T.float(),
            sample_std_T=variance_T.sqrt().float(),
        )

    def respace(self, steps: int) -> GaussianDiffusion:
        """Return a process of `steps` steps over the same noise levels, evenly strided, ending at the noisiest.

        Source: Nichol and Dhariwal 2021, section 4.

        Raises:
            UsageError: more steps than the process has, or none.
        """
        if not 1 <= steps <= self.steps:
            raise UsageError(
                f"{option('steps')} must be between 1 and {self.steps}, got {steps}",
                hint=f"the model was trained with {say_count(self.steps, 'diffusion step')}",
            )
        if steps == self.steps:
            return self
        if steps not in self._fewer:
            self._fewer[steps] = self._stride(steps)
        return self._fewer[steps]

    def _stride(self, steps: int) -> GaussianDiffusion:
        # round(T * (i + 1) / steps) - 1: strided from the end, so that the chain starts at the noisiest level.
        kept = torch.tensor([round(self.steps * (i + 1) / steps) - 1 for i in range(steps)])
        alphas_cumprod = self.alphas_cumprod_T[kept]
        previous = torch.cat([torch.ones(1, dtype=torch.float64), alphas_cumprod[:-1]])
        return self.from_betas(
            1 - alphas_cumprod / previous,
            timesteps_T=self.timesteps_T[kept],
            original_steps=self.original_steps,
        )

    def q_sample(self, x_start: torch.Tensor, t: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        """Return x_t, the data after t + 1 steps of noise.

        Args:
            x_start: (..., D).
            t: (...), int64 in 0..T-1, one a vector.
            noise: standard normal, like x_start.

        Source: ADRec eq. 3.
        """
        signal_T, noise_T = self._levels(x_start.device)
        return signal_T[t].unsqueeze(-1) * x_start + noise_T[t].unsqueeze(-1) * noise

    def _levels(self, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
        """Return what x_start and noise are multiplied with, on a device; they are brought there once."""
        if device not in self._moved:
            self._moved[device] = (
                self.sqrt_alphas_cumprod_T.to(device),
                self.sqrt_one_minus_alphas_cumprod_T.to(device),
            )
        return self._moved[device]

    @cached_property
    def _moved(self) -> dict[torch.device, tuple[torch.Tensor, torch.Tensor]]:
        """What of the process was brought to other devices."""
        return {}

    def posterior_mean(self, x_start: torch.Tensor, x_t: torch.Tensor, step: int) -> torch.Tensor:
        """Return the mean of q(x_{t-1} | x_t, x_start) at one step for all vectors.

        Args:
            x_start, x_t: (..., D).
            step: position in this process, 0..steps-1; 0 is the last one taken.

        Source: ADRec eq. 6.
        """
        coef1, coef2 = self.numbers.posterior_mean_coefs[step]
        return torch.add(coef1 * x_start, x_t, alpha=coef2)

    @cached_property
    def numbers(self) -> StepNumbers:
        """What a sampler reads at each step."""
        coefs = zip(self.posterior_mean_coef1_T.tolist(), self.posterior_mean_coef2_T.tolist(), strict=True)
        return StepNumbers(
            timesteps=self.timesteps_T.tolist(),
            posterior_mean_coefs=list(coefs),
            sample_std=self.sample_std_T.tolist(),
        )

    @cached_property
    def _fewer(self) -> dict[int, GaussianDiffusion]:
        """Processes of fewer steps that were asked for."""
        return {}
