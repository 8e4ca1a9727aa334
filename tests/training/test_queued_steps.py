"""Steps that are queued and read one late: what they learn, what they ask of a device, and what stops them."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import threading
from typing import ClassVar

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from adrec_cli.errors import DivergedError, UsageError
from adrec_cli.models.batch import PackedBatch
from adrec_cli.models.padded_batch import PaddedBatch, planes_of
from adrec_cli.models.stages import ranking_losses
from adrec_cli.training.events import EpochDone, StepDone
from adrec_cli.training.loop import StageTraining
from tests.batches import epoch_batches
from tests.tiers import sampled
from tests.training.small import small_training
from tests.training.test_loop import finished, state_after, weights
from tests.variants import VARIANTS

STILL = {"dropout": 0.0, "embedding_dropout": 0.0, "item_dropout": 0.0}
CASES = [
    ("adrec", "pretrain"), ("adrec", "align"), ("adrec", "finetune"), ("sasrec", "train"), ("esasrec", "train"),
    ("bsarec", "train"), ("hstu", "train"),
]  # fmt: skip
stages = sampled(
    "model,stage", CASES, quick=[("adrec", "pretrain"), ("adrec", "finetune"), ("sasrec", "train"), ("hstu", "train")]
)
QUEUED = {name: options for name, options in VARIANTS.items() if "timestep_sampling" not in options}
"""What a step need not be looked at for."""


def queued(model: str = "adrec", stage: str = "finetune", *, stepping: str = "queued", **options) -> StageTraining:
    return small_training(model, stage, stepping=stepping, **{"ranking_loss": "ce", **options})


@stages
def test_without_draws_they_learn_what_steps_looked_at_one_by_one_do(model, stage):
    """All draws of ADRec's noise are lambda times as large at its denoiser's input, so that 0 leaves none."""
    network = {**STILL, "lambda_": 0.0}
    late, plain = (queued(model, stage, stepping=way, network=network) for way in ("queued", "immediate"))
    for found, expected in zip(finished(late), finished(plain), strict=True):
        assert found.losses == pytest.approx(expected.losses, rel=1e-5)
    for name, weight in plain.model.state_dict().items():
        # A bias of keys has no gradient but for rounding, of which Adam makes steps.
        torch.testing.assert_close(late.model.state_dict()[name], weight, rtol=1e-3, atol=2e-4)


@pytest.mark.parametrize("share", [0.0, 0.3])
def test_item_vectors_shrink_by_the_share_they_are_to(share):
    network, decayed = {**STILL, "lambda_": 0.0}, {"embedding_decay": share}
    late, plain = (queued(stage="align", stepping=way, network=network, **decayed) for way in ("queued", "immediate"))
    before = late.model.item_vectors_VD().norm()
    finished(late)
    finished(plain)
    torch.testing.assert_close(late.model.item_vectors_VD(), plain.model.item_vectors_VD())
    assert (late.model.item_vectors_VD().norm() < 0.9 * before) == bool(share)


@sampled("repeats,contrast", [("none", 0.0), ("learned", 0.0), ("never", 0.3)], quick=[("none", 0.0), ("never", 0.3)])
@stages
def test_the_gradient_is_that_of_the_tokens_alone(model, stage, repeats, contrast):
    network = {**STILL, "lambda_": 0.0, "repeats": repeats}
    late, plain = (
        queued(model, stage, stepping=way, network=network, contrast_weight=contrast) for way in ("queued", "immediate")
    )
    batch = next(late._begin_epoch())[0]
    padded = PaddedBatch.of_planes(planes_of(batch, 20), sequences=batch.sequences, prefixes=batch.prefixes)
    assert padded.inputs_RL.numel() > batch.inputs_RL.numel()
    plain.objective.backward([batch], plain._generators(1), plain.trained, where="")
    late.objective.backward_unseen(padded, late._generators(1)[0], late.trained)
    for name, weight in plain.trained.items():
        if weight.grad is not None:
            torch.testing.assert_close(late.trained[name].grad, weight.grad, rtol=1e-4, atol=1e-6 if contrast else 1e-7)


@sampled("network", QUEUED, quick=["default", "geodesic", "frequency"])
def test_every_variant_learns(network):
    epochs = finished(queued(network=network, epochs=4))
    for name, first in epochs[0].losses.items():
        assert epochs[-1].losses[name] < first


@sampled(
    "options",
    {
        "plain": {},
        "averages": {"average_decay": 0.9},
        "pcgrad": {"pcgrad": True},
        "padding key": {"network": {"padding_key": True}},
        "bf16": {"config": {"precision": "bf16"}},
    },
    quick=["averages"],
)
def test_they_give_the_same_bytes_again_and_resumed(options):
    first, second = (queued(**options) for _ in range(2))
    finished(first)
    finished(second)
    require_equal(second, first)
    for stop_after in (1, 3, 4):
        interrupted, resumed = (queued(**options) for _ in range(2))
        resumed.restore(*state_after(interrupted, stop_after))
        assert resumed.position.step + 4 * resumed.position.epoch >= stop_after
        finished(resumed)
        require_equal(resumed, first)


def require_equal(found: StageTraining, expected: StageTraining) -> None:
    """Both have come to the same bytes at the same position."""
    for name, weight in expected.model.state_dict().items():
        assert torch.equal(weight, found.model.state_dict()[name]), name
    assert found.position == expected.position


@sampled("stage", ["pretrain", "finetune"], quick=["pretrain"])
def test_prefixes_are_learned_by_their_last_target_alone(stage):
    network, config = {**STILL, "lambda_": 0.0}, {"samples": "prefixes"}
    late, plain = (queued(stage=stage, stepping=way, network=network, config=config) for way in ("queued", "immediate"))
    for found, expected in zip(finished(late), finished(plain), strict=True):
        assert found.losses == pytest.approx(expected.losses, rel=1e-5)


def test_every_step_is_told_with_its_own_losses():
    steps = [event for event in queued(epochs=2).events() if isinstance(event, StepDone)]
    assert [step.step for step in steps] == [1, 2, 3, 4] * 2
    assert all(step.losses["ce"] > 0 and step.tokens_per_second > 0 for step in steps)


def spoil(run: StageTraining, step: int, value: float) -> None:
    """Make one gradient infinite, or not a number, from the given step on."""
    weight, steps = run.model.cam.blocks[0].expand.weight, iter(range(1, 1000))
    weight.register_hook(lambda gradient: gradient * value if next(steps) >= step else gradient)


@sampled("value", [float("inf"), float("nan")], quick=[float("inf")])
@pytest.mark.parametrize("step", [1, 2, 3])
def test_a_step_that_is_not_finite_and_those_queued_after_it_change_no_byte(step, value):
    """The hook sees each backward pass once, so that a third step has been queued when the second is found out."""
    options = {"average_decay": 0.9}
    healthy, sick = queued(**options), queued(**options)
    spoil(sick, step, value)
    expected = [weights(healthy.model)]
    plain = finished_steps(healthy, expected)
    assert len(plain) >= 3
    with pytest.raises(DivergedError, match=rf"finetune epoch 1 step {step}: the gradient of cam\.blocks\.0\.expand"):
        list(sick.events())
    for name, weight in sick.model.state_dict().items():
        assert torch.equal(weight, expected[step - 1][name]), name
    assert sick.position.total_steps == step - 1
    assert all(bool(torch.isfinite(average).all()) for average in sick.average.averages.values())


def finished_steps(run: StageTraining, kept: list[dict[str, torch.Tensor]]) -> list[PackedBatch]:
    """Take the steps of an epoch one by one, each alone in the queue, and keep the weights after each."""
    found = []
    for batch in [batches[0] for batches in run._begin_epoch()]:
        run._queue(run.queued, batch, planes_of(batch, run.model.max_length))
        run._read_all()
        kept.append(weights(run.model))
        found.append(batch)
    return found


def test_a_loss_that_is_not_finite_names_itself():
    run = queued("adrec", "pretrain")
    events = run.events()
    next(events)
    run._read_all()
    with torch.no_grad():
        run.model.cam.blocks[0].expand.weight[0, 0] = float("nan")
    before, step = weights(run.model), run.position.step + 1
    with pytest.raises(DivergedError, match=rf"pretrain epoch 1 step {step}: loss ce is nan; largest inputs:"):
        list(events)
    after = run.model.state_dict()
    assert all(torch.equal(w, before[n]) or n == "cam.blocks.0.expand.weight" for n, w in after.items())


def test_a_state_holds_all_that_was_queued():
    run = queued()
    events = run.events()
    assert isinstance(next(events), StepDone)
    assert len(run.queued) == 1
    run.state()
    assert len(run.queued) == 0
    assert run.position.step == 2


class Waits(TorchDispatchMode):
    """Counts operators that compute, and those for which a host has to wait for its device."""

    VIEWS: ClassVar[set[str]] = {
        "view", "t", "transpose", "_unsafe_view", "expand", "permute", "unsqueeze", "select", "slice", "detach",
        "unbind", "split", "squeeze", "_reshape_alias",
    }  # fmt: skip
    WAITING = ("_local_scalar_dense", "nonzero", "masked_select", "bincount", "unique", "is_nonzero", "equal")

    def __init__(self) -> None:
        super().__init__()
        self.operators, self.waits = 0, []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function.overloadpacket.__name__
        self.operators += name not in self.VIEWS
        masks = [a for a in (args[1] if name in ("index", "index_put", "index_put_") else []) if a is not None]
        if any(name.startswith(waiting) for waiting in self.WAITING) or any(a.dtype == torch.bool for a in masks):
            self.waits.append(name)
        return function(*args, **(kwargs or {}))


def operators(run: StageTraining) -> Waits:
    """Those of the second step; the first one sets up the optimizer."""
    batches = epoch_batches(run.windows, batch_size=16, max_length=10, generator=torch.Generator().manual_seed(0))
    shapes = [run.queued._shape_of(planes_of(batch, 10), batch).batch for batch in list(batches)[:2]]
    run.model.train()
    run.queued._step(shapes[0])
    with Waits() as counted:
        run.queued._step(shapes[1])
    return counted


@sampled("precision", ["float32", "bf16"], quick=["float32"])
@stages
def test_a_step_asks_the_device_nothing(model, stage, precision):
    counted = operators(queued(model, stage, config={"precision": precision}))
    assert counted.waits == []
    assert counted.operators > 50


@sampled("network", QUEUED, quick=["default", "guided", "geodesic", "frequency", "repeats"])
def test_a_step_of_any_variant_asks_the_device_nothing(network):
    assert operators(queued(network=network, average_decay=0.9)).waits == []


def test_a_step_looked_at_one_by_one_does_ask():
    """What counts waits sees them where they are."""
    run = queued(stepping="immediate")
    batch = next(run._begin_epoch())[0]
    with Waits() as counted:
        run._step(batch)
    assert len(counted.waits) > 10


def test_operators_of_a_step_stay_few():
    """Of ADRec's last stage, with 2 operators for each of 17 places where a GPU drops in one and takes back in one."""
    assert operators(queued(network=STILL)).operators + 2 * 17 < 300


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"network": {"timestep_sampling": "loss_aware"}}, "model.timestep_sampling loss_aware"),
        ({"config": {"accumulate": 2}}, "training.accumulate 2"),
        ({"model": "gru4rec", "stage": "train"}, "model gru4rec"),
    ],
)
def test_what_needs_a_look_at_each_step_is_named(options, reason):
    with pytest.raises(UsageError, match=f"{reason} does not go with queued steps"):
        queued(**options)
    with pytest.raises(UsageError, match="unknown stepping"):
        queued(stepping="often")
    assert queued(**{**options, "stepping": "auto"}).queued is None


