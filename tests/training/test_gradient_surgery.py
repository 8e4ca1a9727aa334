"""PCGrad against gradients by hand and a plain version."""

from __future__ import annotations

import pytest
import torch

from adrec_cli.errors import UsageError
from adrec_cli.models.stages import Stage
from adrec_cli.training.gradient_surgery import pcgrad_backward


def parameter(*values: float) -> torch.nn.Parameter:
    return torch.nn.Parameter(torch.tensor(values))


def test_conflicting_gradients_lose_what_conflicts():
    """Gradients (1, 0) and (-1, 1): the first becomes (1/2, 1/2), the second (0, 1)."""
    x = parameter(0.0, 0.0)
    pcgrad_backward([x[0], x[1] - x[0]], [x])
    torch.testing.assert_close(x.grad, torch.tensor([0.5, 1.5]))


def test_gradients_that_agree_are_added():
    x = parameter(0.0, 0.0)
    pcgrad_backward([x[0], x[1] + 2 * x[0]], [x])
    torch.testing.assert_close(x.grad, torch.tensor([3.0, 1.0]))


def test_opposite_gradients_leave_nothing_and_a_loss_without_gradient_changes_nothing():
    x = parameter(0.0, 0.0)
    pcgrad_backward([x[0], -x[0]], [x])
    assert not x.grad.any()
    y = parameter(1.0, 2.0)
    pcgrad_backward([y.sum(), 0 * y.sum()], [y])
    torch.testing.assert_close(y.grad, torch.ones(2))


def test_the_conflict_is_between_whole_gradients_not_between_those_of_each_parameter():
    """(1, 3) against (-1, 1): they agree as a whole, although their first parts conflict."""
    one, other = parameter(0.0), parameter(0.0)
    pcgrad_backward([one[0] + 3 * other[0], other[0] - one[0]], [one, other])
    assert one.grad.item() == pytest.approx(0.0)
    assert other.grad.item() == pytest.approx(4.0)


def test_a_parameter_of_one_loss_only_and_gradients_that_are_there_already():
    shared, own = parameter(0.0), parameter(0.0)
    shared.grad = torch.tensor([10.0])
    pcgrad_backward([shared[0] + own[0], -shared[0]], [shared, own])
    # (1, 1) against (-1, 0): the first becomes (0, 1), the second (-1/2, 1/2).
    assert shared.grad.item() == pytest.approx(10 + 0 - 0.5)
    assert own.grad.item() == pytest.approx(1 + 0.5)


def test_a_random_case_against_the_algorithm_written_down():
    generator = torch.Generator().manual_seed(3)
    x = torch.nn.Parameter(torch.randn(7, generator=generator))
    directions = torch.randn(2, 7, generator=generator)
    if directions[0] @ directions[1] > 0:
        directions[1] *= -1
    pcgrad_backward([directions[0] @ x, directions[1] @ x], [x])
    first, second = directions
    expected = (
        first - (first @ second) / (second @ second) * second + second - (first @ second) / (first @ first) * first
    )
    torch.testing.assert_close(x.grad, expected)


def test_surgery_on_one_loss_is_refused():
    with pytest.raises(UsageError, match="between two losses"):
        Stage(output="x_start", trains=("adm",), pcgrad=True)
