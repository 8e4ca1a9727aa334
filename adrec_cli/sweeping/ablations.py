"""Ablations of ADRec by what they take away; each is a preset laid over whatever it is compared with."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from adrec_cli.config import read_preset
from adrec_cli.errors import UsageError

ABLATIONS: Mapping[str, str] = MappingProxyType(
    {
        "three-stage": "no-three-stage",
        "pretrain": "no-pretrain",
        "align": "no-align",
        "carried-cam": "fresh-cam",
        "mse": "no-mse",
        "token-level": "per-sequence",
        "transformer-denoiser": "mlp-denoiser",
    }
)
"""What is taken away, and the preset that does so. Source: the ablations of the ADRec paper, section 5."""


def ablation(name: str) -> dict[str, Any]:
    """Return the tables that take something away, in the form `compose` reads.

    Args:
        name: a key of `ABLATIONS`.

    Raises:
        UsageError: an unknown name.
    """
    if name not in ABLATIONS:
        raise UsageError(f"unknown ablation {name!r}", hint=f"one of: {', '.join(ABLATIONS)}")
    return read_preset(ABLATIONS[name])
