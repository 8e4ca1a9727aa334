"""What the saved state of a stage must be like before a training goes on from it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import torch


def require_like(found: Mapping[str, torch.Tensor], expected: Mapping[str, torch.Tensor], *, what: str) -> None:
    """Raise unless tensors have the names and shapes of others.

    Args:
        found: of a saved state.
        expected: of the model under training.
        what: they are, for the message.

    Raises:
        ValueError: naming the first that differs.
    """
    for name in (*expected, *found):
        if name not in found or name not in expected or found[name].shape != expected[name].shape:
            raise ValueError(f"{what} {name[:100]!r} is missing, unknown or of another shape")


def require_counts(position: Any) -> None:
    """Raise unless every field of a position has the type of its default, and no count is negative.

    Raises:
        ValueError: naming the field.
    """
    fresh = type(position)()
    for field in dataclasses.fields(position):
        value, like = getattr(position, field.name), getattr(fresh, field.name)
        right = type(value) is type(like) and (type(value) is not int or 0 <= value < 2**63)
        if isinstance(value, dict):
            right = right and all(type(one) in (int, float) for one in value.values())
        if not right:
            raise ValueError(f"its position has {field.name} {str(value)[:40]!r}")
