"""Schedules and posteriors against recorded values, and what makes a schedule one."""

from __future__ import annotations

import itertools
import json
import math

import pytest
import torch

from adrec_cli.diffusion.beta_distribution import beta_cdf, beta_quantile
from adrec_cli.diffusion.process import GaussianDiffusion
from adrec_cli.diffusion.schedules import SCHEDULES, betas_for
from adrec_cli.errors import UsageError
from tests.tiers import sampled

RECORDED_NAMES = {"linear": "linear_scaled", "cosine": "cosine", "sqrt": "sqrt", "trunc_lin": "trunc_lin",
                  "trunc_cos": "trunc_cos"}  # fmt: skip


def test_every_recorded_schedule_and_posterior(golden):
    recorded = json.loads((golden / "schedules.json").read_text())
    for key, values in recorded.items():
        official, steps = key.split("/")
        name = RECORDED_NAMES[official]
        if not values["valid"]:
            with pytest.raises(UsageError, match="not valid"):
                betas_for(name, int(steps))
            continue
        diffusion = GaussianDiffusion.from_schedule(name, int(steps))
        for field in ("betas", "alphas_cumprod"):
            expected = torch.tensor(values[field], dtype=torch.float64)
            torch.testing.assert_close(getattr(diffusion, f"{field}_T"), expected, atol=1e-12, rtol=1e-9)
        for field in ("posterior_mean_coef1", "posterior_mean_coef2", "posterior_variance"):
            torch.testing.assert_close(getattr(diffusion, f"{field}_T"), torch.tensor(values[field]), **CLOSE)


CLOSE = {"atol": 1e-6, "rtol": 1e-5}


def test_unscaled_linear_is_the_one_of_the_report():
    betas = betas_for("linear", 50)
    assert betas[0] == pytest.approx(1e-4)
    assert betas[-1] == pytest.approx(0.02)


def test_exponential_follows_the_rate_of_noise_of_its_source():
    """beta_t = 1 - exp(-integral of the rate 0.1 + 9.9 u over a step); DreamRec's formula by hand."""
    betas = betas_for("exponential", 200)
    assert betas[0].item() == pytest.approx(1 - math.exp(-0.1 / 200 - 4.95 / 200**2))
    assert betas[-1].item() == pytest.approx(1 - math.exp(-0.1 / 200 - 4.95 * 401 / 200**2))
    rates = torch.linspace(0.1, 10.0, 100_001, dtype=torch.float64)
    left = betas_for("exponential", 1000).neg().log1p().sum()
    assert left.item() == pytest.approx(-rates.mean().item(), rel=1e-3)


def test_piecewise_linear_falls_over_ten_steps_and_rises_over_the_others():
    """At T = 40: 25 times 1e-4, and 0.01 above it at first; rising to 25 times 0.02. By hand from its source."""
    betas = betas_for("pw_lin", 40)
    assert [betas[i].item() for i in (0, 9, 10, 39)] == pytest.approx([0.0125, 0.0025, 0.0025, 0.5])
    assert betas[1].item() == pytest.approx(0.0125 - 0.01 / 9)
    assert betas[11].item() == pytest.approx(0.0025 + 0.4975 / 29)
    with pytest.raises(UsageError, match="needs more than 10 steps"):
        betas_for("pw_lin", 10)


def test_beta_spreads_noise_levels_as_a_beta_distribution():
    """Beta(1, 1) is uniform, so that alphas_cumprod fall evenly; Beta(a, 1) has the quantiles p^(1/a)."""
    left = 1 - torch.arange(1, 32, dtype=torch.float64) / 32
    even = GaussianDiffusion.from_schedule("beta", 32, beta_a=1.0, beta_b=1.0).alphas_cumprod_T
    torch.testing.assert_close(even[:-1], left)
    powers = GaussianDiffusion.from_schedule("beta", 32, beta_a=0.5, beta_b=1.0).alphas_cumprod_T
    torch.testing.assert_close(powers[:-1], left**2)
    assert betas_for("beta", 32)[-1] == pytest.approx(0.999), "the last quantile is 0, and no beta is 1"


@pytest.mark.parametrize(
    ("a", "b", "recorded"),
    [
        (0.3, 10.0, [3.3261393861223956e-06, 0.007546484599707457, 0.1324600768781392]),
        (3.0, 10.0, [0.07187025554226983, 0.2166864107865456, 0.43810543511531136]),
        (200.0, 1000.0, [0.1492987109989773, 0.1664814491473525, 0.18466649770909066]),
    ],
)
def test_quantiles_are_those_of_the_beta_distribution(a, b, recorded):
    """Recorded from scipy.stats.beta.ppf."""
    probabilities = torch.tensor([0.05, 0.5, 0.95], dtype=torch.float64)
    expected = torch.tensor(recorded, dtype=torch.float64)
    torch.testing.assert_close(beta_quantile(probabilities, a, b), expected, rtol=1e-12, atol=0)
    torch.testing.assert_close(beta_cdf(expected, a, b), probabilities, rtol=1e-10, atol=0)