DRAWN = [loss for loss in ranking_losses() if loss != "ce"]


@pytest.mark.parametrize("options", [{}, {"negatives_power": 0.5, "logq_correction": True}], ids=["uniform", "popular"])
@sampled("loss", DRAWN, quick=["gbce", "top1_max"])
def test_losses_over_shared_negatives_leave_padding_out(loss, options):
    """Negatives that all tokens share are the same whatever the shape, as nothing else is drawn."""
    late, plain = (
        queued("sasrec", "train", stepping=way, network=STILL, ranking_loss=loss, negatives=8, **options)
        for way in ("queued", "immediate")
    )
    for found, expected in zip(finished(late), finished(plain), strict=True):
        assert found.losses == pytest.approx(expected.losses, rel=1e-5)


@sampled(
    "loss,shared", itertools.product(DRAWN, [True, False]), quick=[("gbce", False), ("top1_max", True), ("bce", True)]
)
def test_losses_over_drawn_negatives_ask_the_device_nothing_and_learn(loss, shared):
    options = {"ranking_loss": loss, "shared_negatives": shared, "negatives": 8, "negatives_power": 0.5}
    assert operators(queued("sasrec", "train", **options, logq_correction=True)).waits == []
    epochs = finished(queued("sasrec", "train", **options, epochs=8))
    assert epochs[-1].losses[loss] < epochs[0].losses[loss]


