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
