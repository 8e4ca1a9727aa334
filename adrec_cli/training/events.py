"""What a training tells while it runs: a step, an epoch, something that deserves a look."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class StepDone:
    """One optimizer step.

    Attributes:
        epoch, epochs, step, steps: counted from 1.
        losses: means of the epoch so far.
        tokens_per_second: of the last step.
    """

    stage: str
    epoch: int
    epochs: int
    step: int
    steps: int
    losses: Mapping[str, float]
    tokens_per_second: float


@dataclass(frozen=True, kw_only=True)
class TrainingWarning:
    """Something that deserves a look; the training goes on.

    Attributes:
        epoch: counted from 1.
        message: one line with the figure.
    """

    stage: str
    epoch: int
    message: str


@dataclass(frozen=True, kw_only=True)
class EpochDone:
    """One epoch, validated if it was its turn; the row that goes to the log.

    Attributes:
        losses: means over the epoch's tokens.
        valid: validation metrics; empty when not validated.
        improved: the monitored metric is the best so far.
        seconds, validation_seconds: wall time.
        processor_seconds: of all threads of this process, validation included.
        effective_rank, mean_cosine, embedding_variance, singular_value_entropy, isotropy: of the item vectors, as
            `EmbeddingHealth`.
    """

    stage: str
    epoch: int
    epochs: int
    losses: Mapping[str, float]
    valid: Mapping[str, float]
    improved: bool
    learning_rate: float
    tokens_per_second: float
    seconds: float
    validation_seconds: float
    processor_seconds: float
    effective_rank: float
    mean_cosine: float
    embedding_variance: float
    singular_value_entropy: float
    isotropy: float


def log_row(event: EpochDone) -> dict[str, Any]:
    """Return the row of the log that tells of an epoch."""
    return asdict(event)
