"""Where a training is, read back as it was written; what nobody can have written is refused."""

from __future__ import annotations

import dataclasses
import json

import pytest

from adrec_cli.training.position import Position

COUNTS = [one.name for one in dataclasses.fields(Position) if type(getattr(Position(), one.name)) is int]


@pytest.mark.parametrize("name", COUNTS)
def test_counts_are_whole_and_fit_64_bits(name: str) -> None:
    for value in (0, 7, 2**63 - 1):
        position = dataclasses.replace(Position(), **{name: value})
        assert Position.from_json(position.to_json()) == position
    for wrong in (-1, 2**63, 2**64, 1.0, "1", None, True, []):
        told = {**json.loads(Position().to_json()), name: wrong}
        with pytest.raises(ValueError, match=f"its position has {name}"):
            Position.from_json(json.dumps(told))


def test_sums_are_numbers() -> None:
    position = dataclasses.replace(Position(), sums={"ce": 1.5, "mse": 2})
    assert Position.from_json(position.to_json()) == position
    for wrong in ("1", None, True, [1.0]):
        told = {**json.loads(Position().to_json()), "sums": {"ce": wrong}}
        with pytest.raises(ValueError, match="its position has sums"):
            Position.from_json(json.dumps(told))
