"""bf16 and torch.compile against float32 as it is."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from adrec_cli.errors import DivergedError, UsageError
from adrec_cli.models.registry import find_model
from adrec_cli.training.events import StepDone
from adrec_cli.training.loop import StageTraining
from adrec_cli.training.objective import _products_of
from tests.training.test_loop import finished, small, state_after, training
from tests.training.test_optimizers import training as baseline


def made(stage: str = "finetune", model=None, epochs: int = 3, **config) -> StageTraining:
    run = training(stage, model=model or small(), epochs=epochs)
    return StageTraining(
        name=stage, stage=run.stage, config=dataclasses.replace(run.config, **config), model=run.model,
        windows=run.windows, validate=dict, device=run.device,
    )  # fmt: skip


def test_bf16_learns_nearly_what_float32_does_and_keeps_weights_and_moments_in_float32():
    plain, half = made(), made(precision="bf16")
    expected, found = finished(plain), finished(half)
    for one, other in zip(expected, found, strict=True):
        assert one.losses != other.losses
        assert other.losses == pytest.approx(one.losses, rel=0.02)
    tensors, _ = half.state()
    assert {tensor.dtype for tensor in tensors.values()} == {torch.float32}


def test_medium_rounds_products_in_training_alone():
    seen = set()

    def validate():
        seen.add(torch.get_float32_matmul_precision())
        return {}

    plain, medium = made(), made(precision="medium")
    medium.validate = validate
    hook = medium.model.cam.blocks[0].expand.weight.register_hook(
        lambda gradient: seen.add("in training: " + torch.get_float32_matmul_precision())
    )
    for one, other in zip(finished(plain), finished(medium), strict=True):
        assert other.losses == pytest.approx(one.losses, rel=0.02)
    hook.remove()
    assert seen == {"highest", "in training: medium"}
    assert {tensor.dtype for tensor in medium.state()[0].values()} == {torch.float32}


def test_an_error_leaves_products_as_they_were():
    run = made(precision="medium")
    run.model.cam.blocks[0].expand.weight.register_hook(lambda gradient: gradient * float("nan"))
    with pytest.raises(DivergedError):
        finished(run)
    with pytest.raises(ValueError, match="no step"), _products_of("medium"):
        raise ValueError("no step")
    assert torch.get_float32_matmul_precision() == "highest"


@pytest.mark.parametrize("model_name", ["sasrec", "esasrec", "bsarec", "hstu", "gru4rec", "dreamrec", "diffurec"])
def test_every_baseline_learns_in_bf16(model_name):
    run = baseline("adam", model_name)
    run.objective = type(run.objective)(run.stage, run.model, run.objective.ranking_loss, "bf16")
    step = next(event for event in run.events() if isinstance(event, StepDone))
    plain = next(event for event in baseline("adam", model_name).events() if isinstance(event, StepDone))
    assert step.losses == pytest.approx(plain.losses, rel=0.02)


@pytest.mark.parametrize("precision", ["bf16", "medium"])
def test_what_is_rounded_resumes_to_the_same_bytes(precision):
    whole, first, second = (made(precision=precision, epochs=1) for _ in range(3))
    finished(whole)
    second.restore(*state_after(first, 1))
    finished(second)
    for name, weight in whole.model.state_dict().items():
        assert torch.equal(weight, second.model.state_dict()[name]), name


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_compiled_blocks_give_the_same_gradients_and_checkpoint_names():
    plain, compiled = made(), made(compile=True)
    assert plain.model.state_dict().keys() == compiled.model.state_dict().keys()
    for run in (plain, compiled):
        next(run.events())
    for name, weight in plain.trained.items():
        torch.testing.assert_close(compiled.trained[name].grad, weight.grad, rtol=1e-3, atol=1e-6)


def test_compiling_where_nothing_can_be_is_refused(monkeypatch):
    def broken(_function):
        raise RuntimeError("\nInvalidCxxCompiler: No working C++ compiler found\nand more")

    monkeypatch.setattr(torch, "compile", broken)
    with pytest.raises(UsageError, match=r"torch\.compile does not work here: InvalidCxxCompiler: No working"):
        made(compile=True)
    gru = find_model("gru4rec")
    with pytest.raises(UsageError, match="gru4rec has no Transformer block to compile"):
        gru(gru.config_type(), 5).compile_blocks()
