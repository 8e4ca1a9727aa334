"""What must hold of every baseline whatever its weights, and what its paper says of each."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from adrec_cli.config import build
from adrec_cli.errors import UsageError
from adrec_cli.models.base import SequentialRecommender
from adrec_cli.models.batch import HistoryBatch, PackedBatch
from adrec_cli.models.registry import MODELS, find_model, find_stages, list_trainable
from adrec_cli.models.sampling import Sampling
from adrec_cli.runtime import make_generator

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
