"""What its paper or its code says of one baseline alone."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file

from adrec_cli.models.batch import HistoryBatch
from adrec_cli.models.most_popular import MostPopular
from adrec_cli.models.most_popular_config import MostPopularConfig
from adrec_cli.models.sampling import Sampling
from tests.models.test_baselines import (
    CLOSE,
    ITEMS,
    ZERO,
    as_learned,
    histories,
    made,
    packed,
    predictions,
    represented,
)
from tests.reference.official_weights import load_sasrec


def test_sasrec_equals_the_recorded_values(golden):
    recorded = load_file(golden / "sasrec.safetensors")
    model = load_sasrec(recorded)
    remaining = torch.arange(11, -1, -1).expand(4, 12)
    hidden = model.hidden_RLD(model.item_embedding(recorded["inputs"]), remaining, None, None)
    torch.testing.assert_close(hidden, recorded["hidden"], **CLOSE)
    found = represented(model, HistoryBatch(items_BL=recorded["inputs"], lengths_B=torch.full((4,), 12)))
    torch.testing.assert_close(found @ model.item_vectors_VD().T, recorded["scores"], **CLOSE)


def test_sasrec_gives_the_newest_item_the_last_position_whatever_the_length():
    model = made("sasrec", blocks=1)
    for weight in (model.transformer.blocks[0].attention.out, model.transformer.blocks[0].contract):
        torch.nn.init.zeros_(weight.weight)
        torch.nn.init.zeros_(weight.bias)
    found = represented(model, histories([5], [1, 2, 5]))
    torch.testing.assert_close(found[0], found[1], **CLOSE)


def test_dreamrec_guides_away_from_what_it_says_without_a_history():
    plain, guided = made("dreamrec", guidance=0.0), made("dreamrec", guidance=3.0)
    one = Sampling(steps=1, noise="zero")
    nothing = torch.zeros(1, 16)
    times = plain.timestep_embedding.table_TD()[4:5]
    unconditional = plain._denoise(nothing, plain.no_condition_D.unsqueeze(0), times)
    conditional = represented(plain, histories([3, 1, 4]), one)
    expected = 4 * conditional - 3 * unconditional
    torch.testing.assert_close(represented(guided, histories([3, 1, 4]), one), expected, **CLOSE)


@pytest.mark.parametrize("own", [0.0, 3.0])
def test_dreamrec_takes_the_guidance_that_is_asked_for_before_its_own(own):
    """Zero is asked for as well: it is no guidance, not the model's own."""
    model, plain = made("dreamrec", guidance=own), made("dreamrec", guidance=0.0)
    batch = histories([3, 1, 4], [5])
    asked = {w: represented(model, batch, Sampling(noise="zero", guidance=w)) for w in (None, 0.0, 3.0)}
    assert torch.equal(asked[0.0], represented(plain, batch, ZERO))
    assert torch.equal(asked[None], asked[own])
    assert not torch.allclose(asked[0.0], asked[3.0], atol=1e-2)


@pytest.mark.parametrize("steps", [None, 3])
def test_dreamrec_adds_noise_of_the_posteriors_variance(steps, monkeypatch):
    """Its algorithm 2 by hand, whose noise is smaller than the betas that ADRec's chain adds."""
    model, history = made("dreamrec", guidance=0.0), histories([3, 1, 4])
    draws = torch.randn(6, 1, 16, generator=torch.Generator().manual_seed(2))
    feed = iter(draws)
    monkeypatch.setattr("adrec_cli.models.dreamrec.noise_source", lambda *args, **kwargs: lambda: next(feed))
    found = represented(model, history, Sampling(steps=steps))
    condition = model._condition(history.items_BL, torch.arange(3).unsqueeze(0), None, None)[:, -1]
    abar = model.diffusion.alphas_cumprod_T[[0, 1, 2, 3, 4] if steps is None else [1, 2, 4]].tolist()
    timesteps, x_t = ([0, 1, 2, 3, 4] if steps is None else [1, 2, 4]), draws[0]
    for number, step in enumerate(reversed(range(len(abar)))):
        now, before = abar[step], abar[step - 1] if step else 1.0
        x_start = model._denoise(x_t, condition, model.timestep_embedding.table_TD()[timesteps[step]].unsqueeze(0))
        beta = 1 - now / before
        mean = (before**0.5 * beta * x_start + (now / before) ** 0.5 * (1 - before) * x_t) / (1 - now)
        x_t = mean if step == 0 else mean + (beta * (1 - before) / (1 - now)) ** 0.5 * draws[number + 1]
    torch.testing.assert_close(found, x_t, **CLOSE)


def test_diffurec_drops_where_its_code_does(monkeypatch):
    """Of item vectors; in each block behind attention, in and behind the feed-forward, behind it all; and at last."""
    model = made("diffurec", dropout=0.25, embedding_dropout=0.5, blocks=2)
    dropped = []

    def dropout(x, p, generator):
        dropped.append((x.shape[-1], p))
        return x * 2

    monkeypatch.setattr("adrec_cli.models.diffurec.dropout", dropout)
    batch = as_learned(model, packed([[3, 1, 4, 1, 5]]))
    doubled = model.token_outputs(batch, output="x_start", generator=torch.Generator().manual_seed(0)).predicted_ND
    block = [(16, 0.25), (64, 0.25), (16, 0.25), (16, 0.25)]
    assert dropped == [(16, 0.5), *block, *block, (16, 0.25)]
    assert doubled.isfinite().all()


