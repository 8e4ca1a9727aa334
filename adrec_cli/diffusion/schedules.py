"""Noise schedules by name: how much noise step t adds."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import torch

from adrec_cli.diffusion.beta_distribution import beta_quantile
from adrec_cli.errors import UsageError
from adrec_cli.wording import say_count

_MAX_BETA = 0.999
_PIECE = 10


def linear(steps: int) -> torch.Tensor:
    """Return betas from 1e-4 to 0.02, whatever the number of steps.

    Source: Ho et al. 2020; the `linear` of the ADRec reproduction report.
    """
    return torch.linspace(1e-4, 0.02, steps, dtype=torch.float64)


def linear_scaled(steps: int) -> torch.Tensor:
    """Return the linear betas scaled by 1000 / T, as the official ADRec code calls `linear`.

    Not a schedule for T <= 20, where a beta reaches 1.
    """
    scale = 1000 / steps
    return torch.linspace(scale * 1e-4, scale * 0.02, steps, dtype=torch.float64)


def trunc_lin(steps: int) -> torch.Tensor:
    """Return the scaled linear betas lifted by 0.01; where they would pass 1 they end at T-scaled 0.001.

    Source: Diffusion-LM (Li et al. 2022); the default of the ADRec code.
    """
    scale = 1000 / steps
    end = scale * 0.02 + 0.01
    if end > 1:
        end = scale * 0.001 + 0.01
    return torch.linspace(scale * 1e-4 + 0.01, end, steps, dtype=torch.float64)


def pw_lin(steps: int) -> torch.Tensor:
    """Return ten betas that fall to the scaled linear start, and from there scaled linear ones.

    Not a schedule for 11 < T <= 20, where a beta reaches 1.

    Source: Diffusion-LM (Li et al. 2022); the DiffuRec code.

    Raises:
        UsageError: at most ten steps.
    """
    if steps <= _PIECE:
        raise UsageError(f"noise schedule 'pw_lin' needs more than {_PIECE} steps, got {steps}", hint=_HINT)
    low = 1000 / steps * 1e-4
    first = torch.linspace(low + 0.01, low, _PIECE, dtype=torch.float64)
    return torch.cat([first, torch.linspace(low, 200 * low, steps - _PIECE, dtype=torch.float64)])


def cosine(steps: int) -> torch.Tensor:
    """Return the squared-cosine schedule. Source: Nichol and Dhariwal 2021."""
    return _from_alpha_bar(steps, lambda u: math.cos((u + 0.008) / 1.008 * math.pi / 2) ** 2)


def sqrt(steps: int) -> torch.Tensor:
    """Return the square-root schedule. Source: Diffusion-LM (Li et al. 2022)."""
    return _from_alpha_bar(steps, lambda u: 1 - math.sqrt(u + 1e-4))


def trunc_cos(steps: int) -> torch.Tensor:
    """Return a cosine schedule that starts with the noise already there at time 0.

    Source: Diffusion-LM (Li et al. 2022); an option of the ADRec code.
    """

    def alpha_bar(u: float) -> float:
        return math.cos((u + 0.1) / 1.1 * math.pi / 2) ** 2

    first = torch.tensor([min(1 - alpha_bar(0.0), _MAX_BETA)], dtype=torch.float64)
    return torch.cat([first, _from_alpha_bar(steps, alpha_bar)[: steps - 1]])


def exponential(steps: int) -> torch.Tensor:
    """Return betas of a noise rate that rises linearly from 0.1 to 10 over continuous time 0..1 (and slightly beyond).

    Source: Song et al. 2021, the variance-preserving SDE; the DreamRec code, `exp_beta_schedule`.
    """
    low, high = 0.1, 10.0
    x = torch.linspace(1, 2 * steps + 1, steps, dtype=torch.float64)
    return 1 - torch.exp(-low / steps - x * 0.5 * (high - low) / steps**2)


def beta(steps: int, a: float = 0.3, b: float = 10.0) -> torch.Tensor:
    """Return betas whose alphas_cumprod are spread as a Beta(a, b) distribution: its quantiles at 1 - t / T.

    Args:
        steps: T.
        a, b: of the distribution, positive; more weight of small values means more noise.

    Source: the ADRec paper and code, `beta` with `beta_a` and `beta_b`.
    """
    between = 1 - torch.arange(1, steps, dtype=torch.float64) / steps
    ends = torch.tensor([1.0, 0.0], dtype=torch.float64)
    alphas_cumprod = torch.cat([ends[:1], beta_quantile(between, a, b), ends[1:]])
    return (1 - alphas_cumprod[1:] / alphas_cumprod[:-1]).clamp(max=_MAX_BETA)


SCHEDULES: dict[str, Callable[[int], torch.Tensor]] = {
    "linear": linear,
    "linear_scaled": linear_scaled,
    "trunc_lin": trunc_lin,
    "trunc_cos": trunc_cos,
    "pw_lin": pw_lin,
    "cosine": cosine,
    "sqrt": sqrt,
    "exponential": exponential,
    "beta": beta,
}
_HINT = "use more steps, or another schedule such as trunc_lin"


def betas_for(schedule: str, steps: int, *, beta_a: float = 0.3, beta_b: float = 10.0) -> torch.Tensor:
    """Return the betas of a named schedule.

    Args:
        schedule: a key of `SCHEDULES`.
        steps: T, at least 1.
        beta_a, beta_b: of `beta`, positive; the others have no such parameters.

    Returns:
        betas_T, float64, each in (0, 1).

    Raises:
        UsageError: an unknown name, or a schedule that is none at this number of steps.
    """
    if schedule not in SCHEDULES:
        raise UsageError(f"unknown noise schedule {schedule!r}", hint=f"one of: {', '.join(SCHEDULES)}")
    if steps < 1:
        raise UsageError(f"diffusion_steps must be at least 1, got {steps}")
    betas_T = beta(steps, beta_a, beta_b) if schedule == "beta" else SCHEDULES[schedule](steps)
    if not bool(((betas_T > 0) & (betas_T < 1)).all()):
        raise UsageError(
            f"noise schedule {schedule!r} is not valid for "
            f"{say_count(steps, 'step')}: betas reach from {betas_T.min().item():.3g} "
            f"to {betas_T.max().item():.3g}",
            hint=_HINT,
        )
    return betas_T


def _from_alpha_bar(steps: int, alpha_bar: Callable[[float], float]) -> torch.Tensor:
    """Turn a function of time in [0, 1] into betas, each at most 0.999, and that much where no signal is left."""
    levels = [alpha_bar(i / steps) for i in range(steps + 1)]
    betas = [min(1 - after / before, _MAX_BETA) if before > 0 else _MAX_BETA for before, after in pairwise(levels)]
    return torch.tensor(betas, dtype=torch.float64)
