"""The running average of the weights: by hand, in its place, kept through a stop, and handed over."""

from __future__ import annotations

import pytest
import torch

from adrec_cli.training.averaging import WeightAverage
from adrec_cli.training.events import StepDone
from adrec_cli.training.loop import StageTraining
from tests.training.test_loop import finished, training, weights


def test_the_average_by_hand():
    weight = torch.nn.Parameter(torch.tensor([1.0]))
    average = WeightAverage(0.5, {"w": weight})
    for step, value in enumerate([2.0, 4.0], start=1):
        weight.data.fill_(value)
        average.update(step)
    # Kept are 2/11, then 3/12: the warm-up is below one half at both steps.
    first = 1 * 2 / 11 + 2 * 9 / 11
    assert average.averages["w"].item() == pytest.approx(first * 3 / 12 + 4 * 9 / 12)


def test_the_decay_bounds_what_a_step_keeps():
    weight = torch.nn.Parameter(torch.tensor([1.0]))
    average = WeightAverage(0.5, {"w": weight})
    weight.data.fill_(3.0)
    average.update(1000)
    assert average.averages["w"].item() == pytest.approx(2.0)


def test_the_average_is_in_place_only_for_a_while():
    weight = torch.nn.Parameter(torch.tensor([1.0]))
    average = WeightAverage(0.9, {"w": weight})
    weight.data.fill_(5.0)
    with average.in_place():
        assert weight.item() == 1.0
    assert weight.item() == 5.0
    assert average.averages["w"].item() == 1.0


def test_the_weights_come_back_when_what_is_done_with_the_average_fails():
    weight = torch.nn.Parameter(torch.tensor([1.0]))
    average = WeightAverage(0.9, {"w": weight})
    weight.data.fill_(5.0)
    with pytest.raises(KeyError), average.in_place():
        raise KeyError
    assert weight.item() == 5.0
    assert average.averages["w"].item() == 1.0


@pytest.mark.parametrize("keep", ["best", "last"])
def test_what_is_validated_is_what_is_handed_over(keep):
    seen: list[dict[str, torch.Tensor]] = []

    def validate() -> dict[str, float]:
        seen.append(weights(run.model))
        return {"ndcg@10": float(len(seen))}

    run = training("finetune", validate=validate, keep=keep, average_decay=0.9)
    finished(run)
    newest = {name: weight.detach() for name, weight in run.average.trained.items()}
    for name, weight in weights(run.model).items():
        torch.testing.assert_close(weight, seen[-1][name], rtol=0, atol=0)
    assert set(newest) == set(run.average.averages)


def test_training_itself_is_not_changed_by_the_average():
    with_average, without = training("finetune", average_decay=0.9), training("finetune")
    losses = [[event.losses for event in finished(run)] for run in (with_average, without)]
    assert losses[0] == losses[1]
    assert not torch.equal(with_average.model.item_vectors_VD(), without.model.item_vectors_VD())


def test_a_stopped_average_goes_on_where_it_was():
    whole = training("finetune", average_decay=0.9)
    finished(whole)
    stopped = training("finetune", average_decay=0.9)
    steps: list[StepDone] = []
    for event in stopped.events():
        if isinstance(event, StepDone):
            steps.append(event)
        if len(steps) >= 6:
            break
    resumed: StageTraining = training("finetune", average_decay=0.9)
    resumed.restore(*stopped.state())
    finished(resumed)
    for name, weight in weights(whole.model).items():
        assert torch.equal(weight, resumed.model.state_dict()[name]), name
