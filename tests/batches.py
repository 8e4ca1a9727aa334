"""The batches of an epoch, one per step, for what is not about how steps are divided."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from adrec_cli.data.batches import TrainingWindows, epoch_steps
from adrec_cli.models.batch import PackedBatch


def epoch_batches(
    windows: TrainingWindows, *, batch_size: int, max_length: int, generator: torch.Generator
) -> Iterator[PackedBatch]:
    """Yield one packed batch per step; arguments as `epoch_steps`."""
    for (batch,) in epoch_steps(windows, batch_size=batch_size, max_length=max_length, generator=generator):
        assert isinstance(batch, PackedBatch)
        yield batch