def test_dreamrec_drops_the_condition_of_the_share_it_says(monkeypatch):
    batch = packed(*[[[(row * 12 + i) % ITEMS + 1 for i in range(12)]] for row in range(40)])
    kept = torch.cat(predictions(made("dreamrec"), batch, monkeypatch))
    some = torch.cat(predictions(made("dreamrec", condition_dropout=0.3), batch, monkeypatch))
    share = (kept - some).abs().amax(dim=1).gt(1e-6).float().mean().item()
    assert share == pytest.approx(0.3, abs=0.07)


@pytest.mark.parametrize("moved", [True, False])
def test_dreamrec_moves_the_target_only_where_it_says_so(moved):
    model = made("dreamrec", target_gradient=moved)
    batch = packed([[3, 1, 4]])
    targets = batch.targets_RL[batch.real_RL]
    outputs = model.token_outputs(batch, output="x_start", generator=torch.Generator().manual_seed(0))
    (outputs.predicted_ND - outputs.x_start_ND).square().sum().backward()
    assert not set(targets.tolist()) & {3, 1, 4}
    assert bool(model.item_embedding.weight.grad[targets].any()) == moved


@pytest.mark.parametrize("padding", [False, True])
def test_bsarec_looks_both_ways_and_is_represented_as_it_was_trained(padding, monkeypatch):
    """Whether padding takes part in the filter or not, neither packing nor batch mates matter."""
    model = made("bsarec", padding_filtered=padding)
    rows = [[3, 1, 4, 1, 5], [9, 2], [6], [*range(1, 13)]]
    trained = torch.cat(predictions(model, packed(rows[:3], [rows[3]]), monkeypatch))
    torch.testing.assert_close(represented(model, histories(*rows)), trained, **CLOSE)
    torch.testing.assert_close(represented(model, histories(rows[1]))[0], trained[1], **CLOSE)
    # The first block's filter shows earlier positions later items, which the next block's attention tells of.
    batch = as_learned(model, packed([[3, 1, 4, 1, 5]]))
    inner = []
    model.blocks[0].register_forward_hook(lambda module, given, output: inner.append(output))
    for last in (5, 8):
        batch.inputs_RL[0, 4] = last
        model.token_outputs(batch, output="next_item", generator=None)
    at = slice(-5, -1) if padding else slice(0, 4)
    assert (inner[0][0, at] - inner[1][0, at]).abs().max() > 1e-4


def test_bsarec_with_padding_filters_whole_rows_as_its_code_does():
    """A block over a row with padding in front, by a Fourier transform of all of it."""
    model = made("bsarec", padding_filtered=True)
    items = torch.tensor([[0] * 8 + [3, 1, 4, 1]])
    given = []
    model.blocks[0].filter.register_forward_hook(lambda module, inputs, output: given.append((inputs[0], output)))
    model.represent(histories([3, 1, 4, 1]), output="next_item", sampling=ZERO, generator=torch.Generator())
    hidden, found = given[0]
    expected_input = model.input_norm(model.item_embedding(items) + model.position_embedding(torch.arange(12)))
    torch.testing.assert_close(hidden, expected_input, **CLOSE)
    spectrum = torch.fft.rfft(hidden, dim=1, norm="ortho")
    spectrum[:, 3:] = 0
    low = torch.fft.irfft(spectrum, n=12, dim=1, norm="ortho")
    beta = model.blocks[0].filter.beta_D
    torch.testing.assert_close(found, low + beta**2 * (hidden - low), **CLOSE)


def test_diffurec_draws_lambda_around_delta_for_every_entry(monkeypatch):
    model = made("diffurec")
    seen = []
    original = type(model)._approximate
    monkeypatch.setattr(
        type(model),
        "_approximate",
        lambda self, h, s, lambda_, m, g: seen.append(lambda_) or original(self, h, s, lambda_, m, g),
    )
    batch = as_learned(model, packed(*[[[*range(1, 13)]]] * 20))
    model.token_outputs(batch, output="x_start", generator=torch.Generator().manual_seed(0))
    assert seen[0].mean().item() == pytest.approx(0.5, abs=0.03)
    assert seen[0].std().item() == pytest.approx(0.5, abs=0.03)
    represented(model, histories([1, 2]))
    assert torch.equal(seen[1], torch.full((1, 2, 16), 0.5))


def test_most_popular_scores_items_by_their_count_whatever_the_history():
    counts_V = torch.tensor([0, 3, 0, 7, 5])
    fresh = MostPopular(MostPopularConfig(), 4)
    fresh.load_state_dict(MostPopular.from_counts(counts_V).state_dict())
    scores_BV = represented(fresh, histories([1], [3, 2, 3])) @ fresh.item_vectors_VD().T
    assert scores_BV.tolist() == [[0, 3, 0, 7, 5]] * 2
