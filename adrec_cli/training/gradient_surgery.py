"""Gradients of several losses that are kept from pulling against each other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch


def pcgrad_backward(losses: Sequence[torch.Tensor], parameters: Iterable[torch.nn.Parameter]) -> None:
    """Add to each parameter's gradient the sum of the losses' gradients, without what conflicts.

    Of each loss's gradient, over all parameters as one vector, the part that points against another loss's gradient is
    taken away. Where no two conflict this is the gradient of the sum. Two losses are projected on each other's original
    gradient; of more, each meets the others in their order rather than in a random one, so that runs repeat.

    Args:
        losses: scalars of one graph, weighted already.
        parameters: to be trained; a loss need not depend on all of them.

    Source: Yu et al. 2020, "Gradient Surgery for Multi-Task Learning", algorithm 1.
    """
    trained = list(parameters)
    gradients = [_gradient(loss, trained) for loss in losses]
    for number, gradient in enumerate(gradients):
        projected = [part.clone() for part in gradient]
        for other in gradients[:number] + gradients[number + 1 :]:
            product, square = _dot(projected, other), _dot(other, other)
            # A product below 0 means that the other gradient is not zero.
            share = torch.where(product < 0, product / square, 0.0)
            for part, against in zip(projected, other, strict=True):
                part.sub_(share.to(part.dtype) * against)
        for parameter, part in zip(trained, projected, strict=True):
            parameter.grad = part if parameter.grad is None else parameter.grad + part


def _gradient(loss: torch.Tensor, trained: list[torch.nn.Parameter]) -> list[torch.Tensor]:
    found = torch.autograd.grad(loss, trained, retain_graph=True, allow_unused=True)
    return [torch.zeros_like(p) if g is None else g for p, g in zip(trained, found, strict=True)]


def _dot(one: list[torch.Tensor], other: list[torch.Tensor]) -> torch.Tensor:
    """Return the inner product over all parts, float64: there are millions of entries."""
    return torch.stack([(a * b).sum(dtype=torch.float64) for a, b in zip(one, other, strict=True)]).sum()
