"""What must hold of ADRec whatever its weights: causality, packing invariance, and the cached denoising."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from adrec_cli.errors import UsageError
from adrec_cli.layers.dropout import dropout
from adrec_cli.models import adrec
from adrec_cli.models.adrec import ADRec, ADRecConfig
from adrec_cli.models.batch import HistoryBatch, PackedBatch
from adrec_cli.models.sampling import FAST_SAMPLING, Sampling
from adrec_cli.pipeline.export import Scorer
from tests.reference import adrec as reference
from tests.tiers import sampled
from tests.variants import VARIANTS, variants

CLOSE = {"atol": 1e-5, "rtol": 1e-5}


def made(*, steps: int = 6, lambda_: float = 0.5, items: int = 40, **options) -> ADRec:
    """A small model with fresh weights and a lambda large enough that noise matters."""
    config = ADRecConfig(hidden_size=16, max_length=20, diffusion_steps=steps, lambda_=lambda_, **options)
    model = ADRec(config, items)
    generator = torch.Generator().manual_seed(5)
    for component in model.components():
        model.initialize(component, generator)
    model.item_embedding.initialize(generator, std=1.0)
    # Fresh biases are zero, and what they do, above all to padding, would not be seen.
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() == 1:
                weight.add_(torch.randn(weight.shape, generator=generator), alpha=0.3)
    return model.eval().requires_grad_(False)


def histories(lengths: list[int], items: int = 40) -> HistoryBatch:
    generator = torch.Generator().manual_seed(1)
    rows = torch.randint(1, items + 1, (len(lengths), max(lengths)), generator=generator)
    for row, length in enumerate(lengths):
        rows[row, length:] = 0
    return HistoryBatch(items_BL=rows, lengths_B=torch.tensor(lengths))


@sampled("steps", [1, 2, 5, 8, 32], quick=[1, 5])
@pytest.mark.parametrize("lengths", [[1], [2, 2], [1, 3, 7], [12, 12, 5, 1]])
def test_cached_denoising_equals_full_sequence_denoising(steps, lengths):
    model = made(steps=steps)
    batch = histories(lengths)
    draws = [torch.randn(len(lengths), 16, generator=torch.Generator().manual_seed(i)) for i in range(steps + 1)]
    expected = reference.sample_last(model, batch.items_BL, lengths, draws)
    torch.testing.assert_close(_with_noise(model, batch, draws, None), expected, **CLOSE)


@sampled(
    "used,options",
    {f"{used}-{name}": (used, VARIANTS[name]) for used, name in itertools.product([1, 3, 8], VARIANTS)},
    quick=[f"{used}-{name}" for used, name in zip(itertools.cycle([1, 3, 8]), VARIANTS, strict=False)],
)
def test_cached_denoising_equals_full_sequence_denoising_with_fewer_steps(used, options):
    model = made(steps=8, **options)
    batch = histories([4, 9])
    draws = [torch.randn(2, 16, generator=torch.Generator().manual_seed(i)) for i in range(used + 1)]
    expected = reference.sample_last(model, batch.items_BL, [4, 9], draws, steps=used)
    torch.testing.assert_close(_with_noise(model, batch, draws, used), expected, **CLOSE)


def _with_noise(model, batch, draws, steps):
    feed = iter(draws)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(adrec, "noise_source", lambda *args, **kwargs: lambda: next(feed).unsqueeze(1))
        return model.represent(
            batch, output="x_start", sampling=Sampling(steps=steps), generator=torch.Generator().manual_seed(0)
        )


@variants
def test_the_noise_matters_at_this_lambda(options):
    """Otherwise the comparisons above would also pass for a model that ignores x_t."""
    model = made(**options)
    batch = histories([5])
    samples = [
        model.represent(batch, output="x_start", sampling=Sampling(), generator=torch.Generator().manual_seed(seed))
        for seed in (0, 1)
    ]
    assert (samples[0] - samples[1]).abs().max() > 1e-3


@variants
@pytest.mark.parametrize("output", ["condition", "x_start"])
def test_padding_and_batch_mates_never_change_a_representation(output, options):
    model = made(**options)
    zero = Sampling(noise="zero")
    generator = torch.Generator()
    together = model.represent(histories([3, 9, 6]), output=output, sampling=zero, generator=generator)
    rows = histories([3, 9, 6]).items_BL
    for number, length in enumerate([3, 9, 6]):
        alone = HistoryBatch(items_BL=rows[number : number + 1, :length], lengths_B=torch.tensor([length]))
        single = model.represent(alone, output=output, sampling=zero, generator=generator)
        torch.testing.assert_close(together[number], single[0], **CLOSE)


@pytest.mark.parametrize("output", ["condition", "x_start"])
@pytest.mark.parametrize("steps", [None, 1, 4])
@pytest.mark.parametrize(("sampler", "eta"), [("ddpm", 0.0), ("ddim", 0.0), ("ddim", 0.5)])
def test_as_many_draws_are_announced_as_are_made(sampler, eta, steps, output):
    """A recorded computation has room for as many."""
    model, batch, asked = made(), histories([4, 2]), Sampling(steps=steps, sampler=sampler, eta=eta)
    announced = model.draw_noise(batch, output=output, sampling=asked, generator=torch.Generator().manual_seed(0))
    draws = []

    def noise() -> torch.Tensor:
        draws.append(announced.draw())
        return draws[-1]

    model.represent_from(batch, output=output, sampling=asked, noise=noise)
    assert announced.count == len(draws)


def test_one_step_without_noise_is_deterministic():
    model = made()
    fast = Sampling(steps=1, noise="zero")
    first = model.represent(histories([4]), output="x_start", sampling=fast, generator=torch.Generator().manual_seed(1))
    second = model.represent(
        histories([4]), output="x_start", sampling=fast, generator=torch.Generator().manual_seed(2)
    )
    assert torch.equal(first, second)


def _rows(*rows: list[list[int]], length: int) -> PackedBatch:
    """Pack lists of sequences by hand: each row a list of sequences, targets are the inputs plus one."""
    inputs = torch.zeros(len(rows), length, dtype=torch.long)
    segments, positions = torch.zeros_like(inputs), torch.zeros_like(inputs)
    number = 0
    for row, sequences in enumerate(rows):
        at = 0
        for sequence in sequences:
            number += 1
            inputs[row, at : at + len(sequence)] = torch.tensor(sequence)
            segments[row, at : at + len(sequence)] = number
            positions[row, at : at + len(sequence)] = torch.arange(len(sequence))
            at += len(sequence)
    targets = torch.where(inputs > 0, inputs % 40 + 1, 0)
    return PackedBatch(
        inputs_RL=inputs, targets_RL=targets, segments_RL=segments, positions_RL=positions,
        sequences=number,
    )  # fmt: skip


def _denoised(model: ADRec, batch: PackedBatch, noise: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    """The ADM's output at every position of a batch, under given noise."""
    batch, mask = model._mask(batch)
    more = batch.inputs_RL.shape[1] - t.shape[1]
    condition = model._condition(model._place(model.embed(batch.inputs_RL), batch.remaining_RL), mask, None)
    noise, t = F.pad(noise, (0, 0, more, 0)), F.pad(t, (more, 0))
    noisy = batch.learned_RL if batch.prefixes else None
    return model._denoise(condition, model.embed(batch.targets_RL), t, noise, mask, None, noisy)[:, more:]


