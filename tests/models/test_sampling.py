"""Which numbers the options of sampling take: the bounds themselves, and nothing beyond them."""

from __future__ import annotations

import math

import pytest

from adrec_cli.errors import UsageError
from adrec_cli.models.sampling import Sampling

WEIGHTS = (-math.inf, -1.0, -0.001, 0.0, 0.5, 1.0, 1.001, 2.0, math.inf, math.nan)
BOUNDS: dict[str, tuple[tuple[float, ...], set[float]]] = {
    "steps": ((-1, 0, 1, 2), {1, 2}),
    "temperature": (WEIGHTS, {0.0, 0.5, 1.0, 1.001, 2.0}),
    "guidance": (WEIGHTS, {0.0, 0.5, 1.0, 1.001, 2.0}),
    "eta": (WEIGHTS, {0.0, 0.5, 1.0}),
}


@pytest.mark.parametrize("option", BOUNDS)
def test_every_number_has_its_bounds(option: str) -> None:
    tried, allowed = BOUNDS[option]
    taken = set()
    for value in tried:
        try:
            taken.add(getattr(Sampling(sampler="ddim", **{option: value}), option))
        except UsageError as refused:
            assert option in str(refused)
            assert str(value) in str(refused)
    assert taken == allowed


def test_noise_of_ddim_belongs_to_it() -> None:
    with pytest.raises(UsageError, match="eta belongs to the sampler ddim"):
        Sampling(eta=0.5)
