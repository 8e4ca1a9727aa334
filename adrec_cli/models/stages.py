"""Stages as data: what each trains, on which losses, for how long. To train otherwise is to change a row, not code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from adrec_cli.config import require_at_least, require_one_of, require_positive, require_share
from adrec_cli.errors import UsageError
from adrec_cli.extending.open_set import OpenSet
from adrec_cli.wording import option, say_count

SCHEDULES = ("constant", "cosine")
WINDOWS = ("newest", "all")
SAMPLES = ("sequences", "prefixes")
KEEP = ("best", "last")
PRECISIONS = ("float32", "medium", "bf16")
EMBEDDING_OPTIMIZERS = ("adam", "sparse_adam", "rowwise_adagrad")
CATALOGUE_LOSS = "ce"
SAMPLED_LOSSES: OpenSet[Any] = OpenSet(
    "ranking_loss",
    {
        "sampled_softmax": "adrec_cli.training.sampled_losses:apply_sampled_softmax",
        "bce": "adrec_cli.training.sampled_losses:apply_bce",
        "gbce": "adrec_cli.training.sampled_losses:apply_gbce",
        "bpr_max": "adrec_cli.training.sampled_losses:apply_bpr_max",
        "top1_max": "adrec_cli.training.sampled_losses:apply_top1_max",
    },
    group="adrec.losses",
    require="adrec_cli.training.acceptance:require_loss",
)  # fmt: skip
"""Losses over drawn negatives by name."""


def ranking_losses() -> tuple[str, ...]:
    """Return the names of all ranking losses."""
    return (CATALOGUE_LOSS, *SAMPLED_LOSSES)


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One stage of a model's training.

    Attributes:
        output: which of the model's outputs is trained, validated and later ranked by.
        trains: components that are trained; all others are frozen: no gradient, not in the optimizer.
        fresh: components that get fresh weights at the stage's start, also when a parent checkpoint has them.
        ce_weight, mse_weight: of the ranking loss and of the denoising loss; 0 leaves a loss out. mse_weight is the
            paper's eta.
        mse_target_gradient: the denoising loss moves the target's vector too; otherwise its gradient stops there.
        contrast_weight: of a loss that draws tokens of the same target together and apart from others; 0 leaves it out.
        contrast_temperature: of that loss; lower looks at the nearest alone.
        pcgrad: what conflicts is taken out of the gradients of the two losses before they are added; costs a second
            backward pass.
        ranking_loss: "ce" over the whole catalogue; over drawn negatives "sampled_softmax", "bce" (SASRec as published:
            with negatives = 1 and shared_negatives = false), "gbce" (gSASRec), "bpr_max" and "top1_max" (GRU4Rec).
        negatives: drawn a step, with replacement, unless the loss is "ce".
        shared_negatives: all tokens of a step share their negatives; otherwise each token has its own.
        negatives_power: negatives are drawn in proportion to (train count) to this power; 0 is uniform.
        logq_correction: "sampled_softmax" subtracts from a negative's score the logarithm of how often it is expected
            to be drawn, and so estimates the softmax over the whole catalogue.
        gbce_t: calibration of "gbce", from 0 (as "bce") to 1.
        bpr_max_penalty: of the size of the negatives' scores in "bpr_max".
        epochs: largest number of epochs.
        patience: validations without a better monitored metric after which it stops; 0 runs all epochs.
        keep: "best" hands over the weights with the best monitored metric, "last" those after the last epoch.
        validate_every: epochs between validations.
        learning_rate: of Adam.
        average_decay: share of the running average of the trained weights that each step keeps, such as 0.99; the
            average is validated and handed over instead of the newest weights. 0 averages nothing.
        learning_rate_schedule: "constant", or "cosine" down to 0 over `epochs`.
        embedding_decay: share of the item vectors' length removed over the stage, although they are frozen; see the
            README for what it does to overfitting. 0 leaves not one byte changed.
        skip: the stage is left out; the next one starts from the one before, or from fresh weights if there is none.
    """

    output: str
    trains: tuple[str, ...]
    fresh: tuple[str, ...] = ()
    ce_weight: float = 1.0
    mse_weight: float = 0.0
    mse_target_gradient: bool = True
    contrast_weight: float = 0.0
    contrast_temperature: float = 0.1
    pcgrad: bool = False
    ranking_loss: str = "ce"
    negatives: int = 256
    shared_negatives: bool = True
    negatives_power: float = 0.0
    logq_correction: bool = False
    gbce_t: float = 0.75
    bpr_max_penalty: float = 1.0
    epochs: int = 100
    patience: int = 10
    keep: str = "best"
    validate_every: int = 1
    learning_rate: float = 1e-3
    learning_rate_schedule: str = "constant"
    average_decay: float = 0.0
    embedding_decay: float = 0.0
    skip: bool = False

    def __post_init__(self) -> None:
        require_at_least(self, 1, "epochs", "validate_every", "negatives")
        require_at_least(self, 0, "ce_weight", "mse_weight", "contrast_weight")
        require_at_least(self, 0, "patience", "negatives_power", "bpr_max_penalty")
        if self.ce_weight == 0 and self.mse_weight == 0:
            raise UsageError("a stage needs a loss: ce_weight and mse_weight are both 0")
        if self.pcgrad and not (self.ce_weight and self.mse_weight):
            raise UsageError("pcgrad is between two losses: ce_weight and mse_weight must both be above 0")
        if self.pcgrad and self.contrast_weight:
            raise UsageError(
                "pcgrad is between two losses: contrast_weight adds a third", hint="leave out one of the two"
            )
        require_one_of(self, "ranking_loss", ranking_losses())
        if not 0 <= self.gbce_t <= 1:
            raise UsageError(f"gbce_t must be in [0, 1], got {self.gbce_t}")
        if not self.trains:
            raise UsageError("a stage must train at least one component")
        require_positive(self, "learning_rate", "contrast_temperature")
        require_one_of(self, "learning_rate_schedule", SCHEDULES)
        require_one_of(self, "keep", KEEP)
        require_share(self, "embedding_decay", "average_decay")


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """Options that all stages share.

    Attributes:
        batch_size: samples a step.
        accumulate: parts a step's samples are computed in, one after the other: memory is that of a part, the
            gradient that of the whole.
        precision: of matrix products in training: "float32"; "medium", where a product rounds what it multiplies, to
            bf16 on a CPU that can and to tf32 on a GPU, and adds up in float32; or "bf16" within the network, whose
            results are rounded too. Weights and losses are float32 always, and so is all that ranks.
        compile: run the Transformer blocks through torch.compile.
        embedding_optimizer: "adam" steps all item vectors at every step; "sparse_adam" and "rowwise_adagrad" only those
            the step used, which a large catalogue with a loss over drawn negatives needs.
        embedding_learning_rate: of item vectors that are stepped by rows, scheduled as the stage's; 0 takes that one.
            Adagrad's steps shrink as it goes, and need about ten times the rate of Adam.
        shard_items: processes that train together keep a block of the item vectors each, with what its optimizer
            remembers, rather than all of them, for tables that no card holds; the result does not depend on how many
            there are. With item vectors that are stepped by rows, and losses over drawn negatives.
        weight_decay: L2 added to the gradient, as Adam has it; item vectors that are stepped by rows get it when they
            are used, so that it weighs less on rare items.
        samples: "sequences" learns the target of every position of a history at once; in "prefixes" every target is a
            sample of its own with the items before it, which costs about half a history's length times the tokens.
        windows: "newest" learns from the newest max_length + 1 train events of a user, "all" from every one.
        monitor: the one metric, such as "ndcg@10", that decides which weights are kept and when to stop.
        monitor_negatives: number drawn to validate against; 0 validates against the whole catalogue, in a split of
            cold items against the cold ones.
        monitor_users: validation targets that are ranked after epochs, drawn once; 0 ranks all. The weights kept are
            ranked against all in the end, and that is what their checkpoint says.
        monitor_mask_seen: validates with items of the history out of the competition, as `--mask-seen` reports it.
        seed: of weights, order, dropout, timesteps and noise.
    """

    batch_size: int = 512
    accumulate: int = 1
    precision: str = "float32"
    compile: bool = False
    embedding_optimizer: str = "adam"
    embedding_learning_rate: float = 0.0
    shard_items: bool = False
    weight_decay: float = 1e-5
    samples: str = "sequences"
    windows: str = "newest"
    monitor: str = "ndcg@10"
    monitor_negatives: int = 0
    monitor_users: int = 0
    monitor_mask_seen: bool = False
    seed: int = 42

    def __post_init__(self) -> None:
        require_at_least(self, 1, "batch_size", "accumulate")
        require_at_least(
            self, 0, "weight_decay", "monitor_negatives", "monitor_users", "seed", "embedding_learning_rate"
        )
        require_one_of(self, "samples", SAMPLES)
        require_one_of(self, "windows", WINDOWS)
        require_one_of(self, "precision", PRECISIONS)
        require_one_of(self, "embedding_optimizer", EMBEDDING_OPTIMIZERS)
        if self.embedding_learning_rate and self.embedding_optimizer == "adam":
            raise UsageError(
                "embedding_learning_rate is for item vectors that are stepped by rows, embedding_optimizer is 'adam'",
                hint=f"one of: {', '.join(EMBEDDING_OPTIMIZERS[1:])}",
            )
        if self.accumulate > self.batch_size:
            raise UsageError(
                f"accumulate is {self.accumulate}, but a step has only {say_count(self.batch_size, 'sample')}"
            )