@variants
def test_another_sequence_in_the_same_row_never_changes_an_output(options):
    model = made(**options)
    mine, others = [3, 1, 4, 1, 5], [9, 2, 6]
    alone = _rows([mine], length=8)
    packed = _rows([mine, others], length=8)
    noise = torch.randn(1, 8, 16, generator=torch.Generator().manual_seed(0))
    t = torch.tensor([[0, 5, 2, 3, 1, 4, 0, 2]])
    torch.testing.assert_close(
        _denoised(model, alone, noise, t)[:, :5], _denoised(model, packed, noise, t)[:, :5], **CLOSE
    )
    behind = _rows([others, mine], length=8)
    torch.testing.assert_close(
        _denoised(model, behind, noise.roll(3, 1), t.roll(3, 1))[:, 3:],
        _denoised(model, alone, noise, t)[:, :5],
        **CLOSE,
    )


def test_a_prefix_is_predicted_as_the_position_it_ends_at():
    """Prefixes of a causal network without positions are the sequence again, sample by sample."""
    model, sequence = made(), [3, 1, 4, 1, 5]
    whole = model.token_outputs(_rows([sequence], length=5), output="condition", generator=None)
    prefixes = _rows([sequence[:3], sequence[:2]], [sequence[:4], sequence[:1]], [sequence], length=5)
    batch = dataclasses.replace(prefixes, prefixes=True)
    found = model.token_outputs(batch, output="condition", generator=None)
    order = torch.tensor([2, 1, 3, 0, 4])
    torch.testing.assert_close(found.predicted_ND, whole.predicted_ND[order], **CLOSE)
    assert torch.equal(found.targets_N, whole.targets_N[order])
    torch.testing.assert_close(found.weights_N, torch.full((5,), 0.2))


