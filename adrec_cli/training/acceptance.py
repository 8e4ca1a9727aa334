"""What a loss from outside must do, tried on a few numbers when it is added."""

from __future__ import annotations

import torch

from adrec_cli.errors import UsageError
from adrec_cli.models.stages import ALL_AT_ONCE

_ITEMS = 9


def require_loss(name: str, thing: object) -> None:
    """Raise unless something is a loss over drawn negatives, as `SampledLoss` has it.

    Raises:
        UsageError: it is not a function of this kind, it gives no finite number, or padding counts in it.
    """
    if not callable(thing):
        raise UsageError(f"loss {name!r} is not a function", hint="give the function itself")
    generator = torch.Generator().manual_seed(1)
    positive_N = torch.randn(6, generator=generator, requires_grad=True)
    negative_NK = torch.randn(6, 4, generator=generator, requires_grad=True)
    real = slice(0, 4)
    try:
        alone = thing(positive_N[real], negative_NK[real], None, ALL_AT_ONCE, _ITEMS)
        counted = thing(positive_N, negative_NK, torch.tensor([1.0] * 4 + [0.0] * 2), ALL_AT_ONCE, _ITEMS)
        right = alone.shape == () and bool(torch.isfinite(alone)) and alone.requires_grad
    except Exception as error:
        raise UsageError(
            f"loss {name!r} fails on six tokens of four negatives: {type(error).__name__}: {error}",
            hint="it takes (positive_N, negative_NK, counted_N, options, items)",
        ) from error
    if not right:
        raise UsageError(
            f"loss {name!r} gives no finite number that has a gradient", hint="return the mean over tokens"
        )
    if not torch.allclose(alone, counted):
        raise UsageError(
            f"loss {name!r} counts tokens that counted_N leaves out",
            hint="the mean is (per_token_N * counted_N).sum() / counted_N.sum() where counted_N is not None",
        )
