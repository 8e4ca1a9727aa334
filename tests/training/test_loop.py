"""What the loop trains, freezes, keeps and refuses."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from adrec_cli.data.batches import prefix_windows, training_windows
from adrec_cli.data.sequences import Sequences
from adrec_cli.errors import DivergedError, UsageError
from adrec_cli.models.adrec import ADRec, ADRecConfig
from adrec_cli.models.registry import find_stages
from adrec_cli.models.stages import TrainingConfig
from adrec_cli.runtime import make_generator
from adrec_cli.training.events import EpochDone, StepDone
from adrec_cli.training.loop import StageTraining
from tests.examples import tries
from tests.tiers import sampled
from tests.variants import VARIANTS

CPU = torch.device("cpu")


def sequences(users: int = 60, items: int = 20, seed: int = 0) -> Sequences:
    """Each item is followed by the next one of a fixed permutation."""
    rng = np.random.default_rng(seed)
    follows = rng.permutation(items)
    histories = []
    for _ in range(users):
        item = int(rng.integers(items))
        history = []
        for _ in range(int(rng.integers(3, 12))):
            history.append(item + 1)
            item = int(follows[item])
        histories.append(history)
    lengths = np.array([len(history) for history in histories])
    return Sequences(
        user_ids=pl.Series([str(u) for u in range(users)]),
        items=np.concatenate(histories).astype(np.int32),
        offsets=np.concatenate([[0], np.cumsum(lengths)]),
        train_end=lengths,
        valid_end=lengths,
        item_count=items,
        read_seconds=lambda: np.random.default_rng(seed).integers(0, 5, lengths.sum()).cumsum() ** 3,
    )


def training(
    stage_name: str, *, validate=dict, model: ADRec | None = None, windows=None, weight_decay=1e-5, **changes
) -> StageTraining:
    """A stage over small data; without validation all epochs run."""
    data = sequences()
    if model is None:
        model = ADRec(ADRecConfig(hidden_size=16, max_length=10, diffusion_steps=4), data.item_count)
        for component in model.components():
            model.initialize(component, make_generator(0, component))
    return StageTraining(
        name=stage_name,
        stage=dataclasses.replace(find_stages("adrec")[stage_name], **{"epochs": 3, **changes}),
        config=TrainingConfig(batch_size=16, seed=3, weight_decay=weight_decay),
        model=model,
        windows=windows or training_windows(data, 10),
        validate=validate,
        device=CPU,
    )


def finished(run: StageTraining) -> list[EpochDone]:
    return [event for event in run.events() if isinstance(event, EpochDone)]


def state_after(run: StageTraining, steps: int) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """A copy of the state of a training that is stopped after some steps."""
    for event in run.events():
        steps -= isinstance(event, StepDone)
        if not steps:
            break
    tensors, text = run.state()
    return {name: tensor.clone() for name, tensor in tensors.items()}, text


def weights(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: weight.clone() for name, weight in model.state_dict().items()}


@pytest.mark.parametrize("stage", ["pretrain", "align", "finetune"])
def test_each_stage_lowers_every_loss_it_optimises(stage):
    epochs = finished(training(stage, epochs=6))
    for name, first in epochs[0].losses.items():
        assert epochs[-1].losses[name] < first


def test_a_frozen_embedding_keeps_every_byte():
    run = training("align")
    before = weights(run.model)
    finished(run)
    after = weights(run.model)
    assert torch.equal(before["item_embedding.weight"], after["item_embedding.weight"])
    assert not torch.equal(before["cam.blocks.0.expand.weight"], after["cam.blocks.0.expand.weight"])
    assert not torch.equal(before["adm.blocks.0.expand.weight"], after["adm.blocks.0.expand.weight"])


def test_a_frozen_embedding_is_not_in_the_optimizer():
    run = training("align")
    held = {id(weight) for group in run.optimizer.param_groups for weight in group["params"]}
    assert id(run.model.item_embedding.weight) not in held
    assert not run.model.item_embedding.weight.requires_grad


@sampled("stage", ["pretrain", "align"], quick=["pretrain"])
def test_a_training_on_prefixes_goes_on_as_if_never_stopped(stage):
    """A batch is counted in samples, each of one target; the same ones come in the same order."""
    windows = prefix_windows(sequences(), 10)
    whole, stopped, resumed = (training(stage, windows=windows, epochs=2) for _ in range(3))
    assert whole.steps == -(-len(windows) // 16)
    finished(whole)
    resumed.restore(*state_after(stopped, whole.steps + 3))
    finished(resumed)
    assert all(torch.equal(weight, whole.model.state_dict()[name]) for name, weight in weights(resumed.model).items())
    steps = list(training(stage, windows=windows, epochs=1).events())
    assert sum(isinstance(event, StepDone) for event in steps) == whole.steps


def test_pretraining_leaves_the_adm_alone():
    run = training("pretrain")
    before = weights(run.model)
    finished(run)
    assert all(
        torch.equal(value, before[name])
        for name, value in run.model.state_dict().items()
        if name.startswith(("adm", "timestep"))
    )


def test_embedding_decay_removes_the_share_it_says():
    run = training("align", embedding_decay=0.5)
    before = run.model.item_embedding.weight.detach().clone()
    finished(run)
    torch.testing.assert_close(run.model.item_embedding.weight.detach(), before * 0.5, rtol=1e-4, atol=1e-7)


def test_padding_stays_zero():
    run = training("finetune")
    finished(run)
    assert not run.model.item_embedding.weight[0].any()


@sampled(
    "stage,stop_after",
    itertools.product(["pretrain", "align", "finetune"], [1, 5, 8, 9]),
    quick=[("pretrain", 9), ("align", 1), ("finetune", 5)],
)
def test_an_interrupted_stage_resumes_to_the_same_bytes(stage, stop_after):
    validations = iter(range(100))

    def validate():
        return {"ndcg@10": float(next(validations) % 3)}

    whole = training(stage, validate=validate)
    finished(whole)
    validations = iter(range(100))
    first = training(stage, validate=validate)
    steps = 0
    for event in first.events():
        steps += isinstance(event, StepDone)
        if steps >= stop_after:
            break
    assert not first.finished
    tensors, text = first.state()
    tensors = {name: tensor.clone() for name, tensor in tensors.items()}
    second = training(stage, validate=validate)
    second.restore(tensors, text)
    finished(second)
    expected = whole.model.state_dict()
    for name, weight in second.model.state_dict().items():
        assert torch.equal(weight, expected[name]), name
    assert second.position == whole.position


def small(**options) -> ADRec:
    model = ADRec(ADRecConfig(hidden_size=16, max_length=10, diffusion_steps=4, **options), sequences().item_count)
    for component in model.components():
        model.initialize(component, make_generator(0, component))
    return model


SURGERY = {"pcgrad": True, "mse_target_gradient": False}


@sampled("options", VARIANTS, quick=["all at once"])
def test_a_variant_lowers_both_losses(options):
    epochs = finished(training("finetune", model=small(**options), epochs=8, pcgrad=True))
    for name, first in epochs[0].losses.items():
        assert epochs[-1].losses[name] < first


@sampled("options", VARIANTS, quick=["all at once"])
def test_an_interrupted_variant_resumes_to_the_same_bytes(options):
    whole = training("finetune", model=small(**options), epochs=2, **SURGERY)
    finished(whole)
    for stop_after in (1, 3):
        first = training("finetune", model=small(**options), epochs=2, **SURGERY)
        assert not any(isinstance(event, EpochDone) for event in itertools.islice(first.events(), stop_after))
        tensors, text = first.state()
        second = training("finetune", model=small(**options), epochs=2, **SURGERY)
        second.restore({name: tensor.clone() for name, tensor in tensors.items()}, text)
        finished(second)
        for name, weight in whole.model.state_dict().items():
            assert torch.equal(weight, second.model.state_dict()[name]), (stop_after, name)


def test_a_resumed_training_remembers_the_losses_it_draws_timesteps_by():
    """Forgetting them would be seen: this is what the test above relies on."""
    run = training("finetune", model=small(timestep_sampling="loss_aware"), epochs=2)
    next(run.events())
    assert run.model.noising.loss_aware.history_TH.any()
    tensors, _ = run.state()
    assert torch.equal(tensors["buffer/noising.loss_aware.history_TH"], run.model.noising.loss_aware.history_TH)
    shares_T = run.model.noising.loss_aware.shares_T()
    assert shares_T.std() > 0


@pytest.mark.parametrize("moved", [True, False])
def test_a_target_is_moved_by_the_denoising_loss_unless_its_gradient_stops(moved):
    """An item that is a target only, never an input, and without noise in the input or cross-entropy."""
    data = sequences()
    items = data.items.copy()
    items[data.offsets[1:] - 1] = data.item_count
    items[np.setdiff1d(np.arange(len(items)), data.offsets[1:] - 1)] %= data.item_count
    items[items == 0] = 1
    run = training(
        "finetune", model=small(lambda_=0.0), ce_weight=0.0, epochs=1, mse_target_gradient=moved,
        windows=training_windows(dataclasses.replace(data, items=items), 10), weight_decay=0.0,
    )  # fmt: skip
    before = run.model.item_vectors_VD().detach().clone()
    finished(run)
    change = (run.model.item_vectors_VD().detach() - before).abs().amax(dim=1)
    assert bool(change[data.item_count] > 0) is moved
    assert change[1:-1].max() > 0


def test_the_best_weights_are_handed_over_and_patience_ends_the_stage():
    values = iter([0.1, 0.5, 0.3, 0.2, 0.1, 0.0])
    kept = {}
    run = training("pretrain", validate=lambda: {"ndcg@10": next(values)}, epochs=6, patience=3)
    for event in run.events():
        if isinstance(event, EpochDone) and event.improved:
            kept = weights(run.model)
    assert run.position.epoch == 5
    assert run.position.best_epoch == 2
    assert run.position.best_metrics == {"ndcg@10": 0.5}
    assert all(torch.equal(weight, kept[name]) for name, weight in run.model.state_dict().items())


@settings(max_examples=tries(15), deadline=None)
@given(
    st.lists(st.sampled_from([0.1, 0.2, 0.3]), min_size=6, max_size=6), st.integers(0, 3), st.sampled_from([1, 2]),
    st.sampled_from(["best", "last"]),
)  # fmt: skip
def test_patience_counts_validations_that_are_no_better(values, patience, every, keep):
    """A plateau is no improvement: the first of equal values is the best, and waiting ends."""
    expected, best, stale = [], 0, 0
    due = [epoch for epoch in range(1, 7) if epoch % every == 0 or epoch == 6]
    for number, epoch in enumerate(due):
        expected.append(epoch)
        better = number == 0 or values[number] > max(values[:number])
        best, stale = (epoch, 0) if better else (best, stale + 1)
        if patience and stale == patience:
            break
    asked = iter(values)
    run = training(
        "pretrain", validate=lambda: {"ndcg@10": next(asked)}, epochs=6, patience=patience, validate_every=every,
        keep=keep, windows=training_windows(sequences(users=6), 10),
    )  # fmt: skip
    epochs = finished(run)
    assert [event.epoch for event in epochs if event.valid] == expected
    assert run.finished
    assert run.position.epoch == expected[-1]
    assert run.position.stale_validations == stale
    assert run.position.best_epoch == (best if keep == "best" else expected[-1])
    assert [event.epoch for event in epochs if event.improved][-1] == best


def test_epochs_between_validations_do_not_count_as_the_best():
    values = iter([0.5, 0.3, 0.2])
    run = training("pretrain", validate=lambda: {"ndcg@10": next(values)}, epochs=5, validate_every=2)
    finished(run)
    assert run.position.best_epoch == 2
    assert run.position.best_metrics == {"ndcg@10": 0.5}


def test_a_stage_that_keeps_the_last_weights_does():
    values = iter([0.9, 0.1])
    run = training("align", validate=lambda: {"ndcg@10": next(values)}, epochs=2)
    last = {}
    for event in run.events():
        if isinstance(event, EpochDone):
            last = weights(run.model)
    assert all(torch.equal(weight, last[name]) for name, weight in run.model.state_dict().items())
    assert run.position.best_metrics == {"ndcg@10": 0.1}


def test_an_unknown_metric_to_monitor_is_refused():
    run = training("pretrain", validate=lambda: {"hr@5": 0.1})
    with pytest.raises(UsageError, match="unknown metric"):
        finished(run)


def test_a_loss_that_is_not_finite_stops_before_the_step():
    run = training("pretrain")
    events = run.events()
    next(events)
    with torch.no_grad():
        run.model.cam.blocks[0].expand.weight[0, 0] = float("nan")
    before = weights(run.model)
    with pytest.raises(DivergedError, match=r"pretrain epoch 1 step 2: loss ce is nan; largest inputs: \|predicted\|"):
        next(events)
    assert all(
        torch.equal(w, before[n]) or n == "cam.blocks.0.expand.weight" for n, w in run.model.state_dict().items()
    )


def test_a_gradient_that_is_not_finite_stops_before_the_step():
    run = training("pretrain")
    weight = run.model.cam.blocks[0].expand.weight
    weight.register_hook(lambda gradient: gradient.index_fill(0, torch.tensor([0]), float("inf")))
    before = weights(run.model)
    with pytest.raises(DivergedError, match=r"the gradient of cam\.blocks\.0\.expand\.weight is not finite"):
        next(run.events())
    assert all(torch.equal(w, before[n]) for n, w in run.model.state_dict().items())


def test_equal_seeds_give_equal_bytes_and_the_global_generator_has_no_say():
    first = training("finetune", epochs=1)
    finished(first)
    torch.manual_seed(1234)
    second = training("finetune", epochs=1)
    finished(second)
    assert all(torch.equal(w, second.model.state_dict()[n]) for n, w in first.model.state_dict().items())


def test_a_component_the_model_lacks_is_refused():
    with pytest.raises(UsageError, match="does not have"):
        training("pretrain", trains=("encoder",))
