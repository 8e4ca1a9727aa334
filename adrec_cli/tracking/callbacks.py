"""Callbacks by name: trackers of experiments that adrec knows, and those from outside."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from types import MappingProxyType
from typing import Final

from adrec_cli.errors import UsageError
from adrec_cli.extending.open_set import OpenSet
from adrec_cli.tracking.tracked import MakeCallback

CALLBACKS: OpenSet[MakeCallback] = OpenSet(
    "callback",
    {
        "tensorboard": "adrec_cli.tracking.tensorboard:TensorBoard",
        "mlflow": "adrec_cli.tracking.mlflow:MLflow",
        "wandb": "adrec_cli.tracking.wandb:WeightsAndBiases",
    },
    group="adrec.callbacks",
    require="adrec_cli.tracking.callbacks:require_callback",
)

_NEEDED: Final[Mapping[str, str]] = MappingProxyType({name: name for name in ("tensorboard", "mlflow", "wandb")})
"""The module that a callback of adrec's own needs; the extra is called as the callback."""


def require_callback(name: str, thing: object) -> None:
    """Raise unless something is a callback's maker, as far as that can be known without a training.

    Raises:
        UsageError: it cannot be called.
    """
    if not callable(thing):
        raise UsageError(f"callback {name!r} is not a function", hint="give the function itself")


def split_place(asked: str) -> tuple[str, str]:
    """Return the name and the place of a callback that was asked for as NAME or NAME:PLACE."""
    name, _, place = asked.partition(":")
    return name, place


def require_known_callback(asked: str) -> None:
    """Raise unless a callback that was asked for is there, without loading it.

    Args:
        asked: NAME or NAME:PLACE.

    Raises:
        UsageError: there is none of that name, or the package it needs is not installed.
    """
    name, _ = split_place(asked)
    if name not in CALLBACKS:
        raise UsageError(f"unknown callback {name!r}", hint=f"one of: {', '.join(CALLBACKS)}")
    needed = _NEEDED.get(name)
    # A folder of that name, as W&B leaves, is no package.
    if needed is not None and ((spec := find_spec(needed)) is None or spec.origin is None):
        raise UsageError(f"{name} is not installed", hint=f"pip install 'adrec-cli[{name}]'")
