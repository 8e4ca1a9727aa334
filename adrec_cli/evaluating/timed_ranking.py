"""Ranks the held-out items of a data set with an opened model, tells how far it is, and how long it took."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from adrec_cli.experiments.events import OnEvent
from adrec_cli.loading.opening import Dataset
from adrec_cli.models.base import Sampling, SequentialRecommender
from adrec_cli.ranking.merging import Merging, merged_target_ranks
from adrec_cli.ranking.protocols import Cases


@dataclass(frozen=True, kw_only=True)
class RankingProgress:
    """Cases ranked so far."""

    done: int
    total: int


def timed_ranks(
    model: SequentialRecommender,
    dataset: Dataset,
    cases: Cases,
    *,
    output: str,
    sampling: Sampling,
    merging: Merging,
    mask_seen: bool,
    negatives: npt.NDArray[np.int64] | None,
    device: torch.device,
    on_event: OnEvent,
) -> tuple[npt.NDArray[np.int64], float]:
    """Return the rank of the target of each case, from 1, and the seconds that took.

    Args:
        model: to rank by, on the device.
        dataset, cases: what to rank.
        output: of the model.
        sampling, merging, mask_seen, negatives: as `merged_target_ranks`.
        device: to compute on.
        on_event: told `RankingProgress`.
    """
    started = time.perf_counter()
    ranks = merged_target_ranks(
        model, dataset.sequences, cases, output=output, sampling=sampling, merging=merging, device=device,
        negatives=negatives, mask_seen=mask_seen, on_progress=told_as_event(on_event),
    )  # fmt: skip
    assert ranks is not None
    return ranks, time.perf_counter() - started


def told_as_event(on_event: OnEvent) -> Callable[[int, int], bool]:
    """Return a function that tells `RankingProgress`, and never asks to stop."""

    def progress(done: int, total: int) -> bool:
        on_event(RankingProgress(done=done, total=total))
        return True

    return progress
