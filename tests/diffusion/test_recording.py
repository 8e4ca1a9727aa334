"""Reverse steps that are recorded, with a recording that a processor can replay."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import pytest
import torch

from adrec_cli.diffusion import mersenne, recording
from adrec_cli.diffusion.process import GaussianDiffusion
from adrec_cli.diffusion.samplers import Denoiser, ddim, ddpm, guide


@pytest.fixture
def recorded(monkeypatch) -> list[Callable[[], object]]:
    """What was recorded; replaying calls it again."""
    found: list[Callable[[], object]] = []

    def record(function: Callable[[], object], _device: torch.device) -> SimpleNamespace:
        found.append(function)
        return SimpleNamespace(replay=function)

    for module in (recording, mersenne):
        monkeypatch.setattr(module, "record", record)
    return found


def denoise(x_t: torch.Tensor, time_D: torch.Tensor) -> torch.Tensor:
    return (x_t + time_D).tanh()


@pytest.mark.parametrize("steps", [1, 2, 3, 32])
@pytest.mark.parametrize("sampler", [ddpm, ddim])
@pytest.mark.parametrize("guided", [False, True])
def test_a_recorded_denoiser_says_what_it_says_launched(recorded, sampler, steps, guided):
    times_TD = torch.randn(32, 4, generator=torch.Generator().manual_seed(0))
    process = GaussianDiffusion.from_schedule("linear", 32).respace(steps)

    def sample(make: Callable[[], Denoiser]) -> torch.Tensor:
        generator = torch.Generator().manual_seed(1)
        # A draw for all rows, which is no tensor of its own.
        noise = lambda: torch.randn(1, 1, 4, generator=generator).expand(3, 1, 4)  # noqa: E731
        return sampler(guide(make(), make(), 2.0) if guided else make(), process, noise)

    found = sample(lambda: recording._RecordedDenoiser(denoise, times_TD))
    assert torch.equal(found, sample(lambda: lambda x_t, t: denoise(x_t, times_TD[t])))
    assert len(recorded) == (steps > 1) * (1 + guided)


def test_on_a_processor_nothing_is_recorded(recorded):
    denoiser = recording.record_denoiser(denoise, torch.ones(3, 4))
    for t in range(3):
        denoiser(torch.zeros(2, 1, 4), t)
    assert not recorded


@pytest.mark.parametrize("seeds", [[0], [1, 2**32 - 1, 2**63 - 1, 5489]])
def test_words_that_seeds_lead_to_are_those_of_the_generator(seeds):
    """Each by the recurrence in Python's whole numbers."""
    found = mersenne._seed_state(torch.tensor(seeds)).T.tolist()
    for seed, words in zip(seeds, found, strict=True):
        expected = [seed & 0xFFFFFFFF]
        for number in range(1, 624):
            expected.append((1812433253 * (expected[-1] ^ (expected[-1] >> 30)) + number) & 0xFFFFFFFF)
        assert words == expected