def test_an_interruption_between_events_leaves_no_thread():
    run = queued(epochs=1)
    with contextlib.closing(run.events()) as events:
        assert not isinstance(next(events), EpochDone)
    assert not [thread for thread in threading.enumerate() if thread.name == "made ahead"]
    assert dataclasses.asdict(run.position)["step"] in (0, 1)


@pytest.mark.parametrize("most", [0, 1, 2, 9])
def test_so_many_shapes_are_recorded_and_no_more(most, monkeypatch):
    """Every recording keeps memory of the card for itself; batches of further shapes are launched one by one."""

    class Graph:
        def __init__(self, batch: PaddedBatch) -> None:
            self.batch = batch

        def replay(self) -> None:
            replayed.append(self.batch.inputs_RL.shape[1])

    monkeypatch.setattr("adrec_cli.training.queued_steps._MOST_GRAPHS", most)
    replayed: list[int] = []
    launched: list[int] = []
    run = queued()
    batch, steps = next(run._begin_epoch())[0], run.queued
    monkeypatch.setattr(steps, "record", True)
    monkeypatch.setattr(steps, "_record", Graph)
    monkeypatch.setattr(steps, "_step", lambda batch: launched.append(batch.inputs_RL.shape[1]))
    lengths = [20, 21, 22, 23, 20, 23]
    for length in lengths:
        steps.queue(batch, planes_of(batch, length), seed=0, kept=0.0)
        steps.drop()
    recorded = (20, 21, 22, 23)[:most]
    assert replayed == [length for length in lengths if length in recorded]
    assert launched == [length for length in lengths if length not in recorded]
