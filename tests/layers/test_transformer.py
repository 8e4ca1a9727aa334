"""The Transformer's blocks against the plain formula, and their fresh weights."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from adrec_cli.layers.attention import make_packed_causal_mask
from adrec_cli.layers.dropout import drop
from adrec_cli.layers.transformer import CausalTransformer, TransformerBlock

WIDTH, HEADS, ROWS, LENGTH = 8, 2, 3, 5
P = 0.3


def block(probability: float = P) -> TransformerBlock:
    torch.manual_seed(0)
    made = TransformerBlock(WIDTH, HEADS, probability)
    for weight in made.parameters():
        torch.nn.init.normal_(weight, std=0.3)
    return made


def hidden() -> torch.Tensor:
    return torch.randn(ROWS, LENGTH, WIDTH, generator=torch.Generator().manual_seed(1))


def test_dropout_falls_on_weights_attended_inner_and_update():
    """Each of the four in its place, with the draws in this order: leave one out, and the output is another."""
    layer, hidden_RLD = block(), hidden()
    attention, attended, inner, update = layer._draws(hidden_RLD, torch.Generator().manual_seed(2))
    assert attended is not None
    assert inner is not None
    assert update is not None
    assert len({tuple(one.flatten()[:8].tolist()) for one in (attention, attended, inner, update)}) == 4
    found = layer(hidden_RLD, None, torch.Generator().manual_seed(2))
    mixed = layer.attention_norm(hidden_RLD + drop(layer.attention.attend(hidden_RLD, None, attention), attended, P))
    expanded = drop(F.gelu(layer.expand(mixed), approximate="tanh"), inner, P)
    expected = layer.feed_forward_norm(mixed + drop(layer.contract(expanded), update, P))
    torch.testing.assert_close(found, expected, rtol=0, atol=0)


@torch.no_grad()
def test_the_way_without_dropout_is_the_same_function():
    """In place and without gradients, as evaluation runs it, and with gradients."""
    layer, hidden_RLD = block(), hidden()
    in_place = layer(hidden_RLD.clone(), None, None)
    with torch.enable_grad():
        plain = layer(hidden_RLD, None, None)
    torch.testing.assert_close(in_place, plain)


@pytest.mark.parametrize("drawn", [False, True], ids=["evaluation", "dropout"])
def test_a_stack_is_causal_and_packed(drawn):
    torch.manual_seed(0)
    stack = CausalTransformer(width=WIDTH, blocks=2, heads=HEADS, dropout_probability=P)
    stack.initialize(torch.Generator().manual_seed(4))
    mask_R1LL = make_packed_causal_mask(torch.tensor([[1, 1, 1, 2, 2], [3, 3, 3, 3, 3], [4, 5, 5, 5, 0]]))

    def run(rows: torch.Tensor) -> torch.Tensor:
        return stack(rows, mask_R1LL, torch.Generator().manual_seed(6) if drawn else None)

    changed = hidden()
    changed[0, 2] += 1.0
    same = torch.ones(ROWS, LENGTH, dtype=torch.bool)
    same[0, 2] = False
    before, after = run(hidden()), run(changed)
    torch.testing.assert_close(before[same], after[same], rtol=0, atol=0)
    assert not torch.equal(before[0, 2], after[0, 2])


def test_query_key_and_value_are_drawn_as_matrices_of_their_own():
    """Xavier normal: the spread of each is that of a square matrix, not of the fused one, which is .8 of it."""
    width = 96
    stack = CausalTransformer(width=width, blocks=1, heads=4, dropout_probability=0.0)
    stack.initialize(torch.Generator().manual_seed(0))
    layer = stack.blocks[0]
    assert isinstance(layer, TransformerBlock)
    for part in layer.attention.qkv.weight.chunk(3):
        assert part.std().item() == pytest.approx((2 / (2 * width)) ** 0.5, rel=0.03)
    assert layer.attention.out.weight.std().item() == pytest.approx((2 / (2 * width)) ** 0.5, rel=0.03)
    assert layer.expand.weight.std().item() == pytest.approx((2 / (5 * width)) ** 0.5, rel=0.03)
    for name, weight in stack.named_parameters():
        if weight.dim() == 1:
            assert torch.equal(weight, torch.ones_like(weight) if "norm.weight" in name else torch.zeros_like(weight))