def require_compatible(name: str, stage: Stage, training: TrainingConfig) -> None:
    """Raise if a stage cannot be trained with the shared options.

    Args:
        name: of the stage, for the message.
        stage, training: the options.

    Raises:
        UsageError: naming both and a way out.
    """
    if stage.pcgrad and training.accumulate > 1:
        raise UsageError(
            f"stage {name}: pcgrad needs the gradients of a whole step, training.accumulate is {training.accumulate}",
            hint="leave out one of the two",
        )
    if training.shard_items:
        _require_shardable(name, stage, training)
    if training.embedding_optimizer == "adam" or "item_embedding" not in stage.trains:
        return
    by_rows = f"stage {name}: training.embedding_optimizer = {training.embedding_optimizer!r}"
    if stage.ce_weight and stage.ranking_loss == "ce":
        raise UsageError(
            f"{by_rows} steps the items a step used, and ranking_loss 'ce' uses all of them",
            hint="use adam, or a loss over drawn negatives: "
            + option("set", f"stages.{name}.ranking_loss=sampled_softmax"),
        )
    for key in ("pcgrad", "embedding_decay", "average_decay"):
        if getattr(stage, key):
            raise UsageError(f"{by_rows} does not go with {key}, which changes every item at every step",
                             hint="leave out one of the two")  # fmt: skip


def _require_shardable(name: str, stage: Stage, training: TrainingConfig) -> None:
    """Raise if a stage needs the whole table of item vectors at every step."""
    sampled = option("set", f"stages.{name}.ranking_loss=sampled_softmax")
    if stage.ce_weight and stage.ranking_loss == CATALOGUE_LOSS:
        raise UsageError(
            f"stage {name}: training.shard_items keeps item vectors in blocks, and ranking_loss 'ce' uses all of them",
            hint=f"use a loss over drawn negatives: {sampled}",
        )
    if training.embedding_optimizer == "adam" and "item_embedding" in stage.trains:
        raise UsageError(
            f"stage {name}: training.shard_items keeps item vectors in blocks, and training.embedding_optimizer 'adam' "
            "steps all of them",
            hint=option("set", "training.embedding_optimizer=rowwise_adagrad"),
        )


ALL_AT_ONCE = Stage(
    output="next_item", trains=("item_embedding", "encoder"), fresh=("item_embedding", "encoder"), patience=20
)
"""All of a model in one stage; what its paper does otherwise is replaced in its file."""
