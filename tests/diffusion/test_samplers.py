"""The ancestral sampler."""

from __future__ import annotations

import pytest
import torch

from adrec_cli.diffusion.process import GaussianDiffusion
from adrec_cli.diffusion.samplers import ddpm, noise_source
from adrec_cli.errors import UsageError


def test_one_step_returns_the_prediction_itself():
    diffusion = GaussianDiffusion.from_schedule("trunc_lin", 32).respace(1)
    noise = noise_source((4, 3), kind="seeded", generator=torch.Generator().manual_seed(1))
    sample = ddpm(lambda x_t, t: torch.full_like(x_t, 5.0), diffusion, noise)
    torch.testing.assert_close(sample, torch.full((4, 3), 5.0))


def test_a_perfect_denoiser_recovers_x_start():
    diffusion = GaussianDiffusion.from_schedule("cosine", 20)
    truth = torch.randn(16, 8, generator=torch.Generator().manual_seed(2))
    noise = noise_source((16, 8), kind="seeded", generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(ddpm(lambda x_t, t: truth, diffusion, noise), truth, atol=1e-5, rtol=1e-5)


def test_the_chain_of_a_gaussian_has_its_variance():
    """For x_start ~ N(0, s^2) the best denoiser is linear, and sampling with it must give back N(0, s^2)."""
    diffusion = GaussianDiffusion.from_schedule("linear", 1000)
    variance = 0.25

    def best(x_t: torch.Tensor, t: int) -> torch.Tensor:
        alpha_bar = diffusion.alphas_cumprod_T[t].item()
        return x_t * (alpha_bar**0.5 * variance / (alpha_bar * variance + 1 - alpha_bar))

    noise = noise_source((50_000,), kind="seeded", generator=torch.Generator().manual_seed(4))
    sample = ddpm(best, diffusion, noise)
    assert sample.var().item() == pytest.approx(variance, rel=0.03)


def test_timesteps_go_down_to_zero():
    seen = []
    diffusion = GaussianDiffusion.from_schedule("trunc_lin", 8)
    ddpm(lambda x_t, t: seen.append(t) or x_t, diffusion, lambda: torch.zeros(1))
    assert seen == [7, 6, 5, 4, 3, 2, 1, 0]


def test_unknown_noise_is_refused():
    with pytest.raises(UsageError, match="unknown noise"):
        noise_source((1,), kind="pink", generator=torch.Generator())


def test_the_noise_of_each_step_can_be_chosen():
    """Without noise in the steps only the start is random; the default and the posterior's differ."""
    diffusion = GaussianDiffusion.from_schedule("linear", 20)

    def sample(std_T):
        noise = noise_source((2000,), kind="seeded", generator=torch.Generator().manual_seed(4))
        return ddpm(lambda x_t, t: x_t, diffusion, noise, std_T=std_T)

    start = torch.randn(2000, generator=torch.Generator().manual_seed(4))
    still = sample(torch.zeros(20))
    assert torch.corrcoef(torch.stack([still, start]))[0, 1] > 0.999
    assert not torch.equal(sample(None), sample(diffusion.posterior_variance_T.sqrt()))
