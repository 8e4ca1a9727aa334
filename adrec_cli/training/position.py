"""Where a training stands, as it is saved."""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Position:
    """Where a training stands; all of it is saved, so that a resumed run goes on as if never stopped.

    Attributes:
        epoch: epochs finished; step: steps done in the next one.
        total_steps: optimizer steps since the stage's start.
        sums, tokens: of the losses of the epoch under way.
        best_value, best_epoch, best_step, best_metrics: of the weights kept.
        stale_validations: since the last improvement.
    """

    epoch: int = 0
    step: int = 0
    total_steps: int = 0
    sums: dict[str, float] = field(default_factory=dict)
    tokens: int = 0
    best_value: float = -math.inf
    best_epoch: int = 0
    best_step: int = 0
    best_metrics: dict[str, float] = field(default_factory=dict)
    stale_validations: int = 0

    def to_json(self) -> str:
        """Return it as text."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Position:
        """Return what `to_json` wrote.

        Raises:
            ValueError: no JSON, or a field is not of the type of its default, or a count is negative.
            TypeError: fields are missing or unknown.
        """
        position, fresh = cls(**json.loads(text)), cls()
        for one in dataclasses.fields(cls):
            _require_like_default(one.name, getattr(position, one.name), getattr(fresh, one.name))
        return position


def _require_like_default(name: str, value: Any, default: Any) -> None:
    right = type(value) is type(default) and (type(value) is not int or 0 <= value < 2**63)
    if isinstance(value, dict):
        right = right and all(type(one) in (int, float) for one in value.values())
    if not right:
        raise ValueError(f"its position has {name} {str(value)[:40]!r}")
