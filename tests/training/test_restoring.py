"""Which saved tensors may take the place of those of a training."""

from __future__ import annotations

import pytest
import torch

from adrec_cli.training.restoring import require_like

EXPECTED = {"a": torch.zeros(3, 4), "b": torch.zeros(5)}


def test_others_of_the_same_names_and_shapes_may():
    require_like({"b": torch.ones(5), "a": torch.ones(3, 4)}, EXPECTED, what="weight")


@pytest.mark.parametrize("shape", [(2, 4), (4, 4), (3, 3), (3, 5), (4, 3), (12,), (3, 4, 1), (), (0, 4)])
def test_those_of_any_other_shape_may_not(shape):
    with pytest.raises(ValueError, match="best weight 'a' is missing, unknown or of another shape"):
        require_like({**EXPECTED, "a": torch.zeros(shape)}, EXPECTED, what="best weight")


def test_none_may_be_missing_or_unknown():
    with pytest.raises(ValueError, match="weight 'a' is missing"):
        require_like({"b": torch.zeros(5)}, EXPECTED, what="weight")
    with pytest.raises(ValueError, match="weight 'c' is missing, unknown"):
        require_like({**EXPECTED, "c": torch.zeros(1)}, EXPECTED, what="weight")
