"""The flags that sample and merge again as an evaluation did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from adrec_cli.models.base import Sampling
from adrec_cli.ranking.merging import SINGLE

_USUAL = {**asdict(Sampling()), **asdict(SINGLE)}


def sampling_flags(chosen: Mapping[str, Any]) -> list[str]:
    """Return flag and value of every option that is not the usual one.

    Args:
        chosen: fields of `Sampling` and `Merging`; what is left out is as usual. The seed has a flag of its own, which
            also draws negatives, and is not looked at.
    """
    words: list[str] = []
    for key, usual in _USUAL.items():
        if key != "seed" and chosen.get(key, usual) != usual:
            words += [f"--{key.replace('_', '-')}", str(chosen[key])]
    return words
