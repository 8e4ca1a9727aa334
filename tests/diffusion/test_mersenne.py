"""Normal draws of many generators at once against those of PyTorch's generators, one by one."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from adrec_cli.diffusion.mersenne import _seed_state, _uniforms, normals
from adrec_cli.diffusion.samplers import noise_source
from tests.examples import tries


@settings(max_examples=tries(20), deadline=None)
@given(st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=5), st.integers(1, 100))
def test_they_are_those_of_one_generator_each(seeds, sixteens):
    drawn = normals(torch.tensor(seeds), 16 * sixteens)
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    for _ in range(3):
        for row, generator in zip(next(drawn), generators, strict=True):
            expected = torch.empty(16 * sixteens).normal_(generator=generator)
            torch.testing.assert_close(row, expected, rtol=1e-5, atol=2e-6)


def test_words_are_exact_over_several_states():
    seed = 123_456_789_012_345
    uniform = torch.cat([block for block, _ in zip(_uniforms(torch.tensor([seed])), range(3), strict=False)])[:, 0]
    expected = torch.rand(3 * 624, generator=torch.Generator().manual_seed(seed))
    assert torch.equal(uniform, expected)
    assert int(_seed_state(torch.tensor([5489]))[0, 0]) == 5489


@pytest.mark.parametrize("steps", [1, 4, 8, 32])
@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_a_source_draws_the_same_whichever_way(monkeypatch, steps, temperature):
    keys = [3, -7, 2**62, 0]

    def draw() -> list[torch.Tensor]:
        source = noise_source(
            (4, 1, 32), kind="seeded", generator=torch.Generator().manual_seed(0), keys=lambda: keys, ahead=steps,
            temperature=temperature,
        )  # fmt: skip
        return [source() for _ in range(steps)]

    expected = draw()
    monkeypatch.setattr("adrec_cli.diffusion.samplers._draws_together", lambda rows, numbers, device: True)
    for found, wanted in zip(draw(), expected, strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-5, atol=2e-6)
