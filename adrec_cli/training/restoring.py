"""The saved state of a stage: what is in it, and what it must be like before a training goes on from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import torch

from adrec_cli.errors import ArtifactError
from adrec_cli.models.base import SequentialRecommender
from adrec_cli.training.averaging import WeightAverage
from adrec_cli.training.item_blocks import ItemBlocks
from adrec_cli.training.optimizers import StageOptimizer
from adrec_cli.training.position import Position
from adrec_cli.training.queued_steps import QueuedSteps
from adrec_cli.wording import option

_OPTIMIZER = "adam/"
"""Prefix of the optimizer's moments in a saved state, whichever optimizer it is."""


class UnderWay(Protocol):
    """What of a `StageTraining` a saved state holds, or depends on."""

    name: str
    model: SequentialRecommender
    optimizer: StageOptimizer
    average: WeightAverage
    best: dict[str, torch.Tensor]
    position: Position
    queued: QueuedSteps | None
    blocks: ItemBlocks | None
    device: torch.device


def collect_state(training: UnderWay) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """Return what `StageTraining.state` does, once no step is queued."""
    tensors = {f"weight/{name}": weight for name, weight in training.model.state_dict().items()}
    tensors |= {f"best/{name}": weight for name, weight in training.best.items()}
    tensors |= {f"buffer/{name}": buffer for name, buffer in _passing_buffers(training.model).items()}
    tensors |= {f"average/{name}": weight for name, weight in training.average.averages.items()}
    tensors |= {f"{_OPTIMIZER}{name}": moment for name, moment in training.optimizer.moments().items()}
    return tensors, {"position": training.position.to_json()}


def restore_state(training: UnderWay, tensors: Mapping[str, torch.Tensor], text: Mapping[str, str]) -> None:
    """Let a training continue as `StageTraining.restore` does.

    Raises:
        ArtifactError: the state does not fit its model and stage.
    """
    try:
        _take(training, tensors if training.blocks is None else training.blocks.cut(tensors), text)
    except (KeyError, TypeError, ValueError, RuntimeError, RecursionError) as error:
        reason = str(error).splitlines()[0]
        raise ArtifactError(
            f"the saved state of stage {training.name} does not fit: {reason}",
            hint=f"start the stage again with {option('resume', False)}",
        ) from error


def _take(training: UnderWay, tensors: Mapping[str, torch.Tensor], text: Mapping[str, str]) -> None:
    position = Position.from_json(text["position"])
    weights, best = training.model.state_dict(), take_under(tensors, "best/")
    require_like(take_under(tensors, "weight/"), weights, what="weight")
    if best:
        require_like(best, weights, what="best weight")
    training.optimizer.restore(take_under(tensors, _OPTIMIZER))
    if training.queued is not None:
        training.queued.forget()
    training.position = position
    training.model.load_state_dict(take_under(tensors, "weight/"))
    training.best = {name: weight.to(training.device) for name, weight in best.items()}
    for name, buffer in _passing_buffers(training.model).items():
        buffer.copy_(tensors[f"buffer/{name}"])
    for name, average in training.average.averages.items():
        average.copy_(tensors[f"average/{name}"])


def _passing_buffers(model: SequentialRecommender) -> dict[str, torch.Tensor]:
    """Return what a model remembers during a training only, such as losses by timestep; not in checkpoints."""
    kept = model.state_dict().keys()
    return {name: buffer for name, buffer in model.named_buffers() if name not in kept}


def require_like(found: Mapping[str, torch.Tensor], expected: Mapping[str, torch.Tensor], *, what: str) -> None:
    """Raise unless tensors have the names and shapes of others.

    Args:
        found: of a saved state.
        expected: of the model under training.
        what: they are, for the message.

    Raises:
        ValueError: naming the first that differs.
    """
    for name in (*expected, *found):
        if name not in found or name not in expected or found[name].shape != expected[name].shape:
            raise ValueError(f"{what} {name[:100]!r} is missing, unknown or of another shape")


def take_under(tensors: Mapping[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    """Return the tensors whose names begin with a prefix, by what follows it."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
