"""An epoch as figures by name, and options as plain values by name: what every tracker logs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from types import MappingProxyType
from typing import Any, Final

import torch

from adrec_cli.runtime import read_peak_memory
from adrec_cli.training.events import EpochDone

_GROUPS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "learning_rate": "training",
        "effective_rank": "items",
        "mean_cosine": "items",
        "embedding_variance": "items",
        "singular_value_entropy": "items",
        "isotropy": "items",
        "tokens_per_second": "system",
        "seconds": "system",
        "validation_seconds": "system",
        "processor_seconds": "system",
    }
)


def list_figures(event: EpochDone) -> dict[str, float]:
    """Return the figures of an epoch by group and name, such as "valid/ndcg@10", and the memory taken so far."""
    values = asdict(event)
    figures = {f"loss/{name}": value for name, value in event.losses.items()}
    figures |= {f"valid/{name}": value for name, value in event.valid.items()}
    figures |= {f"{group}/{name}": values[name] for name, group in _GROUPS.items()}
    memory = {"memory_mib": read_peak_memory()}
    # 0 where CUDA is not in use.
    if on_cuda := torch.cuda.max_memory_allocated():
        memory["cuda_memory_mib"] = on_cuda / 2**20
    return figures | {f"system/{name}": value for name, value in memory.items() if value is not None}


def flatten(table: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of nested tables by dotted name, such as "model.hidden_size"."""
    return dict(_walk(table, ""))


def _walk(table: Mapping[str, Any], before: str) -> Iterator[tuple[str, Any]]:
    for name, value in table.items():
        if isinstance(value, Mapping):
            yield from _walk(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value
