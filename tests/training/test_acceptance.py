"""A loss from outside is taken if it is one, and refused with the reason if it is not."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch

from adrec_cli.errors import UsageError
from adrec_cli.models.stages import SAMPLED_LOSSES
from adrec_cli.training.acceptance import require_loss


def squares(positive_N: torch.Tensor, negative_NK: torch.Tensor, counted_N: Any, options: Any, items: int) -> Any:
    """A loss as it should be, over few of the scores."""
    assert positive_N.shape == negative_NK.shape[:1]
    assert negative_NK.shape[1] < items, "as many negatives as there are other items, at most"
    per_token_N = (negative_NK[:, 0] - positive_N).square()
    return per_token_N.mean() if counted_N is None else (per_token_N * counted_N).sum() / counted_N.sum()


def of_result(change: Callable[[torch.Tensor], object]) -> Callable[..., object]:
    return lambda *given: change(squares(*given))


WRONG: dict[str, tuple[object, str]] = {
    "no function": (3, "is not a function"),
    "other parameters": (lambda positive_N, negative_NK: positive_N.mean(), "fails on six tokens of four negatives"),
    "no tensor": (of_result(float), "fails on six tokens of four negatives"),
    "one per token": (of_result(lambda loss: loss.expand(4)), "no finite number that has a gradient"),
    "not finite": (of_result(lambda loss: loss * math.inf), "no finite number that has a gradient"),
    "not a number": (of_result(lambda loss: loss * math.nan), "no finite number that has a gradient"),
    "no gradient": (of_result(torch.Tensor.detach), "no finite number that has a gradient"),
    "padding counts": (lambda p, n, c, options, items: squares(p, n, None, options, items), "counts tokens that"),
    "a sum": (lambda p, n, c, options, items: squares(p, n, c, options, items) * len(p), "counts tokens that"),
}


@pytest.mark.parametrize("name", SAMPLED_LOSSES)
def test_every_loss_of_adrec_would_be_taken_from_outside(name):
    require_loss(name, SAMPLED_LOSSES[name])


@pytest.mark.parametrize("kind", WRONG)
def test_what_is_no_loss_is_refused_with_the_reason(kind):
    thing, why = WRONG[kind]
    require_loss("mine", squares)
    with pytest.raises(UsageError, match=f"loss 'mine' .*{why}") as refused:
        require_loss("mine", thing)
    assert refused.value.hint
