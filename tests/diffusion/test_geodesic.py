"""The diffusion on the unit sphere: where its vectors lie, and that its chain undoes its noise."""

from __future__ import annotations

import math

import pytest
import torch

from adrec_cli.diffusion.geodesic import geodesic_ddpm, geodesic_q_sample, on_sphere
from adrec_cli.diffusion.process import GaussianDiffusion
from adrec_cli.diffusion.samplers import noise_source

DIFFUSION = GaussianDiffusion.from_schedule("cosine", 12)
WIDTH = 6


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_noise_turns_by_the_angle_of_its_level():
    x_start, t = 3 * normal(12, WIDTH), torch.arange(12)
    x_t = geodesic_q_sample(DIFFUSION, x_start, t, normal(12, WIDTH, seed=1))
    torch.testing.assert_close(x_t.norm(dim=1), torch.ones(12))
    cosine = (x_t * on_sphere(x_start)).sum(1)
    torch.testing.assert_close(cosine, DIFFUSION.sqrt_alphas_cumprod_T)


def test_the_direction_of_the_turn_is_uniform():
    """What is at right angles to x_start has mean 0 and the same variance in each of the other D - 1 axes."""
    x_start = torch.zeros(100_000, WIDTH)
    x_start[:, 0] = 2.0
    x_t = geodesic_q_sample(DIFFUSION, x_start, torch.full((100_000,), 8), normal(100_000, WIDTH))
    rest = x_t[:, 1:]
    expected = (1 - DIFFUSION.alphas_cumprod_T[8].item()) / (WIDTH - 1)
    torch.testing.assert_close(rest.mean(0), torch.zeros(WIDTH - 1), atol=0.01, rtol=0)
    torch.testing.assert_close(torch.cov(rest.T), expected * torch.eye(WIDTH - 1), atol=0.005, rtol=0)


@pytest.mark.parametrize("steps", [12, 5])
def test_with_the_truth_at_hand_the_chain_passes_through_the_levels_of_the_forward_process(steps):
    """Every x_t between lies on the sphere at its own angle, in a direction with the forward process's covariance."""
    diffusion = DIFFUSION.respace(steps)
    truth = torch.zeros(40_000, WIDTH)
    truth[:, 0] = 5.0
    seen = []

    def denoiser(x_t: torch.Tensor, t: int) -> torch.Tensor:
        seen.append((t, x_t))
        return truth

    noise = noise_source(tuple(truth.shape), kind="seeded", generator=torch.Generator().manual_seed(4))
    assert geodesic_ddpm(denoiser, diffusion, noise) is truth
    assert [t for t, _ in seen] == diffusion.timesteps_T.tolist()[::-1]
    # From the second on: the start is uniform on the sphere.
    for t, x_t in seen[1:]:
        alpha_bar = DIFFUSION.alphas_cumprod_T[t].item()
        torch.testing.assert_close(x_t.norm(dim=1), torch.ones(len(x_t)))
        torch.testing.assert_close(x_t[:, 0], torch.full((len(x_t),), math.sqrt(alpha_bar)), atol=1e-5, rtol=1e-5)
        expected = (1 - alpha_bar) / (WIDTH - 1) * torch.eye(WIDTH - 1)
        torch.testing.assert_close(torch.cov(x_t[:, 1:].T), expected, atol=0.006, rtol=0)


def test_the_chain_neither_repeats_nor_forgets_the_direction_it_came_from():
    """The share that stays is that of the Gaussian posterior: cos^2 = alpha (1 - abar_before) / (1 - abar)."""
    truth = torch.zeros(20_000, WIDTH)
    truth[:, 0] = 1.0
    seen = []
    noise = noise_source(tuple(truth.shape), kind="seeded", generator=torch.Generator().manual_seed(5))
    geodesic_ddpm(lambda x_t, t: seen.append(x_t) or truth, DIFFUSION, noise)
    directions = [on_sphere(x_t[:, 1:]) for x_t in seen]
    for number, step in enumerate(reversed(range(1, 12))):
        kept = (directions[number] * directions[number + 1]).sum(1)
        before, now = DIFFUSION.alphas_cumprod_T[step - 1], DIFFUSION.alphas_cumprod_T[step]
        expected = math.sqrt((1 - DIFFUSION.betas_T[step]) * (1 - before) / (1 - now))
        torch.testing.assert_close(kept, torch.full_like(kept, expected), atol=1e-4, rtol=1e-4)


def test_one_step_returns_the_prediction_and_no_noise_begins_at_the_centre():
    zero = noise_source((3, WIDTH), kind="zero", generator=torch.Generator())
    starts = []
    predicted = normal(3, WIDTH)
    sample = geodesic_ddpm(lambda x_t, t: starts.append(x_t) or predicted, DIFFUSION.respace(1), zero)
    assert sample is predicted
    assert not starts[0].any()
    assert torch.isfinite(geodesic_ddpm(lambda x_t, t: predicted + x_t, DIFFUSION, zero)).all()


def test_a_vector_without_direction_stays_zero_and_has_a_finite_gradient():
    x = torch.zeros(2, WIDTH, requires_grad=True)
    x_t = geodesic_q_sample(DIFFUSION, x, torch.tensor([0, 5]), normal(2, WIDTH))
    x_t.sum().backward()
    assert torch.isfinite(x.grad).all()
