"""The filter of slow and quick, against Fourier transforms of rows filled up with zeros; causal, and with a cache."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from adrec_cli.layers.attention import make_packed_causal_mask, make_packed_mask, spread_over_heads
from adrec_cli.layers.frequency import FrequencyBlock, FrequencyFilter
from tests.examples import tries

CLOSE = {"atol": 1e-5, "rtol": 1e-4}


def made(length: int, components: int, width: int = 4) -> FrequencyFilter:
    layer = FrequencyFilter(width, length=length, components=components)
    layer.initialize(torch.Generator().manual_seed(1))
    return layer


def transformed(row_LD: torch.Tensor, length: int, components: int, beta_D: torch.Tensor) -> torch.Tensor:
    """What the official code's layer makes of a sequence with zeros in front, before dropout and norm."""
    padded = torch.cat([torch.zeros(length - len(row_LD), row_LD.shape[1]), row_LD])
    spectrum = torch.fft.rfft(padded, dim=0, norm="ortho")
    spectrum[components // 2 + 1 :] = 0
    low = torch.fft.irfft(spectrum, n=length, dim=0, norm="ortho")
    return (low + beta_D.square() * (padded - low))[length - len(row_LD) :]


@settings(max_examples=tries(60), deadline=None)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=4), st.sampled_from([9, 10, 16, 17]), st.integers(1, 20))
def test_each_packed_sequence_is_filtered_as_a_row_of_its_own(lengths, length, components):
    layer, columns = made(length, components), sum(lengths) + 1
    generator = torch.Generator().manual_seed(sum(lengths))
    segments = torch.tensor([[n for n, count in enumerate(lengths, start=1) for _ in range(count)] + [0]])
    hidden = torch.randn(1, columns, 4, generator=generator)
    if columns > length:
        return  # A row is never longer than what is transformed.
    found = layer(hidden, make_packed_mask(segments).squeeze(1))
    for number, count in enumerate(lengths, start=1):
        mine = segments[0] == number
        expected = transformed(hidden[0, mine], length, components, layer.beta_D)
        torch.testing.assert_close(found[0, mine], expected, **CLOSE)
        causal = layer(hidden, make_packed_causal_mask(segments).squeeze(1))[0, mine]
        for at in range(count):
            prefix = transformed(hidden[0, mine][: at + 1], length, components, layer.beta_D)
            torch.testing.assert_close(causal[at], prefix[-1], **CLOSE)


@settings(max_examples=tries(40), deadline=None)
@given(st.lists(st.integers(1, 8), min_size=1, max_size=5), st.booleans())
def test_a_new_token_after_a_remembered_history_is_filtered_as_in_the_whole(lengths, whole):
    lengths = [max(lengths)] * len(lengths) if whole else lengths
    block = FrequencyBlock(4, 2, 0.0, length=12, components=5, share=0.6)
    generator = torch.Generator().manual_seed(3)
    for weight in block.parameters():
        weight.data = torch.randn(weight.shape, generator=generator)
    hidden = torch.randn(len(lengths), max(lengths) + 1, 4, generator=generator)
    lengths_B = None if whole else torch.tensor(lengths)
    output, cache = block.prefill(hidden[:, :-1], lengths_B)
    token = torch.randn(len(lengths), 1, 4, generator=generator)
    found, again = block.extend(token, cache), block.extend(token, block.remember(hidden[:, :-1], lengths_B))
    torch.testing.assert_close(found, again, **CLOSE)
    for row, length in enumerate(lengths):
        together = torch.cat([hidden[row : row + 1, :length], token[row : row + 1]], dim=1)
        expected = block(together, None, None)
        torch.testing.assert_close(found[row], expected[0, -1:], **CLOSE)
        torch.testing.assert_close(output[row, :length], expected[0, :length], **CLOSE)


def test_a_mask_to_be_added_shows_the_filter_what_a_mask_of_booleans_does():
    block = FrequencyBlock(4, 2, 0.0, length=12, components=5, share=0.6)
    generator = torch.Generator().manual_seed(3)
    for weight in block.parameters():
        weight.data = torch.randn(weight.shape, generator=generator)
    hidden, mask = (
        torch.randn(1, 6, 4, generator=generator),
        make_packed_causal_mask(torch.tensor([[1, 1, 1, 2, 2, 0]])),
    )
    expected = block(hidden, mask, None)
    torch.testing.assert_close(block(hidden, spread_over_heads(mask, 2), None), expected, **CLOSE)
    assert (block(hidden, None, None) - expected).abs().max() > 1e-3


def test_share_says_how_much_is_filter_and_how_much_attention():
    hidden = torch.randn(1, 5, 4, generator=torch.Generator().manual_seed(2))
    blocks = {share: FrequencyBlock(4, 2, 0.0, length=8, components=3, share=share) for share in (0.0, 0.3, 1.0)}
    for block in blocks.values():
        generator = torch.Generator().manual_seed(4)
        for weight in block.parameters():
            weight.data = torch.randn(weight.shape, generator=generator)
    first, mixed, last = (
        block._mix(hidden, block.filter(hidden, None), block.attention(hidden, None, None)) for block in blocks.values()
    )
    torch.testing.assert_close(mixed, 0.7 * first + 0.3 * last, **CLOSE)
    assert (first - last).abs().max() > 0.1


@pytest.mark.parametrize("inner", [True, False])
def test_dropout_comes_from_the_generator_alone(inner):
    block = FrequencyBlock(8, 2, 0.4, length=8, components=3, share=0.5, inner_dropout=inner)
    hidden = torch.randn(2, 5, 8, generator=torch.Generator().manual_seed(2))

    def once(seed: int) -> torch.Tensor:
        return block(hidden, None, torch.Generator().manual_seed(seed))

    assert torch.equal(once(1), once(1))
    assert not torch.equal(once(1), once(2))
    assert torch.equal(block(hidden, None, None), block(hidden, None, None))
