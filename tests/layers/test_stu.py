"""HSTU's unit against loops over heads, queries and keys."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from adrec_cli.layers.attention import make_packed_causal_mask
from adrec_cli.layers.gaps import add_bias
from adrec_cli.layers.stu import SequentialTransductionUnit

CLOSE = {"atol": 1e-5, "rtol": 1e-4}


def made() -> SequentialTransductionUnit:
    unit = SequentialTransductionUnit(8, 2, 10, 0.3)
    generator = torch.Generator().manual_seed(1)
    for weight in unit.parameters():
        weight.data = torch.randn(weight.shape, generator=generator)
    return unit


def by_hand(
    unit: SequentialTransductionUnit, sequence_LD: torch.Tensor, bias_HLL: torch.Tensor | None = None
) -> torch.Tensor:
    gate, value, query, key = F.silu(F.layer_norm(sequence_LD, (8,), eps=1e-6) @ unit.uvqk.weight.T).split(8, dim=1)
    attended = torch.zeros_like(sequence_LD)
    for number, head in enumerate((slice(0, 4), slice(4, 8))):
        for at in range(len(sequence_LD)):
            for seen in range(at + 1):
                score = query[at, head] @ key[seen, head] + unit.distance_L1[at - seen, 0]
                score += 0 if bias_HLL is None else bias_HLL[number, at, seen]
                attended[at, head] += F.silu(score) / 10 * value[seen, head]
    return sequence_LD + unit.out(gate * F.layer_norm(attended, (8,), eps=1e-6))


def test_each_packed_sequence_is_transformed_as_by_hand():
    unit, hidden = made(), torch.randn(1, 9, 8, generator=torch.Generator().manual_seed(2))
    segments = torch.tensor([[1, 1, 1, 1, 2, 2, 2, 0, 0]])
    found = unit(hidden, make_packed_causal_mask(segments), None)
    for mine in (slice(0, 4), slice(4, 7)):
        torch.testing.assert_close(found[0, mine], by_hand(unit, hidden[0, mine]), **CLOSE)
    torch.testing.assert_close(unit(hidden, None, None)[0], by_hand(unit, hidden[0]), **CLOSE)


def test_a_bias_comes_with_the_mask():
    unit, generator = made(), torch.Generator().manual_seed(2)
    hidden, bias = torch.randn(1, 9, 8, generator=generator), torch.randn(1, 2, 9, 9, generator=generator)
    mask = add_bias(make_packed_causal_mask(torch.tensor([[1, 1, 1, 1, 2, 2, 2, 0, 0]])), bias)
    found = unit(hidden, mask, None)
    for mine in (slice(0, 4), slice(4, 7)):
        torch.testing.assert_close(found[0, mine], by_hand(unit, hidden[0, mine], bias[0, :, mine, mine]), **CLOSE)


def test_dropout_comes_from_the_generator_alone():
    unit, hidden = made(), torch.randn(1, 9, 8, generator=torch.Generator().manual_seed(2))
    first, again, other = (unit(hidden, None, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
