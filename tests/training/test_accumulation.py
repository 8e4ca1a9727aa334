"""A step in parts against the same step at once."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from adrec_cli.config import parse_settings
from adrec_cli.data.batches import epoch_steps
from adrec_cli.errors import UsageError
from adrec_cli.experiments.experiment import compose
from adrec_cli.models.stages import TrainingConfig
from adrec_cli.training.loop import StageTraining
from tests.tiers import sampled
from tests.training.test_loop import finished, small, state_after, training


def in_parts(stage: str, parts: int, **changes) -> StageTraining:
    """A stage without dropout, and where it denoises without noise in the input, so that nothing is drawn."""
    run = training(stage, model=small(dropout=0.0, embedding_dropout=0.0, lambda_=0.0), **changes)
    config = dataclasses.replace(run.config, accumulate=parts, batch_size=50)
    return StageTraining(
        name=stage, stage=run.stage, config=config, model=run.model, windows=run.windows, validate=dict,
        device=run.device,
    )  # fmt: skip


def gradients(stage: str, parts: int, **changes) -> tuple[dict[str, torch.Tensor], dict[str, float]]:
    run = in_parts(stage, parts, **changes)
    batches = next(
        epoch_steps(run.windows, batch_size=50, parts=parts, max_length=10, generator=torch.Generator().manual_seed(0))
    )
    assert len(batches) == parts
    assert sum(batch.sequences for batch in batches) == 50
    values, _ = run.objective.backward(batches, run._generators(parts), run.trained, where="")
    return {name: weight.grad for name, weight in run.trained.items() if weight.grad is not None}, values


@pytest.mark.parametrize("stage", ["pretrain", "align", "finetune"])
@sampled("parts", [2, 7, 50], quick=[7])
def test_the_gradient_of_the_parts_is_that_of_the_whole(stage, parts):
    """Parts have unequal tokens, so that a mean of the parts' means would be another gradient."""
    changes = {"mse_weight": 3.0} if stage != "pretrain" else {}
    whole, values = gradients(stage, 1, **changes)
    found, values_in_parts = gradients(stage, parts, **changes)
    assert values_in_parts == pytest.approx(values, rel=1e-5)
    assert found.keys() == whole.keys()
    for name, gradient in found.items():
        torch.testing.assert_close(gradient, whole[name], rtol=1e-4, atol=1e-6)


@sampled("stop_after", [1, 6], quick=[6])
def test_an_interrupted_training_in_parts_resumes_to_the_same_bytes(stop_after):
    whole, first, second = (in_parts("finetune", 3, epochs=2) for _ in range(3))
    finished(whole)
    second.restore(*state_after(first, stop_after))
    finished(second)
    for name, weight in whole.model.state_dict().items():
        assert torch.equal(weight, second.model.state_dict()[name]), name


def test_parts_are_counted_and_do_not_go_with_gradient_surgery():
    with pytest.raises(UsageError, match="a step has only 4 samples"):
        TrainingConfig(batch_size=4, accumulate=5)
    with pytest.raises(UsageError, match="stage finetune: pcgrad needs the gradients of a whole step"):
        compose("adrec", overrides=parse_settings(["training.accumulate=2", "stages.finetune.pcgrad=true"]))