@pytest.mark.parametrize("norm_first", [False, True])
def test_dropout_stands_before_or_behind_the_norm_of_the_input(norm_first, monkeypatch):
    model = made(norm_first=norm_first, embedding_dropout=0.5, dropout=0.0)
    model.input_norm.weight.data.fill_(1.0)
    model.input_norm.bias.data.fill_(3.0)
    given = []
    monkeypatch.setattr(model.cam, "forward", lambda hidden, mask, generator: given.append(hidden) or hidden)
    model.token_outputs(_rows([[3, 1, 4, 1, 5]], length=5), output="condition", generator=torch.Generator())
    assert bool((given[0] == 0).any()) == norm_first, "what is dropped is zero where nothing follows"


def test_of_a_prefix_only_the_last_target_is_noisy():
    """The history is clean, as when a user is ranked by, so that without noise at t the two are the same."""
    model, sequence = made(steps=6), [3, 1, 4, 1, 5]
    batch = dataclasses.replace(_rows([sequence], length=5), prefixes=True)
    noise, t = torch.zeros(1, 5, 16), torch.full((1, 5), 5)
    t[0, :4] = torch.tensor([3, 1, 2, 5])
    assert torch.equal(_denoised(model, batch, noise, t), _denoised(model, batch, noise, torch.full((1, 5), 5)))
    noise[0, :4] = 9.0
    assert torch.equal(_denoised(model, batch, noise, t), _denoised(model, batch, noise * 0, t))
    noise[0, 4] = 9.0
    assert not torch.allclose(_denoised(model, batch, noise, t), _denoised(model, batch, noise * 0, t))


@variants
def test_a_future_item_never_changes_an_output(options):
    model = made(**options)
    noise = torch.randn(1, 6, 16, generator=torch.Generator().manual_seed(0))
    t = torch.zeros(1, 6, dtype=torch.long)
    before = _denoised(model, _rows([[1, 2, 3, 4, 5, 6]], length=6), noise, t)
    after = _denoised(model, _rows([[1, 2, 3, 4, 30, 31]], length=6), noise, t)
    # The target of position 3 is not a future input here: targets follow from inputs position by position.
    torch.testing.assert_close(before[:, :4], after[:, :4], **CLOSE)
    assert (before[:, 4:] - after[:, 4:]).abs().max() > 1e-3


def test_a_dropped_condition_is_gone_for_the_whole_sequence(monkeypatch):
    model = made(condition_dropout=0.4)
    seen = []
    original = ADRec._denoise
    monkeypatch.setattr(ADRec, "_denoise", lambda self, c, *more: seen.append(c) or original(self, c, *more))
    batch = _rows(*[[[1, 2, 3], [4, 5]]] * 100, length=6)
    model.token_outputs(batch, output="x_start", generator=torch.Generator().manual_seed(0))
    gone_RL = (seen[0] == 0).all(dim=2)
    shares = [gone_RL[batch.segments_RL == segment].float().mean() for segment in range(1, batch.sequences + 1)]
    assert set(map(float, shares)) == {0.0, 1.0}
    assert float(torch.stack(shares).mean()) == pytest.approx(0.4, abs=0.1)


def test_guidance_is_chosen_when_asking_and_needs_a_model_that_knows_no_condition():
    plain, guided = made(), made(condition_dropout=0.3, guidance=1.5)
    batch, generator = histories([5, 2]), torch.Generator()

    def represented(model, guidance):
        sampling = Sampling(noise="zero", guidance=guidance)
        return model.represent(batch, output="x_start", sampling=sampling, generator=generator)

    assert torch.equal(represented(guided, 0.0), represented(plain, None)), "w = 0 is no guidance at all"
    assert torch.equal(represented(guided, None), represented(guided, 1.5))
    assert not torch.allclose(represented(guided, 1.5), represented(plain, None), atol=1e-2)
    with pytest.raises(UsageError, match=r"needs a model trained with model\.condition_dropout"):
        represented(plain, 1.0)
    with pytest.raises(UsageError, match=r"needs a model trained with model\.condition_dropout"):
        ADRecConfig(guidance=1.0)


