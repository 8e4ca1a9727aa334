"""Reverse processes: from noise to x_start with any denoiser."""

from __future__ import annotations

from collections.abc import Callable

import torch

from adrec_cli.diffusion.process import GaussianDiffusion
from adrec_cli.errors import UsageError

Denoiser = Callable[[torch.Tensor, int], torch.Tensor]
"""(x_t (..., D), the original timestep) -> the predicted x_start (..., D)."""

Noise = Callable[[], torch.Tensor]
"""Returns the next normal draw (..., D), or zeros."""

NOISES = ("seeded", "common", "zero")
"""Kinds of noise: drawn for every row, one draw for all rows, none."""


def ddpm(
    denoiser: Denoiser, diffusion: GaussianDiffusion, noise: Noise, *, std_T: torch.Tensor | None = None
) -> torch.Tensor:
    """Run the ancestral sampler from pure noise through every step of `diffusion`.

    Args:
        denoiser: predicts x_start.
        diffusion: the process, respaced to the steps wanted.
        noise: called once for the start and once for each step but the last.
        std_T: of the noise each step adds; None takes the process's `sample_std_T`.

    Returns:
        The sample (..., D); with one step it is the denoiser's x_start itself.

    Source: Ho et al. 2020, algorithm 2, with x_start prediction; ADRec algorithm 2.
    """
    std_T = diffusion.sample_std_T if std_T is None else std_T
    x_t = noise()
    for step in reversed(range(diffusion.steps)):
        x_start = denoiser(x_t, int(diffusion.timesteps_T[step]))
        x_t = diffusion.posterior_mean(x_start, x_t, step)
        if step > 0:
            x_t = x_t + std_T[step].item() * noise()
    return x_t


def guided(conditional: Denoiser, unconditional: Denoiser, scale: float) -> Denoiser:
    """Return a denoiser under classifier-free guidance: (1 + w) conditional - w unconditional.

    Args:
        conditional, unconditional: of the same x_t, with and without the condition.
        scale: w; 0 is the conditional denoiser.

    Source: Ho and Salimans 2021, eq. 6, for x_start in place of the noise.
    """

    def denoiser(x_t: torch.Tensor, t: int) -> torch.Tensor:
        return (1 + scale) * conditional(x_t, t) - scale * unconditional(x_t, t)

    return denoiser


def noise_source(
    shape: tuple[int, ...],
    *,
    kind: str,
    generator: torch.Generator,
    dtype: torch.dtype = torch.float32,
    temperature: float = 1.0,
) -> Noise:
    """Return the noise of a named kind for a sampler.

    Args:
        shape: of one draw, rows first.
        kind: "seeded" draws from `generator` for every row, "common" once for all rows (so that a row's noise does not
            depend on the others), "zero" is deterministic.
        generator: on the device wanted.
        dtype: of the draws.
        temperature: their standard deviation, at least 0.

    Raises:
        UsageError: an unknown kind.
    """
    if kind not in NOISES:
        raise UsageError(f"unknown noise {kind!r}", hint=f"one of: {', '.join(NOISES)}")
    if kind == "zero" or temperature == 0:
        zeros = torch.zeros(shape, device=generator.device, dtype=dtype)
        return lambda: zeros
    drawn = (1, *shape[1:]) if kind == "common" else shape

    def draw() -> torch.Tensor:
        normal = torch.randn(drawn, generator=generator, device=generator.device, dtype=dtype)
        return (normal if temperature == 1 else temperature * normal).expand(shape)

    return draw
