"""Stages as data: what each trains, on which losses, for how long. A variant is a row changed, not code."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

from adrec_cli.errors import UsageError

SCHEDULES = ("constant", "cosine")
WINDOWS = ("newest", "all")
KEEP = ("best", "last")


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One stage of a model's training.

    Attributes:
        output: which of the model's outputs is trained, validated and later ranked by.
        trains: components that are trained; all others are frozen: no gradient, not in the optimizer.
        fresh: components that get fresh weights at the stage's start, also when a parent checkpoint has them.
        ce_weight, mse_weight: of the losses; 0 leaves a loss out. mse_weight is the paper's eta.
        epochs: at most so many.
        patience: validations without a better monitored metric after which it stops; 0 runs all epochs.
        keep: "best" hands over the weights with the best monitored metric, "last" those after the last epoch.
        validate_every: epochs between validations.
        learning_rate: of Adam.
        learning_rate_schedule: "constant", or "cosine" down to 0 over `epochs`.
        embedding_decay: share of the item vectors' length removed over the stage, although they are frozen; see the
            README for what it does to overfitting. 0 leaves not one byte changed.
    """

    output: str
    trains: tuple[str, ...]
    fresh: tuple[str, ...] = ()
    ce_weight: float = 1.0
    mse_weight: float = 0.0
    epochs: int = 100
    patience: int = 10
    keep: str = "best"
    validate_every: int = 1
    learning_rate: float = 1e-3
    learning_rate_schedule: str = "constant"
    embedding_decay: float = 0.0

    def __post_init__(self) -> None:
        for name in ("epochs", "validate_every"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name in ("ce_weight", "mse_weight", "patience"):
            if getattr(self, name) < 0:
                raise UsageError(f"{name} must not be negative, got {getattr(self, name)}")
        if self.ce_weight == 0 and self.mse_weight == 0:
            raise UsageError("a stage needs a loss: ce_weight and mse_weight are both 0")
        if not self.trains:
            raise UsageError("a stage must train at least one component")
        if self.learning_rate <= 0:
            raise UsageError(f"learning_rate must be positive, got {self.learning_rate}")
        if self.learning_rate_schedule not in SCHEDULES:
            raise UsageError(
                f"unknown learning_rate_schedule {self.learning_rate_schedule!r}",
                hint=f"one of: {', '.join(SCHEDULES)}",
            )
        if self.keep not in KEEP:
            raise UsageError(f"unknown keep {self.keep!r}", hint=f"one of: {', '.join(KEEP)}")
        if not 0 <= self.embedding_decay < 1:
            raise UsageError(f"embedding_decay must be in [0, 1), got {self.embedding_decay}")


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """Options that all stages share.

    Attributes:
        batch_size: sequences a step.
        weight_decay: L2 added to the gradient, as Adam has it.
        windows: "newest" learns from the newest max_length + 1 train events of a user, "all" from every one.
        monitor: the one metric, such as "ndcg@10", that decides which weights are kept and when to stop.
        monitor_negatives: 0 validates against the whole catalogue, else against so many drawn negatives.
        seed: of weights, order, dropout, timesteps and noise.
    """

    batch_size: int = 512
    weight_decay: float = 1e-5
    windows: str = "newest"
    monitor: str = "ndcg@10"
    monitor_negatives: int = 0
    seed: int = 42

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise UsageError(f"batch_size must be at least 1, got {self.batch_size}")
        for name in ("weight_decay", "monitor_negatives", "seed"):
            if getattr(self, name) < 0:
                raise UsageError(f"{name} must not be negative, got {getattr(self, name)}")
        if self.windows not in WINDOWS:
            raise UsageError(f"unknown windows {self.windows!r}", hint=f"one of: {', '.join(WINDOWS)}")


STAGES = MappingProxyType(
    {
        "adrec": {
            "pretrain": Stage(output="condition", trains=("item_embedding", "cam"), fresh=("item_embedding", "cam")),
            "align": Stage(
                output="x_start",
                trains=("cam", "adm"),
                fresh=("adm",),
                mse_weight=1.0,
                epochs=5,
                patience=0,
                keep="last",
            ),
            "finetune": Stage(output="x_start", trains=("item_embedding", "cam", "adm"), mse_weight=1.0),
        }
    }
)
"""The stages of each model, in the order they run in; each starts from the one before."""