def test_an_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(UsageError) as refused:
        betas_for("lineer", 10)
    assert "trunc_lin" in refused.value.hint


NO_SCHEDULE = {("linear_scaled", steps) for steps in (2, 3, 10, 12, 19)} | {
    ("pw_lin", steps) for steps in (1, 2, 3, 10, 12, 19)
}
"""What is refused, as `SCHEDULES` says: a beta would reach 1, or there are too few steps for the pieces."""
EVERY_SIZE = list(itertools.product(SCHEDULES, [1, 2, 3, 10, 12, 19, 32, 1000, 9999, 10_000, 20_000]))


@sampled(
    "name,steps",
    EVERY_SIZE,
    quick=[(name, steps) for name, steps in EVERY_SIZE if steps <= 1000 or (steps == 20_000 and name != "beta")],
)
def test_noise_only_grows_whatever_the_number_of_steps(name, steps):
    if (name, steps) in NO_SCHEDULE:
        with pytest.raises(UsageError):
            betas_for(name, steps)
        return
    betas_T = betas_for(name, steps)
    assert len(betas_T) == steps
    assert bool(((betas_T > 0) & (betas_T < 1)).all())
    diffusion = GaussianDiffusion.from_schedule(name, steps)
    alphas_cumprod_T = diffusion.alphas_cumprod_T
    assert bool((alphas_cumprod_T.diff() < 0).all())
    assert 0 < alphas_cumprod_T[-1] < alphas_cumprod_T[0] < 1 or steps == 1
    for field in ("posterior_mean_coef1_T", "posterior_mean_coef2_T", "posterior_variance_T", "sample_std_T"):
        assert bool(getattr(diffusion, field).isfinite().all()), field


def test_where_no_signal_is_left_betas_are_the_largest():
    """1 - sqrt(t / T + 1e-4) is 0 at t / T = 0.9999 and below it after that; each step takes what it may."""
    for steps in (10_000, 20_000):
        betas_T = betas_for("sqrt", steps)
        assert betas_T[round(0.9999 * steps) :].tolist() == [0.999] * (steps // 10_000)
    assert betas_for("sqrt", 10_000)[9997] == pytest.approx(0.5, abs=1e-4), "half of what is left, then all of it"


@pytest.mark.parametrize("steps", [1, 2, 5, 31, 32])
def test_respacing_keeps_noise_levels_and_ends_at_the_noisiest(steps):
    diffusion = GaussianDiffusion.from_schedule("trunc_lin", 32)
    spaced = diffusion.respace(steps)
    assert spaced.steps == steps
    assert int(spaced.timesteps_T[-1]) == 31
    torch.testing.assert_close(spaced.alphas_cumprod_T, diffusion.alphas_cumprod_T[spaced.timesteps_T])


@pytest.mark.parametrize("steps", [0, 33])
def test_respacing_beyond_the_process_is_refused(steps):
    with pytest.raises(UsageError, match="between 1 and 32"):
        GaussianDiffusion.from_schedule("trunc_lin", 32).respace(steps)


def test_the_posterior_is_bayes_rule():
    """Coefficients from the product of two Gaussians: q(x_t | x_{t-1}) q(x_{t-1} | x_start)."""
    diffusion = GaussianDiffusion.from_schedule("cosine", 10)
    for t in range(1, 10):
        beta, before = diffusion.betas_T[t], diffusion.alphas_cumprod_T[t - 1]
        precision = (1 - beta) / beta + 1 / (1 - before)
        assert diffusion.posterior_variance_T[t] == pytest.approx((1 / precision).item(), rel=1e-5)
        assert diffusion.posterior_mean_coef1_T[t] == pytest.approx(
            (before.sqrt() / (1 - before) / precision).item(), rel=1e-5
        )
        assert diffusion.posterior_mean_coef2_T[t] == pytest.approx(
            ((1 - beta).sqrt() / beta / precision).item(), rel=1e-5
        )


def test_q_sample_has_the_mean_and_variance_of_the_forward_process():
    diffusion = GaussianDiffusion.from_schedule("trunc_lin", 32)
    x_start = torch.full((200_000, 1), 2.0)
    t = torch.full((200_000,), 7)
    noise = torch.randn(x_start.shape, generator=torch.Generator().manual_seed(0))
    x_t = diffusion.q_sample(x_start, t, noise)
    alpha_bar = diffusion.alphas_cumprod_T[7].item()
    assert x_t.mean().item() == pytest.approx(2 * alpha_bar**0.5, abs=0.01)
    assert x_t.var().item() == pytest.approx(1 - alpha_bar, abs=0.01)
