"""What must hold of every baseline whatever its weights, and what its paper says of each."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from safetensors.torch import load_file

from adrec_cli.config import build
from adrec_cli.errors import UsageError
from adrec_cli.models.base import SequentialRecommender
from adrec_cli.models.batch import HistoryBatch, PackedBatch
from adrec_cli.models.registry import MODELS, find_model, find_stages, list_trainable
from adrec_cli.models.sampling import Sampling
from adrec_cli.runtime import make_generator
from adrec_cli.training.objective import Objective
from adrec_cli.training.ranking_loss import RankingLoss
from tests.reference.official_weights import load_sasrec

CLOSE = {"atol": 1e-5, "rtol": 1e-5}
ITEMS = 40
NO_DROPOUT = {"dropout": 0.0, "embedding_dropout": 0.0, "item_dropout": 0.0, "condition_dropout": 0.0}
SMALL = {
    "hidden_size": 16,
    "max_length": 12,
    "heads": 2,
    "gru_size": 24,
    "diffusion_steps": 5,
    "delta": 0.5,
    "layers": 2,
}
NAMES = [name for name in list_trainable() if name != "adrec"]
EVERY_POSITION = [name for name in NAMES if not MODELS[name].needs_prefixes]
DIFFUSION = ["dreamrec", "diffurec"]
ZERO = Sampling(noise="zero")


def made(name: str, **changes) -> SequentialRecommender:
    """A small model without dropout, whose fresh weights are large enough that everything matters."""
    entry = find_model(name)
    known = entry.config_type.__dataclass_fields__
    options = {key: value for key, value in {**SMALL, **NO_DROPOUT}.items() if key in known}
    model = entry(build(entry.config_type, {**options, **changes}, where="[model]"), ITEMS)
    for component in model.components():
        model.initialize(component, make_generator(5, component))
    generator = torch.Generator().manual_seed(6)
    for weight in model.parameters():
        if weight.dim() > 1:
            weight.data += 0.2 * torch.randn(weight.shape, generator=generator)
    model.item_vectors_VD().data[0] = 0
    return model.eval()


def packed(*rows: list[list[int]], length: int = 12) -> PackedBatch:
    """Pack lists of sequences by hand: each row a list of sequences; a target follows from its own input only."""
    inputs = torch.zeros(len(rows), length, dtype=torch.long)
    segments, positions = torch.zeros_like(inputs), torch.zeros_like(inputs)
    number = 0
    for row, sequences in enumerate(rows):
        at = 0
        for sequence in sequences:
            number += 1
            here = slice(at, at + len(sequence))
            inputs[row, here] = torch.tensor(sequence)
            segments[row, here] = number
            positions[row, here] = torch.arange(len(sequence))
            at += len(sequence)
    targets = torch.where(inputs > 0, inputs * 7 % ITEMS + 1, 0)
    return PackedBatch(
        inputs_RL=inputs, targets_RL=targets, segments_RL=segments, positions_RL=positions, sequences=number
    )


def as_learned(model: SequentialRecommender, batch: PackedBatch) -> PackedBatch:
    """The batch as samples of the kind the model learns from."""
    return dataclasses.replace(batch, prefixes=model.needs_prefixes)


def predictions(model: SequentialRecommender, batch: PackedBatch, monkeypatch) -> list[torch.Tensor]:
    """Predictions of each sequence with all noise taken out and every timestep the third."""
    batch = as_learned(model, batch)
    with monkeypatch.context() as patch:
        patch.setattr(torch, "randn", lambda *shape, generator=None, device=None: torch.zeros(*shape))
        for module in ("dreamrec", "diffurec"):
            patch.setattr(
                f"adrec_cli.models.{module}.uniform_timesteps", lambda shape, steps, generator: torch.full(shape, 2)
            )
        outputs = model.token_outputs(batch, output=model.outputs[0], generator=torch.Generator().manual_seed(0))
    segments = batch.segments_RL[batch.real_RL]
    if batch.prefixes:
        segments = batch.segments_RL[batch.learned_RL]
    assert len(outputs.predicted_ND) == len(outputs.targets_N) == len(outputs.weights_N) == len(segments)
    assert outputs.weights_N.sum().item() == pytest.approx(1)
    return [outputs.predicted_ND[segments == number] for number in range(1, batch.sequences + 1)]


def histories(*rows: list[int]) -> HistoryBatch:
    longest = max(len(row) for row in rows)
    return HistoryBatch(
        items_BL=torch.tensor([row + [0] * (longest - len(row)) for row in rows]),
        lengths_B=torch.tensor([len(row) for row in rows]),
    )


def represented(model: SequentialRecommender, batch: HistoryBatch, sampling: Sampling = ZERO, seed: int = 0):
    generator = torch.Generator().manual_seed(seed)
    return model.represent(batch, output=model.outputs[0], sampling=sampling, generator=generator)


@pytest.mark.parametrize("name", NAMES)
def test_another_sequence_in_the_same_row_never_changes_an_output(name, monkeypatch):
    model = made(name)
    mine, others, third = [3, 1, 4, 1, 5], [9, 2, 6], [5, 3, 5, 8]
    alone = predictions(model, packed([mine], length=5), monkeypatch)[0]
    before = predictions(model, packed([mine, others], [third]), monkeypatch)
    behind = predictions(model, packed([third, others], [mine]), monkeypatch)
    last = predictions(model, packed([others, mine, third]), monkeypatch)
    for found in (before[0], behind[2], last[1]):
        torch.testing.assert_close(found, alone, **CLOSE)
    torch.testing.assert_close(before[2], last[2], **CLOSE)
    assert (before[1][-1] - before[0][-1]).abs().max() > 1e-3


@pytest.mark.parametrize("name", EVERY_POSITION)
def test_a_future_item_never_changes_an_output(name, monkeypatch):
    model = made(name)
    before = predictions(model, packed([[1, 2, 3, 4, 5, 6]]), monkeypatch)[0]
    after = predictions(model, packed([[1, 2, 3, 4, 30, 31]]), monkeypatch)[0]
    torch.testing.assert_close(before[:4], after[:4], **CLOSE)
    assert (before[4:] - after[4:]).abs().max() > 1e-3


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("sampling", [ZERO, Sampling(steps=1, noise="zero")])
def test_padding_and_batch_mates_never_change_a_representation(name, sampling):
    model = made(name)
    rows = [[7], [3, 1, 4], list(range(20, 32)), [9, 2, 6, 5, 3]]
    together = represented(model, histories(*rows), sampling)
    for number, row in enumerate(rows):
        torch.testing.assert_close(represented(model, histories(row), sampling)[0], together[number], **CLOSE)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in DIFFUSION])
def test_a_user_is_represented_as_the_last_token_was_trained(name, monkeypatch):
    model = made(name)
    rows = [[3, 1, 4, 1, 5], [9, 2], [6]]
    trained = predictions(model, packed(rows), monkeypatch)
    found = represented(model, histories(*rows))
    torch.testing.assert_close(found, torch.stack([sequence[-1] for sequence in trained]), **CLOSE)


@pytest.mark.parametrize("name", NAMES)
def test_order_and_every_item_of_the_history_matter(name):
    model = made(name)
    base = represented(model, histories([1, 2, 3, 4]))
    assert (represented(model, histories([9, 2, 3, 4])) - base).abs().max() > 1e-4
    swapped = (represented(model, histories([2, 1, 3, 4])) - base).abs().max()
    # DiffuRec has neither positions nor a causal mask: only which item is the newest tells it of time.
    assert (swapped < 1e-5) if name == "diffurec" else (swapped > 1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_components_hold_every_parameter_and_their_gradients_arrive(name):
    model = made(name)
    held = {id(weight) for component in model.components().values() for weight in component.parameters()}
    assert held == {id(weight) for weight in model.parameters()}
    assert set(find_stages(name)["train"].trains) == set(model.components())
    config = made(name, **({"condition_dropout": 0.5} if name == "dreamrec" else {}))
    batch = packed([[3, 1, 4, 1, 5], [9, 2, 6]], [[5, 3, 5, 8, 9]])
    outputs = config.token_outputs(
        as_learned(model, batch), output=config.outputs[0], generator=torch.Generator().manual_seed(1)
    )
    (outputs.predicted_ND @ config.item_vectors_VD().T).square().sum().backward()
    assert not [name for name, weight in config.named_parameters() if weight.grad is None or not weight.grad.any()]
    assert not config.item_vectors_VD().grad[0, 0].isnan()


@pytest.mark.parametrize("name", NAMES)
def test_dropout_and_noise_come_from_the_generator_alone(name):
    model = made(name, dropout=0.3)
    batch = as_learned(model, packed([[3, 1, 4, 1, 5], [9, 2, 6]]))

    def once(seed: int, elsewhere: int) -> torch.Tensor:
        torch.manual_seed(elsewhere)
        generator = torch.Generator().manual_seed(seed)
        return model.train().token_outputs(batch, output=model.outputs[0], generator=generator).predicted_ND

    assert torch.equal(once(1, 1), once(1, 2))
    assert not torch.equal(once(1, 1), once(2, 1))


@pytest.mark.parametrize("name", DIFFUSION)
def test_seeded_noise_is_repeatable_and_matters(name):
    model = made(name)
    first, again, other = (represented(model, histories([3, 1, 4]), Sampling(), seed) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert (first - other).abs().max() > 1e-3
    with pytest.raises(ValueError, match="needs a generator"):
        model.token_outputs(packed([[1, 2]]), output="x_start", generator=None)


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


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("sasrec", {"heads": 3}),
        ("sasrec", {"blocks": 0}),
        ("sasrec", {"dropout": 1.0}),
        ("sasrec", {"initializer_range": 0.0}),
        ("esasrec", {"feed_forward_multiplier": 0}),
        ("esasrec", {"dropout": -0.1}),
        ("esasrec", {"heads": 3}),
        ("gru4rec", {"layers": 0}),
        ("gru4rec", {"embedding_dropout": 1.0}),
        ("gru4rec", {"initializer_range": -1.0}),
        ("dreamrec", {"guidance": -1.0}),
        ("dreamrec", {"denoiser": "unet"}),
        ("dreamrec", {"noise_schedule": "none"}),
        ("dreamrec", {"hidden_size": 15}),
        ("diffurec", {"delta": 0.0}),
        ("diffurec", {"diffusion_steps": 0}),
        ("diffurec", {"hidden_size": 15}),
    ],
)
def test_a_configuration_that_makes_no_sense_is_refused(name, changes):
    with pytest.raises(UsageError):
        made(name, **changes)


# Dropout of item vectors


@pytest.mark.parametrize("name", ["sasrec", "esasrec"])
def test_items_lack_the_same_entries_as_inputs_and_as_targets(name):
    batch = packed([[3, 4, 5, 6], [7, 3, 4]], [[1, 2, 3, 4, 5]])
    model, plain = made(name, item_dropout=0.5), made(name, item_dropout=0.0)
    outputs = model.token_outputs(batch, output="next_item", generator=torch.Generator().manual_seed(1))
    dropped = outputs.vectors_VD
    kept = dropped != 0
    assert 0.4 < kept[1:].float().mean() < 0.6
    assert torch.equal(dropped, torch.where(kept, 2 * model.item_vectors_VD(), 0.0)), "the expectation stays"
    assert not dropped[0].any(), "padding has no vector"
    # A model without this dropout that has these vectors says the same.
    plain.item_embedding.weight.data = dropped.detach()
    same = plain.token_outputs(batch, output="next_item", generator=torch.Generator().manual_seed(2))
    assert torch.allclose(outputs.predicted_ND, same.predicted_ND, **CLOSE)
    assert same.vectors_VD is None, "its own"
    again = model.token_outputs(batch, output="next_item", generator=None)
    assert again.vectors_VD is None, "outside of training nothing is dropped"


@pytest.mark.parametrize("loss", ["ce", "sampled_softmax"])
def test_the_loss_is_of_the_dropped_vectors(loss):
    batch = packed([[3, 4, 5, 6], [7, 3, 4]])
    model = made("esasrec", item_dropout=0.5)
    stage = dataclasses.replace(find_stages("esasrec")["train"], ranking_loss=loss, negatives=8)
    ranking_loss = RankingLoss(stage, torch.ones(ITEMS + 1, dtype=torch.float64))
    values, _ = Objective(stage, model, ranking_loss, "float32").backward(
        [batch], [torch.Generator().manual_seed(1)], dict(model.named_parameters()), where="here"
    )
    generator = torch.Generator().manual_seed(1)
    outputs = model.token_outputs(batch, output="next_item", generator=generator)
    expected = ranking_loss(outputs.predicted_ND, outputs.vectors_VD, outputs.targets_N, generator)
    assert values[loss] == pytest.approx(expected.item())
    gradient = model.item_embedding.weight.grad
    never_kept = (outputs.vectors_VD == 0) & (model.item_vectors_VD() != 0)
    assert gradient[~never_kept].any()
    assert not gradient[never_kept].any(), "what is dropped learns nothing in this step"


def test_item_dropout_and_an_optimizer_by_rows_do_not_go_together():
    made("esasrec", item_dropout=0.0).give_sparse_item_gradients(True)
    made("esasrec", item_dropout=0.2).give_sparse_item_gradients(False)
    with pytest.raises(UsageError, match="item_dropout"):
        made("esasrec", item_dropout=0.2).give_sparse_item_gradients(True)