def test_a_full_history_has_no_padding_that_could_take_part():
    plain, padded = made(), made(padding_key=True)
    plain.load_state_dict(padded.state_dict(), strict=False)
    zero, generator = Sampling(noise="zero"), torch.Generator()
    for output in ("condition", "x_start"):
        for length, alike in ((20, True), (19, False)):
            one, other = (
                model.represent(histories([length]), output=output, sampling=zero, generator=generator)
                for model in (plain, padded)
            )
            assert torch.allclose(one, other, **CLOSE) is alike
    for other in ({"condition_dropout": 0.1}, {"block": "frequency"}, {"positions": "learned"}):
        with pytest.raises(UsageError, match="does not go with"):
            ADRecConfig(padding_key=True, **other)


def test_loss_aware_timesteps_weigh_the_denoising_loss_and_learn_from_it():
    model = made(timestep_sampling="loss_aware")
    batch = _rows(*[[[1, 2, 3], [4, 5]]] * 40, length=6)
    outputs = model.token_outputs(batch, output="x_start", generator=torch.Generator().manual_seed(0))
    # At first all are equally likely, and weigh the same.
    torch.testing.assert_close(outputs.weights_N, batch.sequence_weights_N())
    model.observe(outputs.timesteps_N, torch.arange(200.0))
    assert bool((model.noising.loss_aware.seen_T == 10).all())
    outputs = model.token_outputs(batch, output="x_start", generator=torch.Generator().manual_seed(0))
    importance_N = outputs.weights_N / batch.sequence_weights_N()
    known = 1 / (6 * model.noising.loss_aware.shares_T())
    assert all(((known - weight).abs() < 1e-5).any() for weight in importance_N)
    assert importance_N.std() > 0
    assert not any("loss_aware" in name for name in model.state_dict()), "it belongs to the training, not the model"


def test_geodesic_noise_looks_at_directions_alone():
    model = made(noise="geodesic", lambda_=0.5)
    batch = _rows([[1, 2, 3, 4]], length=4)
    noise = torch.randn(1, 4, 16, generator=torch.Generator().manual_seed(0))
    t = torch.tensor([[0, 5, 2, 3]])
    condition = torch.zeros(1, 4, 16)
    x_start = model.item_embedding(batch.targets_RL)
    once, thrice = (model._denoise(condition, scale * x_start, t, noise, None, None) for scale in (1, 3))
    torch.testing.assert_close(once, thrice, **CLOSE)
    sampling = Sampling(temperature=0.5)
    with pytest.raises(UsageError, match="temperature"):
        model.represent(histories([3]), output="x_start", sampling=sampling, generator=torch.Generator())


@variants
def test_the_exported_graph_computes_what_represent_does(options):
    model = made(**options)
    batch = histories([20, 3, 9])
    scores_BV = Scorer(model)(batch.items_BL, batch.lengths_B)
    expected = model.represent(batch, output="x_start", sampling=FAST_SAMPLING, generator=torch.Generator())
    items_VD = model.item_vectors_VD().detach()
    if model.config.scores == "cosine":
        expected, items_VD = (F.normalize(one, dim=1) for one in (expected, items_VD))
        expected = expected / model.config.score_temperature
    expected_BV = expected @ items_VD.T
    if bias := model.history_bias(batch):
        bias.add_to(expected_BV, first=0)
    torch.testing.assert_close(scores_BV[:, 1:], expected_BV[:, 1:], atol=1e-4, rtol=1e-4)


@variants
def test_packed_outputs_equal_the_padded_reference(options):
    model = made(**options)
    lengths = [3, 2, 4]
    sequences = [[1, 2, 3], [4, 5], [6, 7, 8, 9]]
    batch = _rows([sequences[0], sequences[1]], [sequences[2]], length=6)
    padded, targets = torch.zeros(3, 4, dtype=torch.long), torch.zeros(3, 4, dtype=torch.long)
    for row, sequence in enumerate(sequences):
        padded[row, : len(sequence)] = torch.tensor(sequence)
        targets[row, : len(sequence)] = torch.tensor(sequence) + 1
    expected = reference.condition(model, padded, lengths)
    outputs = model.token_outputs(batch, output="condition", generator=None)
    real = padded > 0
    torch.testing.assert_close(outputs.predicted_ND, expected[real], **CLOSE)

    noise, t = torch.randn(2, 6, 16, generator=torch.Generator().manual_seed(0)), torch.tensor([[0, 5, 2, 3, 1, 0]] * 2)
    of_rows = [(0, slice(0, 3)), (0, slice(3, 5)), (1, slice(0, 4))]
    t_padded, noise_padded = torch.zeros(3, 4, dtype=torch.long), torch.zeros(3, 4, 16)
    for row, (packed, part) in enumerate(of_rows):
        t_padded[row, : lengths[row]] = t[packed, part]
        noise_padded[row, : lengths[row]] = noise[packed, part]
    x_t = model.noising.q_sample(model.item_embedding(targets), t_padded, noise_padded)
    denoised = reference.denoise(model, expected, x_t, t_padded, lengths)
    torch.testing.assert_close(_denoised(model, batch, noise, t)[batch.real_RL], denoised[real], **CLOSE)


