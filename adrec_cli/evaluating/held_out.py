"""Ranks the held-out items of a data set as an evaluation asks, tells how far it is, and how long it took."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from adrec_cli.evaluating.options import EvaluationOptions
from adrec_cli.evaluating.rivals import cases_of, choose_rivals, name_protocol
from adrec_cli.experiments.events import OnEvent, RankingProgress
from adrec_cli.loading.opening import Checkpoint, Dataset, restore_model
from adrec_cli.ranking.protocols import Cases, Protocol
from adrec_cli.ranking.rivals import Rivals

if TYPE_CHECKING:
    import torch

    from adrec_cli.ranking.ranks import OnProgress
    from adrec_cli.ranking.scorer import Scorer


@dataclass(frozen=True, kw_only=True, eq=False)
class HeldOut:
    """What an evaluation ranks: the events of a part, and the items each competes with.

    Attributes:
        dataset: they are of.
        cases, rivals: as `target_ranks`.
        protocol: of every figure that comes of it.
    """

    dataset: Dataset
    cases: Cases
    rivals: Rivals
    protocol: Protocol

    def first(self, count: int) -> HeldOut:
        """Return the first cases alone."""
        return HeldOut(
            dataset=self.dataset,
            cases=self.cases.some(slice(count)),
            rivals=self.rivals.first(count),
            protocol=self.protocol,
        )

    def rank(self, scorer: Scorer, on_event: OnEvent) -> tuple[npt.NDArray[np.int64], float]:
        """Return the rank of each target, from 1, and the seconds that took; reports `RankingProgress`."""
        from adrec_cli.ranking.ranks import target_ranks

        started = time.perf_counter()
        ranks = target_ranks(scorer, self.dataset.sequences, self.cases, self.rivals, tell_progress_to(on_event))
        return ranks, time.perf_counter() - started


def prepare_held_out(dataset: Dataset, options: EvaluationOptions, on_event: OnEvent) -> HeldOut:
    """Return what an evaluation of a data set ranks.

    Args:
        dataset: to rank on.
        options: the part, and the items its targets compete with.
        on_event: called with what `choose_rivals` tells.

    Raises:
        InputError: the part has no event, or negatives do not fit.
    """
    cases = cases_of(dataset, options)
    rivals = choose_rivals(dataset, cases, options, on_event)
    negatives = 0 if options.cold_items else rivals.count
    return HeldOut(dataset=dataset, cases=cases, rivals=rivals, protocol=name_protocol(dataset, options, negatives))


def make_scorer(checkpoint: Checkpoint, options: EvaluationOptions, device: torch.device) -> Scorer:
    """Return a checkpoint's model on a device, asked as an evaluation asks it.

    Raises:
        UsageError: several samples, or a temperature, of a model that draws nothing.
    """
    from adrec_cli.ranking.scorer import Scorer

    return Scorer(
        model=restore_model(checkpoint, device),
        output=checkpoint.metadata.output,
        sampling=options.sampling,
        merging=options.merging,
        device=device,
    )


def tell_progress_to(on_event: OnEvent) -> OnProgress:
    """Return a function that tells `RankingProgress`."""
    return lambda done, total: on_event(RankingProgress(done=done, total=total))
