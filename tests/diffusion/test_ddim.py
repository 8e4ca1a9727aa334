"""The implicit sampler, by hand and against the ancestral one."""

from __future__ import annotations

import math

import pytest
import torch

from adrec_cli.diffusion.process import GaussianDiffusion
from adrec_cli.diffusion.samplers import ddim, ddpm, noise_source, sampler_named
from adrec_cli.errors import UsageError


def draws(seed: int):
    return noise_source((500,), kind="seeded", generator=torch.Generator().manual_seed(seed))


def linear_denoiser(x_t: torch.Tensor, t: int) -> torch.Tensor:
    return 0.3 * x_t + 0.01 * t


def two_steps() -> GaussianDiffusion:
    """Betas 0.2 and 0.5, so that alphas_cumprod is 0.8 and 0.4."""
    betas = torch.tensor([0.2, 0.5], dtype=torch.float64)
    return GaussianDiffusion.from_betas(betas, timesteps_T=torch.arange(2), original_steps=2)


def test_two_steps_by_hand() -> None:
    seen = []

    def denoiser(x_t: torch.Tensor, t: int) -> torch.Tensor:
        seen.append((t, x_t.item()))
        return torch.tensor([0.5])

    sample = ddim(denoiser, two_steps(), lambda: torch.tensor([2.0]))
    # At t = 1 the noise in x_t = 2 is (2 - sqrt(.4) .5) / sqrt(.6); x_0 = sqrt(.8) .5 + sqrt(.2) of it.
    epsilon = (2 - math.sqrt(0.4) * 0.5) / math.sqrt(0.6)
    assert seen[0] == (1, 2.0)
    assert seen[1][0] == 0
    assert seen[1][1] == pytest.approx(math.sqrt(0.8) * 0.5 + math.sqrt(0.2) * epsilon)
    assert sample.item() == pytest.approx(0.5)


def test_two_steps_with_half_the_noise_by_hand() -> None:
    feed = iter([2.0, -1.0])
    seen = []
    ddim(
        lambda x_t, t: seen.append(x_t.item()) or torch.tensor([0.5]),
        two_steps(),
        lambda: torch.tensor([next(feed)]),
        eta=0.5,
    )
    # sigma = .5 sqrt(.2 / .6 (1 - .4 / .8)) = .5 sqrt(1 / 6)
    sigma = 0.5 * math.sqrt(1 / 6)
    epsilon = (2 - math.sqrt(0.4) * 0.5) / math.sqrt(0.6)
    assert seen[1] == pytest.approx(math.sqrt(0.8) * 0.5 + math.sqrt(0.2 - sigma**2) * epsilon - sigma)


@pytest.mark.parametrize("schedule", ["trunc_lin", "cosine", "linear"])
@pytest.mark.parametrize("steps", [1, 2, 7, 32])
def test_with_all_the_noise_it_is_the_ancestral_sampler_of_the_posterior_variance(schedule: str, steps: int) -> None:
    diffusion = GaussianDiffusion.from_schedule(schedule, 32).respace(steps)
    implicit = ddim(linear_denoiser, diffusion, draws(3), eta=1.0)
    ancestral = ddpm(linear_denoiser, diffusion, draws(3), std_T=diffusion.posterior_variance_T.sqrt())
    torch.testing.assert_close(implicit, ancestral, atol=1e-5, rtol=1e-5)


def test_without_noise_only_the_start_is_random() -> None:
    calls = []

    def noise() -> torch.Tensor:
        calls.append(1)
        return torch.ones(3)

    ddim(linear_denoiser, GaussianDiffusion.from_schedule("trunc_lin", 16), noise)
    assert len(calls) == 1


def test_a_deterministic_chain_keeps_the_variance_of_a_gaussian() -> None:
    """For x_start ~ N(0, s^2) the best denoiser is linear; many implicit steps map N(0, 1) to N(0, s^2)."""
    diffusion = GaussianDiffusion.from_schedule("linear", 1000)
    variance = 0.25

    def best(x_t: torch.Tensor, t: int) -> torch.Tensor:
        alpha_bar = diffusion.alphas_cumprod_T[t].item()
        return x_t * (alpha_bar**0.5 * variance / (alpha_bar * variance + 1 - alpha_bar))

    noise = noise_source((50_000,), kind="seeded", generator=torch.Generator().manual_seed(4))
    assert ddim(best, diffusion, noise).var().item() == pytest.approx(variance, rel=0.03)


def test_one_step_returns_the_prediction() -> None:
    diffusion = GaussianDiffusion.from_schedule("trunc_lin", 32).respace(1)
    torch.testing.assert_close(
        ddim(lambda x_t, t: torch.full_like(x_t, 5.0), diffusion, draws(0)), torch.full((500,), 5.0)
    )


def test_unknown_samplers_are_refused() -> None:
    with pytest.raises(UsageError, match="unknown sampler"):
        sampler_named("euler")