def _drawn_timesteps(model: ADRec, batch: PackedBatch) -> torch.Tensor:
    seen = []
    original = model.noising.q_sample
    model.noising.q_sample = lambda x, t, noise: seen.append(t) or original(x, t, noise)
    model.token_outputs(batch, output="x_start", generator=torch.Generator().manual_seed(0))
    return seen[0]


def test_every_token_draws_its_own_timestep():
    t_RL = _drawn_timesteps(made(steps=32), _rows([list(range(1, 21))], [list(range(1, 21))], length=20))
    assert len(np.unique(t_RL.numpy())) > 5
    assert (t_RL[0] != t_RL[1]).any()


@pytest.mark.parametrize("sampling", ["uniform", "loss_aware"])
def test_noise_per_sequence_shares_a_timestep_within_a_sequence_only(sampling):
    batch = _rows(*[[[1, 2, 3], [4, 5]]] * 20, length=6)
    t_RL = _drawn_timesteps(made(steps=32, noise_per="sequence", timestep_sampling=sampling), batch)
    drawn = [set(t_RL[batch.segments_RL == segment].tolist()) for segment in range(1, batch.sequences + 1)]
    assert all(len(of_one) == 1 for of_one in drawn)
    assert len(set.union(*drawn)) > 5


@pytest.mark.parametrize("output", ["condition", "x_start"])
def test_items_lack_the_same_entries_as_inputs_as_targets_and_in_the_catalogue(output):
    inputs_RL = torch.tensor([[3, 4, 5, 6, 7, 3, 4]])
    batch = PackedBatch(
        inputs_RL=inputs_RL, targets_RL=inputs_RL + 1, segments_RL=torch.tensor([[1, 1, 1, 1, 2, 2, 2]]),
        positions_RL=torch.tensor([[0, 1, 2, 3, 0, 1, 2]]), sequences=2,
    )  # fmt: skip
    still = {"dropout": 0.0, "embedding_dropout": 0.0}
    model, plain = made(item_dropout=0.5, **still), made(**still)
    outputs = model.token_outputs(batch, output=output, generator=torch.Generator().manual_seed(1))
    dropped = outputs.vectors_VD
    kept = dropped != 0
    assert 0.4 < kept[1:].float().mean() < 0.6
    assert torch.equal(dropped, torch.where(kept, 2 * model.item_vectors_VD(), 0.0)), "the expectation stays"
    # A model without this dropout that has these vectors says the same of the same noise.
    plain.item_embedding.weight.data = dropped.detach()
    generator = torch.Generator().manual_seed(1)
    dropout(model.item_vectors_VD(), 0.5, generator)
    same = plain.token_outputs(batch, output=output, generator=generator)
    assert torch.equal(outputs.predicted_ND, same.predicted_ND)
    assert same.vectors_VD is None, "its own"
    if output == "x_start":
        assert torch.equal(outputs.x_start_ND, dropped[outputs.targets_N])


@pytest.mark.parametrize("network", [{}, {"positions": "learned"}])
@pytest.mark.parametrize("whole", [True, False])
def test_histories_that_need_no_lookup_of_positions_are_placed_as_any(network, whole):
    model = made(**network)
    if model.position_embedding is not None:
        model.position_embedding.initialize(torch.Generator().manual_seed(0), 1.0)
    for length in range(1, model.max_length):
        items_BL = torch.arange(1, 2 * length + 1).view(2, length)
        batch = HistoryBatch(items_BL=items_BL, lengths_B=torch.tensor([length, length]), whole=whole)
        expected = model._place(model.embed(items_BL), batch.remaining_BL)
        assert torch.equal(model._place_history(batch), expected), length
