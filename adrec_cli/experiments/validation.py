"""Validation as training monitors it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from adrec_cli.errors import ArtifactError, DivergedError, InputError
from adrec_cli.loading.opening import Dataset
from adrec_cli.models.base import FAST_SAMPLING, SequentialRecommender
from adrec_cli.ranking.metrics import metric_table
from adrec_cli.ranking.protocols import Cases, Protocol, draw_negatives, held_out_cases
from adrec_cli.ranking.scores import target_ranks
from adrec_cli.runtime import StopRequest
from adrec_cli.training.guards import DIVERGED_HINT
from adrec_cli.training.loop import Validate
from adrec_cli.training.stages import TrainingConfig


def monitored_protocol(dataset: Dataset, training: TrainingConfig) -> Protocol:
    """Return the protocol of what training monitors."""
    return Protocol(
        split=dataset.split,
        part="valid",
        negatives=training.monitor_negatives,
        mask_seen=training.monitor_mask_seen,
    )


def monitored_negatives(dataset: Dataset, cases: Cases, training: TrainingConfig) -> npt.NDArray[np.int64] | None:
    """Return the items (cases, n) that targets are ranked against; None is the whole catalogue."""
    count = training.monitor_negatives
    return draw_negatives(dataset.sequences, cases, count, training.seed) if count else None


def validation(
    dataset: Dataset,
    model: SequentialRecommender,
    *,
    output: str,
    training: TrainingConfig,
    device: torch.device,
    stop: StopRequest,
    users: int = 0,
) -> Validate:
    """Return a function that ranks the validation targets as training monitors them; without any it returns {}.

    Args:
        dataset, model, output, device: what is ranked, by which of the model's outputs, on what.
        training: its protocol.
        stop: a signal ends the ranking, which returns None then.
        users: so many targets, drawn once; 0 ranks all.
    """
    try:
        cases = held_out_cases(dataset.sequences, "valid")
    except InputError:
        return dict
    if users:
        cases = cases.drawn(users, training.seed)
    negatives = monitored_negatives(dataset, cases, training)

    def validate() -> dict[str, float] | None:
        try:
            ranks = target_ranks(
                model,
                dataset.sequences,
                cases,
                output=output,
                sampling=FAST_SAMPLING,
                device=device,
                negatives=negatives,
                mask_seen=training.monitor_mask_seen,
                on_progress=lambda done, total: stop.signal_number is None,
            )
        except ArtifactError as error:
            # Weights may be finite and what they give not.
            raise DivergedError(f"validation: {error.message}", hint=DIVERGED_HINT) from error
        return None if ranks is None else metric_table(ranks, cases.users)

    return validate
