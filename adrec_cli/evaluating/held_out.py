"""Ranks the held-out items of a data set as an evaluation asks, tells how far it is, and how long it took."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from adrec_cli.evaluating.options import EvaluationOptions
from adrec_cli.evaluating.rivals import cases_of, choose_rivals, name_protocol
from adrec_cli.events import OnEvent
from adrec_cli.experiments.events import RankingProgress
from adrec_cli.loading.opening import Checkpoint, Dataset, restore_model
from adrec_cli.ranking.protocols import Cases, Protocol
from adrec_cli.ranking.rivals import Rivals
from adrec_cli.training.processes import ALONE, Processes, advance_together

if TYPE_CHECKING:
    import torch

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

    def rank(
        self, scorer: Scorer, on_event: OnEvent, processes: Processes = ALONE
    ) -> tuple[npt.NDArray[np.int64], float]:
        """Return the rank of each target, from 1, and the seconds that took; reports `RankingProgress`.

        Args:
            scorer: alike in all processes.
            on_event: called with how far all of them are.
            processes: that rank by turns, each a batch.

        Raises:
            AdrecError: raised in any of them.
        """
        from adrec_cli.ranking.ranks import rank_batches

        started = time.perf_counter()
        ranks = np.zeros(len(self.cases), dtype=np.int64)
        batches = rank_batches(
            scorer, self.dataset.sequences, self.cases, self.rivals, ranks, turn=processes.rank, turns=processes.count
        )
        self.go_through(batches, on_event, processes)
        return add_up(ranks, processes), time.perf_counter() - started

    def go_through(self, batches: Iterator[int], on_event: OnEvent, processes: Processes) -> None:
        """Take batches of cases together with all processes, and report how many cases are done of all."""
        done = 0
        for count in advance_together(batches, processes):
            done += count
            on_event(RankingProgress(done=done, total=len(self.cases)))


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


def add_up(counts: npt.NDArray[np.int64], processes: Processes) -> npt.NDArray[np.int64]:
    """Return the sum over all processes."""
    import torch

    return processes.add_up(torch.from_numpy(counts)).numpy()
