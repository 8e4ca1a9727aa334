"""A diffusion on the unit sphere: noise turns a direction along a great circle instead of being added to it.

At the noise level of x_t = sqrt(abar) x_start + sqrt(1 - abar) noise, x_start is turned by the angle whose cosine is
sqrt(abar) towards a direction drawn uniformly from those at right angles to it. The reverse step undoes that exactly as
the posterior of the Gaussian process does, so that every x_t of the chain has the distribution it has in training.

Source: the idea, and the name of the option, are those of the ADRec code, whose map leaves the sphere, as the vector it
maps is no tangent, and whose sampler is the Gaussian one; here both are derived from one process. The reverse step is
that of Song et al. 2021 (DDIM, eq. 7, 12 and 16 with eta = 1) with rotations for sums.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

from adrec_cli.diffusion.process import GaussianDiffusion
from adrec_cli.diffusion.samplers import Denoiser, Noise


def on_sphere(x: torch.Tensor) -> torch.Tensor:
    """Return the directions of vectors (..., D); a zero vector, which has none, stays zero."""
    return F.normalize(x, dim=-1)


def geodesic_q_sample(
    diffusion: GaussianDiffusion, x_start: torch.Tensor, t: torch.Tensor, noise: torch.Tensor
) -> torch.Tensor:
    """Return x_t, the direction of x_start turned along a great circle.

    Args:
        diffusion: whose alphas_cumprod say how far.
        x_start: (..., D), of any length.
        t: (...), int64 in 0..T-1, one a vector.
        noise: standard normal, like x_start.
    """
    start = on_sphere(x_start)
    return diffusion.q_sample(start, t, on_sphere(_project_out(noise, start)))


def geodesic_ddpm(denoiser: Denoiser, diffusion: GaussianDiffusion, noise: Noise) -> torch.Tensor:
    """Run the reverse chain on the sphere, from a uniformly drawn direction through every step of `diffusion`.

    Args:
        denoiser: predicts x_start, of any length; its direction counts.
        diffusion: the process, respaced to the steps wanted.
        noise: called once for the start and once for each step but the last; zeros begin at the sphere's centre.

    Returns:
        The last step's x_start (..., D), as long as it was predicted.
    """
    x_t = on_sphere(noise())
    for step in reversed(range(diffusion.steps)):
        x_start = denoiser(x_t, diffusion.numbers.timesteps[step])
        if step > 0:
            x_t = _turn_back(diffusion, on_sphere(x_start), x_t, step, noise())
    return x_start


def _turn_back(
    diffusion: GaussianDiffusion, start: torch.Tensor, x_t: torch.Tensor, step: int, noise: torch.Tensor
) -> torch.Tensor:
    """Draw x_{t-1}: at its own angle from x_start, between where x_t lies and a fresh direction."""
    fresh_share = diffusion.betas_T[step] / (1 - diffusion.alphas_cumprod_T[step])
    away = on_sphere(_project_out(x_t, start))
    fresh = on_sphere(_project_out(_project_out(noise, start), away))
    direction = (1 - fresh_share).sqrt().item() * away + fresh_share.sqrt().item() * fresh
    alpha_bar = diffusion.alphas_cumprod_T[step - 1]
    return alpha_bar.sqrt().item() * start + (1 - alpha_bar).sqrt().item() * direction


def _project_out(x: torch.Tensor, direction: torch.Tensor) -> torch.Tensor:
    """Return what of x is at right angles to a direction of length 1 (or 0)."""
    return x - (x * direction).sum(-1, keepdim=True) * direction
