"""What holds of every model and every option of it, however its sequences are packed and whatever was there before."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch

from adrec_cli.config import build
from adrec_cli.data.batches import TrainingWindows, pack_batch
from adrec_cli.errors import UsageError
from adrec_cli.models.base import HistoryBatch, PackedBatch, SequentialRecommender
from adrec_cli.models.registry import MODELS, find_model, list_trainable
from adrec_cli.models.sampling import FAST_SAMPLING
from adrec_cli.runtime import make_generator
from tests.variants import EVERY_MODEL, every_model, small_model

CLOSE = {"atol": 1e-5, "rtol": 1e-5}
LENGTHS = (7, 2, 9, 3, 5, 1, 4, 8)
"""Packed by length, they stand in rows of 12 in another order than they are numbered in."""


def windows(lengths: tuple[int, ...] = LENGTHS, prefixes: bool = False) -> TrainingWindows:
    """Sequences of these lengths over 40 items, none of which is another's."""
    items = np.random.default_rng(3).integers(1, 41, sum(lengths) + len(lengths)).astype(np.int32)
    starts = np.cumsum([0, *(length + 1 for length in lengths[:-1])])
    seconds = np.random.default_rng(4).integers(0, 4, len(items)).cumsum() ** 5
    return TrainingWindows(items=items, starts=starts, lengths=np.array(lengths), prefixes=prefixes, seconds=seconds)


