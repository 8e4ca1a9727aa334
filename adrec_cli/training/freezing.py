"""Which parts of a model a stage trains."""

from __future__ import annotations

import torch

from adrec_cli.errors import UsageError
from adrec_cli.models.base import SequentialRecommender


def freeze_all_but(
    model: SequentialRecommender, trains: tuple[str, ...], *, stage: str
) -> dict[str, torch.nn.Parameter]:
    """Leave gradients on only where a component is trained, and return those parameters by name.

    Args:
        model: whose components.
        trains: names of components.
        stage: for the message.

    Raises:
        UsageError: the model has no such component.
    """
    components = model.components()
    unknown = set(trains) - set(components)
    if unknown:
        raise UsageError(
            f"stage {stage} trains {', '.join(sorted(unknown))}, which {model.name} does not have",
            hint=f"it has: {', '.join(components)}",
        )
    for name, component in components.items():
        component.requires_grad_(name in trains)
    return {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
