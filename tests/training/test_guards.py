"""Whatever is not a number anywhere is found before it is learned from, and named."""

from __future__ import annotations

import math
import re

import pytest
import torch

from adrec_cli.errors import DivergedError
from adrec_cli.training.guards import require_finite_gradients, require_finite_losses, require_finite_weights
from tests.training.small import small_training

NO_NUMBERS = [math.nan, math.inf, -math.inf]
NAMES = ["ce", "mse", "contrast"]


def inputs() -> dict[str, torch.Tensor]:
    return {"predicted": torch.tensor([1.0, -7.5]), "item vectors": torch.tensor([[0.25]])}


@pytest.mark.parametrize("bad", NO_NUMBERS)
@pytest.mark.parametrize("name", NAMES)
def test_every_loss_is_looked_at_whether_nan_or_infinite(name, bad):
    losses = {**dict.fromkeys(NAMES, 0.5), name: bad}
    with pytest.raises(DivergedError) as told:
        require_finite_losses(losses, where="align epoch 2 step 9", inputs=inputs())
    assert told.value.message == (
        f"align epoch 2 step 9: loss {name} is {bad}; largest inputs: |predicted| 7.5, |item vectors| 0.25"
    )
    assert told.value.hint


def test_large_losses_and_none_are_no_fault():
    require_finite_losses({"ce": 1e300, "mse": -0.0}, where="", inputs={})
    require_finite_losses({}, where="", inputs={})


def parameters(sparse: str = "") -> dict[str, torch.nn.Parameter]:
    """Three weights with gradients, one of them sparse, and a fourth without."""
    made = {name: torch.nn.Parameter(torch.ones(3, 2)) for name in "abcd"}
    for name in "abc":
        made[name].grad = torch.full((3, 2), 2.0)
    if sparse:
        made[sparse].grad = made[sparse].grad.to_sparse(1).coalesce()
    return made


@pytest.mark.parametrize("bad", NO_NUMBERS)
@pytest.mark.parametrize("name", "abc")
@pytest.mark.parametrize("sparse", ["", "a", "c"])
def test_every_gradient_is_looked_at_sparse_or_not(name, bad, sparse):
    weights = parameters(sparse)
    require_finite_gradients(weights.items(), where="")
    gradient = weights[name].grad
    (gradient.values() if gradient.is_sparse else gradient)[1, 0] = bad
    with pytest.raises(
        DivergedError, match=rf"^here: the gradient of {name} is not finite \(1 of 6 entries, norm (nan|inf)\)"
    ):
        require_finite_gradients(weights.items(), where="here")


@pytest.mark.parametrize("bad", NO_NUMBERS)
@pytest.mark.parametrize("name", "abcd")
def test_every_weight_is_looked_at(name, bad):
    weights = {key: torch.ones(3, 2) for key in "abcd"}
    require_finite_weights(weights.items(), where="")
    weights[name][2] = bad
    with pytest.raises(DivergedError, match=rf"^here: weight {name} is not finite \(2 of 6 entries\)"):
        require_finite_weights(weights.items(), where="here")


@pytest.mark.parametrize("what", ["gradient", "loss"])
@pytest.mark.parametrize(("stepping", "parts"), [("immediate", 1), ("immediate", 2), ("queued", 1)])
def test_however_steps_are_made_what_is_not_finite_stops_before_the_weights_change(what, stepping, parts):
    run = small_training("sasrec", stepping=stepping, config={"accumulate": parts})
    events = run.events()
    next(events)
    matrices = {name: one for name, one in run.model.named_parameters() if one.ndim == 2 and "item" not in name}
    name, weight = next(iter(matrices.items()))
    if what == "loss":
        with torch.no_grad():
            weight[0, 0] = math.nan
    else:
        weight.register_hook(lambda gradient: gradient.index_fill(0, torch.tensor([0]), math.inf))
    said = rf"the gradient of {re.escape(name)} is not finite" if what == "gradient" else "loss ce is nan"
    before: dict[str, torch.Tensor] = {}

    def step_on() -> None:
        # A step that was queued before is still whole.
        for _ in range(3):
            before.update({name: one.clone() for name, one in run.model.state_dict().items()})
            next(events)

    with pytest.raises(DivergedError, match=said):
        step_on()
    for name, one in run.model.state_dict().items():
        assert torch.equal(one.nan_to_num(), before[name].nan_to_num()), name
