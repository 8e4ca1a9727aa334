"""Validation as training monitors it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch

from adrec_cli.errors import ArtifactError, DivergedError, InputError
from adrec_cli.loading.opening import Dataset
from adrec_cli.models.base import SequentialRecommender
from adrec_cli.models.sampling import FAST_SAMPLING
from adrec_cli.models.stages import TrainingConfig
from adrec_cli.ranking.block_ranks import rank_by_blocks
from adrec_cli.ranking.metrics import metric_table
from adrec_cli.ranking.protocols import Cases, Protocol, select_cases
from adrec_cli.ranking.ranks import target_ranks
from adrec_cli.ranking.rivals import Rivals, cold_rivals, draw_negatives
from adrec_cli.ranking.scorer import Scorer
from adrec_cli.runtime import StopRequest
from adrec_cli.training.guards import advise_on_divergence
from adrec_cli.training.item_blocks import ItemBlocks
from adrec_cli.training.loop import Validate
from adrec_cli.training.processes import ALONE, Processes


def name_monitored_protocol(dataset: Dataset, training: TrainingConfig) -> Protocol:
    """Return the protocol of what training monitors."""
    cold_items = _is_among_cold_items(dataset, training)
    return Protocol(
        split=dataset.split,
        part="valid",
        negatives=training.monitor_negatives,
        mask_seen=training.monitor_mask_seen and not cold_items,
        cold_items=cold_items,
    )


def _is_among_cold_items(dataset: Dataset, training: TrainingConfig) -> bool:
    """Say whether validation is among items that never occur in train: among all they come behind what was learned."""
    return dataset.split == "cold" and not training.monitor_negatives


def choose_monitored_rivals(dataset: Dataset, cases: Cases, training: TrainingConfig) -> Rivals:
    """Return the items each target competes with as training monitors it."""
    if _is_among_cold_items(dataset, training):
        return cold_rivals(cases, dataset.train_counts)
    count = training.monitor_negatives
    negatives = draw_negatives(dataset.sequences, cases, count, training.seed) if count else None
    return Rivals(negatives=negatives, mask_seen=training.monitor_mask_seen)


def make_monitored_scorer(model: SequentialRecommender, output: str, device: torch.device) -> Scorer:
    """Return a model on a device, asked by one of its outputs as training monitors it."""
    return Scorer(model=model, output=output, sampling=FAST_SAMPLING, device=device)


def prepare_validation(
    dataset: Dataset,
    scorer: Scorer,
    training: TrainingConfig,
    *,
    stop: StopRequest,
    users: int = 0,
    processes: Processes = ALONE,
    blocks: ItemBlocks | None = None,
) -> Validate:
    """Return a function that ranks the validation targets as training monitors them; without any it returns {}.

    Args:
        dataset, scorer: what is ranked, and by what.
        training: its protocol.
        stop: a signal ends the ranking with `Stopped`.
        users: number of targets, drawn once; 0 ranks all.
        processes: that rank them together.
        blocks: of the model's item table, which each of them ranks its own of; None where it is whole.
    """
    try:
        cases = select_cases(dataset.sequences, "valid")
    except InputError:
        return dict
    if users:
        cases = cases.draw(users, training.seed)
    rivals = choose_monitored_rivals(dataset, cases, training)

    def rank_own() -> npt.NDArray[np.int64]:
        with _as_divergence():
            return target_ranks(
                scorer, dataset.sequences, cases, rivals, lambda done, total: stop.check(),
                turn=processes.rank, turns=processes.count,
            )  # fmt: skip

    def rank_together(blocks: ItemBlocks) -> npt.NDArray[np.int64]:
        def go_on() -> None:
            processes.agree(stop.check)

        with _as_divergence():
            return rank_by_blocks(scorer, dataset.sequences, cases, rivals, blocks, go_on)

    def validate() -> dict[str, float]:
        if blocks is not None:
            return metric_table(rank_together(blocks), cases.users)
        ranks = processes.add_up(torch.from_numpy(processes.agree(rank_own))).numpy()
        return metric_table(ranks, cases.users)

    return validate


@contextlib.contextmanager
def _as_divergence() -> Iterator[None]:
    """Call it a divergence where weights may be finite and what they give is not."""
    try:
        yield
    except ArtifactError as error:
        raise DivergedError(f"validation: {error.message}", hint=advise_on_divergence()) from error
