"""Which samples and losses a model can learn from."""

from __future__ import annotations

from adrec_cli.data.batches import TrainingWindows
from adrec_cli.errors import UsageError
from adrec_cli.models.base import SequentialRecommender
from adrec_cli.models.stages import Stage, TrainingConfig
from adrec_cli.wording import option


def require_learnable(name: str, stage: Stage, model: SequentialRecommender, windows: TrainingWindows) -> None:
    """Raise if a model cannot learn from these samples and losses.

    Raises:
        UsageError: naming the option that does not go, and one that does.
    """
    if model.needs_prefixes and not windows.prefixes:
        raise UsageError(
            f"stage {name}: positions of {model.name} see later ones, so that it learns from prefixes alone",
            hint=option("set", "training.samples=prefixes"),
        )
    if model.learns_repeats and not stage.ce_weight:
        raise UsageError(
            f"stage {name}: repeats are learned by the ranking loss, which this stage leaves out",
            hint=f"{option('set', 'model.repeats=none')}, or give the stage a ce_weight above 0",
        )


def require_table(name: str, stage: Stage, config: TrainingConfig, model: SequentialRecommender) -> None:
    """Raise if a stage changes rows of a table of item vectors, and they are computed from content.

    Raises:
        UsageError: naming the option that does not go, and one that does.
    """
    if config.shard_items:
        _require_one_table(name, model)
    if not model.computes_item_vectors:
        return
    if "item_embedding" in stage.trains and config.embedding_optimizer != "adam":
        raise UsageError(
            f"stage {name}: training.embedding_optimizer = {config.embedding_optimizer!r} steps rows of item vectors, "
            "and model.content computes them from what every step changes",
            hint=f"{option('set', 'training.embedding_optimizer=adam')}, or {option('set', 'model.content=init')}",
        )
    if stage.embedding_decay:
        raise UsageError(
            f"stage {name}: embedding_decay shrinks a table of item vectors, and model.content computes them",
            hint=f"{option('set', f'stages.{name}.embedding_decay=0')}, or {option('set', 'model.content=init')}",
        )


def _require_one_table(name: str, model: SequentialRecommender) -> None:
    """Raise if a model has no table of item vectors that can lie in blocks."""
    kept = f"stage {name}: training.shard_items keeps a table of item vectors in blocks"
    if model.computes_item_vectors:
        raise UsageError(
            f"{kept}, and model.content computes them",
            hint=f"{option('set', 'model.content=init')}, or {option('set', 'training.shard_items=false')}",
        )
    if model.item_dropout:
        raise UsageError(
            f"{kept}, and model.item_dropout touches all of them at every step",
            hint=f"{option('set', 'model.item_dropout=0')}, or {option('set', 'training.shard_items=false')}",
        )
    if len(model.item_tables()) != 1:
        raise UsageError(
            f"{kept}, and {model.name} has {len(model.item_tables())}",
            hint=option("set", "training.shard_items=false"),
        )
