"""Reverse steps that are recorded, with a recording that a processor can replay."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import SimpleNamespace

import pytest
import torch

from adrec_cli.diffusion import mersenne, recording
from adrec_cli.diffusion.process import GaussianDiffusion
from adrec_cli.diffusion.samplers import Denoiser, ddim, ddpm, guide


@pytest.fixture
def recorded(monkeypatch) -> list[Callable[[], object]]:
    """What was recorded; replaying calls it again, and what it returned the first time is overwritten."""
    found: list[Callable[[], object]] = []

    def record(function: Callable[[], object], _device: torch.device) -> SimpleNamespace:
        found.append(function)
        denoiser = getattr(function, "__self__", None)
        if not isinstance(denoiser, recording._RecordedDenoiser):
            return SimpleNamespace(replay=function)
        function()
        place = denoiser._x_start

        def replay() -> None:
            function()
            denoiser._x_start = place.copy_(denoiser._x_start)

        place.fill_(math.nan)
        return SimpleNamespace(replay=replay)

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
    denoiser = recording.record_denoiser(denoise, torch.ones(3, 4), steps=32)
    for t in range(3):
        denoiser(torch.zeros(2, 1, 4), t)
    assert not recorded


def test_without_memory_for_a_recording_steps_are_launched(monkeypatch):
    def record(_function: Callable[[], object], _device: torch.device) -> None:
        raise torch.OutOfMemoryError

    monkeypatch.setattr(recording, "record", record)
    times_TD, x_t = torch.randn(5, 4), torch.randn(3, 1, 4)
    denoiser = recording._RecordedDenoiser(denoise, times_TD)
    for t in range(5):
        assert torch.equal(denoiser(x_t, t), denoise(x_t, times_TD[t]))


@pytest.mark.parametrize("recorded_too", [False, True])
@pytest.mark.parametrize("seeds", [[0], [1, 2**32 - 1, 2**63 - 1, 5489]])
def test_words_that_seeds_lead_to_are_those_of_the_generator(recorded, monkeypatch, seeds, recorded_too):
    """Each by the recurrence in Python's whole numbers."""
    monkeypatch.setattr(mersenne, "_can_record", lambda _device: recorded_too)
    found = mersenne._seed_state(torch.tensor(seeds)).T.tolist()
    for seed, words in zip(seeds, found, strict=True):
        expected = [seed & 0xFFFFFFFF]
        for number in range(1, 624):
            expected.append((1812433253 * (expected[-1] ^ (expected[-1] >> 30)) + number) & 0xFFFFFFFF)
        assert words == expected
    assert len(recorded) == recorded_too
