"""What an encoder has learned of a catalogue: arrays alone, so that a file of tensors holds it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

State = Mapping[str, npt.NDArray[Any]]
Matrix = npt.NDArray[np.floating[Any]]
_END = "\n"


def as_bytes(texts: Iterable[str]) -> npt.NDArray[np.uint8]:
    """Return texts without line breaks as one array."""
    return np.frombuffer("".join(text + _END for text in texts).encode(), dtype=np.uint8).copy()


def as_texts(array: npt.NDArray[np.uint8]) -> list[str]:
    """Return the texts that `as_bytes` wrote.

    Raises:
        ValueError: the array is of another kind.
    """
    if array.dtype != np.uint8 or array.ndim != 1:
        raise ValueError("texts are not bytes")
    return array.tobytes().decode().split(_END)[:-1]


def require_arrays(state: State, names: Sequence[str]) -> None:
    """Raise unless a state has just these arrays, and finite numbers in them.

    Raises:
        ValueError: naming what is wrong.
    """
    if set(state) != set(names):
        raise ValueError(f"it has {', '.join(sorted(state)) or 'nothing'}, expected {', '.join(sorted(names))}")
    for name, array in state.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ValueError(f"{name} has values that are not finite")


def require_shape(array: npt.NDArray[Any], shape: tuple[int | None, ...], what: str) -> None:
    """Raise unless an array has a shape; None stands for any length.

    Raises:
        ValueError: saying both shapes.
    """
    if array.ndim != len(shape) or any(n not in (None, m) for n, m in zip(shape, array.shape, strict=True)):
        raise ValueError(f"{what} has shape {array.shape}, expected {shape}")


def count_components(state: State, names: str, weights: str) -> int:
    """Return how many entries a vector has that components make of weighted names.

    Args:
        state: with ascending names, a weight each, and "components" (entries, names).
        names, weights: what they are called.

    Raises:
        ValueError: what was learned does not fit together.
    """
    known = as_texts(state[names])
    if known != sorted(set(known)):
        raise ValueError(f"{names} are not in order")
    require_shape(state[weights], (len(known),), weights)
    require_shape(state["components"], (None, len(known)), "components")
    return len(state["components"])