def without_chance(model: SequentialRecommender, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take all noise out and let every timestep be the third."""
    monkeypatch.setattr(torch, "randn", lambda *shape, generator=None, device=None: torch.zeros(*shape))
    monkeypatch.setattr(torch, "rand", lambda *shape, generator=None, device=None: torch.ones(*shape))
    if hasattr(model, "noising"):
        monkeypatch.setattr(model.noising, "timesteps", lambda segments, *more: (torch.full_like(segments, 2), None))
    for module in ("dreamrec", "diffurec"):
        monkeypatch.setattr(f"adrec_cli.models.{module}.uniform_timesteps", lambda shape, *more: torch.full(shape, 2))


def said_of_sequences(model: SequentialRecommender, batch: PackedBatch, output: str) -> list[dict[str, torch.Tensor]]:
    """What a model says of each sequence, by its number."""
    found = model.token_outputs(batch, output=output, generator=torch.Generator().manual_seed(0))
    segments = batch.of_tokens(batch.segments_RL)
    said = {"predicted": found.predicted_ND, "targets": found.targets_N, "weights": found.weights_N}
    if found.x_start_ND is not None:
        said["x_start"] = found.x_start_ND
    if bias := model.token_bias(batch):
        said["bias"] = bias.of(torch.arange(1, 41).expand(len(segments), -1))
    return [{name: of[segments == number] for name, of in said.items()} for number in range(1, batch.sequences + 1)]


@every_model
def test_sequences_packed_in_any_order_are_told_apart(name, options, monkeypatch):
    """A target, its weight and its noise belong to the history it follows, wherever the rows have it."""
    model = small_model(name, options)
    without_chance(model, monkeypatch)
    data = windows(prefixes=model.needs_prefixes)
    chosen = np.array([5, 2, 7, 0, 3, 6, 1, 4])
    together = pack_batch(data, chosen, model.max_length)
    assert (together.segments_RL[together.real_RL].diff() < 0).any(), "rows stand in the order of numbers"
    assert len(together.inputs_RL) < len(chosen)
    for output in model.outputs:
        for number, said in enumerate(said_of_sequences(model, together, output)):
            (alone,) = said_of_sequences(model, pack_batch(data, chosen[[number]], model.max_length), output)
            assert len(said["targets"]) == (1 if data.prefixes else data.lengths[chosen[number]])
            for what, value in said.items():
                expected = alone[what] / len(chosen) if what == "weights" else alone[what]
                torch.testing.assert_close(value, expected, **CLOSE, msg=lambda text, what=what: f"{what}: {text}")


@every_model
def test_fresh_weights_owe_nothing_to_what_was_there(name, options):
    """Drawn with the generator alone; matrices and vectors of their own are drawn, norms begin at one, biases at 0."""
    made = []
    for before in (7.0, -3.0):
        model = small_model(name, options)
        for weight in model.parameters():
            weight.data.fill_(before)
        for component in model.components():
            model.initialize(component, make_generator(5, component))
        made.append(dict(model.named_parameters()))
    for weight_name, weight in made[0].items():
        assert torch.equal(weight, made[1][weight_name]), weight_name
        plain = "bias" in weight_name or "norm" in weight_name or weight_name.startswith(("repeats", "gaps"))
        assert (weight.detach().unique().numel() > 2) is not plain, weight_name
    assert not model.item_vectors_VD()[0].any(), "the padding's row"
    assert model.item_vectors_VD()[1:].any(dim=1).all()


DROPOUTS = [
    (name, field)
    for name in list_trainable()
    for field in find_model(name).config_type.__dataclass_fields__
    if field.endswith("dropout")
]


@pytest.mark.parametrize(("name", "dropped"), DROPOUTS)
def test_every_dropout_drops_on_its_own_and_in_training_alone(name, dropped, monkeypatch):
    """With all others at zero it changes what is learned from; without a generator, and in ranking, nothing."""
    quiet, model = (small_model(name, {dropped: share}) for share in (0.0, 0.5))
    batch = pack_batch(windows(prefixes=model.needs_prefixes), np.arange(len(LENGTHS)), model.max_length)
    output = model.outputs[-1]
    if dropped != "condition_dropout":
        for one in (quiet, model):
            without_chance(one, monkeypatch)
    told = [said_of_sequences(one, batch, output) for one in (quiet, model)]
    changed = [not torch.allclose(a["predicted"], b["predicted"], atol=1e-3) for a, b in zip(*told, strict=True)]
    assert sum(changed) >= (1 if dropped == "condition_dropout" else len(LENGTHS) - 1)
    if not model.sampled_outputs:
        found = [one.token_outputs(batch, output=output, generator=None).predicted_ND for one in (quiet, model)]
        assert torch.equal(*found)


def test_every_model_is_tried():
    assert {name for name, _ in EVERY_MODEL.values()} == set(list_trainable()) == set(MODELS) - {"mostpop"}
    assert all(dataclasses.is_dataclass(find_model(name).config_type) for name in list_trainable())


@every_model
def test_every_weight_belongs_to_one_component_and_learns(name, options):
    """What a component does not hold is neither drawn, nor trained, nor frozen with it."""
    model = small_model(name, options).train()
    held = [id(weight) for component in model.components().values() for weight in component.parameters()]
    assert sorted(held) == sorted(id(weight) for weight in model.parameters())
    batch = pack_batch(windows(prefixes=model.needs_prefixes), np.arange(len(LENGTHS)), model.max_length)
    for output in model.outputs:
        found = model.token_outputs(batch, output=output, generator=torch.Generator().manual_seed(0))
        scores = found.predicted_ND @ model.item_vectors_VD().T
        if bias := model.token_bias(batch):
            bias.add_to(scores, first=0)
        scores.square().sum().backward()
    still = {weight_name for weight_name, weight in model.named_parameters() if not weight.grad.any()}
    # The condition of nothing is learned where some conditions are dropped, which these do not.
    assert still <= {"no_condition_D"}


@pytest.mark.parametrize("name", list_trainable())
def test_fresh_weights_are_drawn_around_zero_as_wide_as_is_said(name):
    model = small_model(name, {"hidden_size": 64}, items=3000)
    for component in model.components():
        model.initialize(component, make_generator(1, component))
    said = getattr(model.config, "initializer_range", None)
    for weight_name, weight in model.named_parameters():
        if weight.numel() < 50 or not weight.any() or (weight == 1).all():
            continue
        spread = weight.std().item()
        assert spread > 0, weight_name
        assert abs(weight.mean().item()) < 5 * spread / weight.numel() ** 0.5, weight_name
        if weight is model.item_vectors_VD() and said is not None:
            assert spread == pytest.approx(said, rel=0.05)


OPTIONS = [
    (name, field.rstrip("_"), kind.type)
    for name in list_trainable()
    for field, kind in find_model(name).config_type.__dataclass_fields__.items()
    if kind.type in ("str", "int", "float")
]
NONSENSE = {"str": ["nonsense", ""], "int": [-1, 0], "float": [-1.0, math.nan, math.inf]}
MAY_BE_NOTHING = {"content_width"}


@pytest.mark.parametrize(("name", "option", "kind"), OPTIONS)
def test_no_option_takes_what_means_nothing(name, option, kind):
    # Of lambda the sign alone would be another: a network learns either.
    refused = NONSENSE[kind][1:] if option == "lambda" else NONSENSE[kind]
    for value in refused[:1] if option in MAY_BE_NOTHING else refused:
        with pytest.raises(UsageError, match=option.replace("_", ".")):
            build(find_model(name).config_type, {option: value}, where="[model]")


@every_model
def test_one_component_is_drawn_and_no_other(name, options):
    """A stage that begins with fresh parts keeps what was learned of the others."""
    model = small_model(name, options)
    for component, part in model.components().items():
        before = {weight_name: weight.clone() for weight_name, weight in model.named_parameters()}
        own = {id(weight) for weight in part.parameters()}
        model.initialize(component, make_generator(9, component))
        for weight_name, weight in model.named_parameters():
            assert torch.equal(weight, before[weight_name]) is (id(weight) not in own), (component, weight_name)


@pytest.mark.parametrize("name", [name for name in list_trainable() if "position" in str(small_model(name, {}))])
def test_positions_are_added_to_what_stands_there(name):
    """What all position vectors have in common might as well be in all item vectors."""
    more = torch.randn(16, generator=torch.Generator().manual_seed(8))
    plain, placed, moved = (small_model(name, {}) for _ in range(3))
    with torch.no_grad():
        placed.position_embedding.weight += more
        moved.item_vectors_VD()[1:] += more
    batch = HistoryBatch(items_BL=torch.tensor([[3, 1, 4], [5, 9, 2]]), lengths_B=torch.tensor([3, 3]))
    asked = {"output": plain.outputs[-1], "sampling": FAST_SAMPLING, "generator": torch.Generator()}
    first, second, third = (model.represent(batch, **asked) for model in (plain, placed, moved))
    torch.testing.assert_close(second, third, **CLOSE)
    assert (first - second).abs().max() > 1e-3


def test_what_cannot_be_computed_padded_says_so():
    assert small_model("adrec", {}).why_not_padded() == ""
    assert "loss_aware" in small_model("adrec", {"timestep_sampling": "loss_aware"}).why_not_padded()
    assert small_model("sasrec", {}).why_not_padded() == ""
    assert small_model("diffurec", {}).why_not_padded() == "model diffurec"
