"""What the saved state of a stage must be like before a training goes on from it."""

from __future__ import annotations

from collections.abc import Mapping

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


def take_under(tensors: Mapping[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    """Return the tensors whose names begin with a prefix, by what follows it."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
