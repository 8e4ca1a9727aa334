"""Whether numbers are finite, without a mask as large as they are."""

from __future__ import annotations

import torch


def all_finite(values: torch.Tensor) -> bool:
    """Return whether no value is NaN or infinite; of a type that has neither, none is."""
    if not values.is_floating_point() or not values.numel():
        return True
    # Both carry a NaN through, and one of them is infinite if a value is.
    return bool(torch.isfinite(torch.stack(torch.aminmax(values.detach()))).all())
