"""What is chosen by name: each name has a function of its own, and a name that has none is refused."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial

import pytest
import torch

from adrec_cli.diffusion import names
from adrec_cli.diffusion.noising import KINDS, PER, TIMESTEP_SAMPLING, Noising
from adrec_cli.diffusion.process import GaussianDiffusion
from adrec_cli.diffusion.samplers import NOISES, SAMPLERS, noise_source, sampler_named
from adrec_cli.diffusion.schedules import SCHEDULES, betas_for
from adrec_cli.errors import UsageError
from tests.tiers import sampled

STEPS = 12


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def run_sampler(name: str) -> torch.Tensor:
    diffusion = GaussianDiffusion.from_schedule("cosine", STEPS)
    noise = noise_source((50, 3), kind="seeded", generator=seeded())
    return sampler_named(name)(lambda x_t, t: 0.5 * x_t, diffusion, noise)


def draw_noise(name: str) -> torch.Tensor:
    return noise_source((50, 3), kind=name, generator=seeded())()


def noisy(kind: str = "gaussian", per: str = "token", timestep_sampling: str = "uniform") -> Noising:
    diffusion = GaussianDiffusion.from_schedule("cosine", STEPS)
    return Noising(diffusion, kind=kind, per=per, timestep_sampling=timestep_sampling)


def add_noise(kind: str) -> torch.Tensor:
    x_start, noise = (torch.randn(50, 3, generator=seeded(seed)) for seed in (1, 2))
    return noisy(kind).q_sample(x_start, torch.full((50,), STEPS // 2), noise)


def share_timesteps(per: str) -> torch.Tensor:
    return noisy(per=per).timesteps(torch.arange(1, 51).view(10, 5) // 5, 11, seeded())[0]


def weigh_timesteps(name: str) -> torch.Tensor:
    chosen = noisy(timestep_sampling=name)
    _, weight = chosen.timesteps(torch.ones(4, 5, dtype=torch.long), 1, seeded())
    return torch.zeros(1) if weight is None else torch.ones(1)


CHOICES = {
    "samplers": (SAMPLERS, run_sampler),
    "noises": (NOISES, draw_noise),
    "kinds of noise": (KINDS, add_noise),
    "shares of timesteps": (PER, share_timesteps),
    "samplings of timesteps": (TIMESTEP_SAMPLING, weigh_timesteps),
    "schedules": (SCHEDULES, lambda name: betas_for(name, 100)),
}
sets = pytest.mark.parametrize(("table", "run"), CHOICES.values(), ids=CHOICES)


@sets
def test_a_name_without_a_function_is_refused(table, run):
    with pytest.raises(UsageError, match=r"unknown .*'heun'") as raised:
        run("heun")
    assert str(next(iter(table))) in raised.value.hint


@sets
def test_every_name_does_something_of_its_own(table, run):
    results = {name: run(name) for name in table}
    for one, other in itertools.combinations(results, 2):
        assert not torch.equal(results[one], results[other]), f"{one} and {other} are the same"


@pytest.mark.parametrize("kind", NOISES)
@pytest.mark.parametrize("keys", [None, lambda: range(50)], ids=["by row", "by key"])
def test_temperature_is_the_standard_deviation_of_every_noise(kind, keys):
    def draw(temperature: float) -> torch.Tensor:
        return noise_source((50, 400), kind=kind, generator=seeded(), keys=keys, temperature=temperature)()

    torch.testing.assert_close(draw(2.5), 2.5 * draw(1.0))
    assert torch.equal(draw(0.0), torch.zeros(50, 400))
    if kind != "zero":
        assert draw(2.5).std().item() == pytest.approx(2.5, rel=0.1)


@pytest.mark.parametrize("sampler", sorted(set(SAMPLERS) - {"ddpm"}))
def test_geodesic_noise_is_taken_away_by_its_own_sampler_alone(sampler):
    denoise, noise = (lambda x_t, t: x_t), (lambda: torch.ones(2, 3))
    assert noisy("geodesic").sample(denoise, noise, steps=3).shape == (2, 3)
    with pytest.raises(UsageError, match=sampler):
        noisy("geodesic").sample(denoise, noise, steps=3, sampler=sampler)


@pytest.mark.parametrize("known", ["KINDS", "PER", "TIMESTEP_SAMPLING", "SCHEDULES"])
def test_names_that_are_checked_without_pytorch_are_those_of_the_set(known):
    assert list(getattr(names, known)) == list(globals()[known])


def refusal_of(check: Callable[[], object]) -> tuple[str, str] | None:
    try:
        check()
    except UsageError as error:
        return error.message, error.hint
    return None


@sampled("schedule", [*SCHEDULES, "none"], quick=["linear", "cosine", "none"])
def test_a_schedule_is_refused_without_its_betas_as_with_them(schedule):
    for steps in (*range(-1, 25), 200):
        without = refusal_of(partial(names.require_schedule, schedule, steps))
        assert without == refusal_of(partial(betas_for, schedule, steps)), steps


@pytest.mark.parametrize("schedule", names.ALWAYS_VALID)
@pytest.mark.parametrize("steps", [1, 2, 3, 21, 22, 999, 20_000])
def test_schedules_that_are_not_computed_to_be_checked_are_valid(schedule, steps):
    betas_T = betas_for(schedule, steps)
    assert bool(((betas_T > 0) & (betas_T < 1)).all())
