"""Attention with dropout drawn: the branch in which every default training runs, beside the one without."""

from __future__ import annotations

import pytest
import torch

from adrec_cli.layers.attention import CausalSelfAttention, make_packed_causal_mask, make_packed_mask
from adrec_cli.layers.padding_key import causal_mask_with_padding_key

WIDTH, HEADS, ROWS, LENGTH = 12, 3, 4, 7
KEEPS_ALL = torch.iinfo(torch.int16).max


def segments() -> torch.Tensor:
    return torch.tensor(
        [[1, 1, 1, 1, 1, 1, 1], [2, 2, 3, 3, 3, 0, 0], [4, 5, 6, 7, 8, 9, 10], [11, 11, 11, 11, 12, 12, 0]]
    )


def float_mask() -> torch.Tensor:
    """Scores shifted, and later keys out of sight."""
    shift = torch.randn(ROWS, 1, LENGTH, LENGTH, generator=torch.Generator().manual_seed(3))
    return shift.masked_fill(~torch.ones(LENGTH, LENGTH, dtype=torch.bool).tril(), float("-inf"))


MASKS = {
    "none": lambda: None,
    "packed and causal": lambda: make_packed_causal_mask(segments()),
    "packed, both ways": lambda: make_packed_mask(segments()),
    "float": float_mask,
    "padding key": lambda: causal_mask_with_padding_key(LENGTH, torch.tensor([0.0, 1.5, -30.0, -2.0])),
}
CAUSAL = {name: mask for name, mask in MASKS.items() if name != "packed, both ways"}


def attention(probability: float) -> CausalSelfAttention:
    torch.manual_seed(0)
    return CausalSelfAttention(WIDTH, HEADS, probability).double()


def hidden() -> torch.Tensor:
    return torch.randn(ROWS, LENGTH, WIDTH, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def typed(mask: torch.Tensor | None) -> torch.Tensor | None:
    return mask if mask is None or mask.dtype == torch.bool else mask.double()


@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
@torch.no_grad()
def test_draws_that_keep_everything_equal_the_branch_without(mask):
    """Kept weights are scaled by 1 / (1 - p): of a probability near 0 both branches must give the same."""
    layer, hidden_RLD, mask_R1LL = attention(1e-9), hidden(), typed(mask())
    drawn_RHLL = torch.full((ROWS, HEADS, LENGTH, LENGTH), KEEPS_ALL, dtype=torch.int16)
    without = layer.attend(hidden_RLD, mask_R1LL, None)
    torch.testing.assert_close(layer.attend(hidden_RLD, mask_R1LL, drawn_RHLL), without)


@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
@torch.no_grad()
def test_dropped_weights_are_those_of_a_softmax_over_keys(mask):
    """Against the plain formula: softmax over keys, entries with a low draw at zero, the rest scaled."""
    layer, hidden_RLD, mask_R1LL = attention(0.25), hidden(), typed(mask())
    drawn_RHLL = layer.draws(hidden_RLD, torch.Generator().manual_seed(7))
    assert drawn_RHLL is not None
    query, key, value = (
        part.view(ROWS, LENGTH, HEADS, -1).transpose(1, 2) for part in layer.qkv(hidden_RLD).chunk(3, dim=-1)
    )
    scores_RHLL = torch.einsum("rhqd,rhkd->rhqk", query, key) / (WIDTH / HEADS) ** 0.5
    if mask_R1LL is None:
        mask_R1LL = torch.ones(LENGTH, LENGTH, dtype=torch.bool).tril()
    shift = torch.zeros(1).masked_fill(~mask_R1LL, float("-inf")) if mask_R1LL.dtype == torch.bool else mask_R1LL
    weights_RHLL = torch.softmax(scores_RHLL + shift, dim=-1)
    kept_RHLL = drawn_RHLL.long() >= 2**16 // 4 - 2**15
    assert 0.6 < kept_RHLL.double().mean() < 0.9
    expected = torch.einsum("rhqk,rhkd->rqhd", weights_RHLL * kept_RHLL / 0.75, value).flatten(2)
    torch.testing.assert_close(layer.attend(hidden_RLD, mask_R1LL, drawn_RHLL), layer.out(expected))


@pytest.mark.parametrize("drawn", [False, True], ids=["evaluation", "dropout"])
@pytest.mark.parametrize("mask", CAUSAL.values(), ids=CAUSAL)
@torch.no_grad()
def test_a_later_position_never_changes_an_earlier_one(mask, drawn):
    layer, mask_R1LL = attention(0.4), typed(mask())
    for position in range(1, LENGTH):
        before, changed = hidden(), hidden()
        changed[:, position:] += 1.0
        outputs = [
            layer(rows, mask_R1LL, torch.Generator().manual_seed(5) if drawn else None) for rows in (before, changed)
        ]
        torch.testing.assert_close(outputs[0][:, :position], outputs[1][:, :position], rtol=0, atol=0)
        assert not torch.equal(outputs[0][:, position:], outputs[1][:, position:])


@pytest.mark.parametrize("drawn", [False, True], ids=["evaluation", "dropout"])
@torch.no_grad()
def test_one_sequence_of_a_row_never_sees_another(drawn):
    layer, segments_RL = attention(0.4), segments()
    for number in segments_RL.unique().tolist():
        before, changed = hidden(), hidden()
        changed[segments_RL == number] += 1.0
        outputs = [
            layer(rows, make_packed_causal_mask(segments_RL), torch.Generator().manual_seed(5) if drawn else None)
            for rows in (before, changed)
        ]
        others = segments_RL != number
        torch.testing.assert_close(outputs[0][others], outputs[1][others], rtol=0, atol=0)
