"""Losses as free functions over tensors."""

from __future__ import annotations

from typing import Any

import torch

_CHUNK_ENTRIES = 2**21
"""Logits held at once: 8 MB in float32, which stays near the caches whatever the catalogue."""


class _CatalogueCrossEntropy(torch.autograd.Function):
    """Cross-entropy against every item, its gradient taken in the forward pass chunk by chunk.

    N x V logits are never stored: each chunk of rows is scored, turned into probabilities in place, and folded into
    the gradients before the next chunk overwrites it.
    """

    @staticmethod
    def forward(
        ctx: Any, predicted_ND: torch.Tensor, vectors_VD: torch.Tensor, targets_N: torch.Tensor
    ) -> torch.Tensor:
        tokens, items = len(predicted_ND), len(vectors_VD)
        rows = max(1, min(tokens, _CHUNK_ENTRIES // items))
        buffer = predicted_ND.new_empty(rows, items)
        grad_predicted = torch.empty_like(predicted_ND) if ctx.needs_input_grad[0] else None
        grad_vectors = torch.zeros_like(vectors_VD) if ctx.needs_input_grad[1] else None
        total = torch.zeros((), dtype=torch.float64, device=predicted_ND.device)
        for begin in range(0, tokens, rows):
            hidden = predicted_ND[begin : begin + rows]
            target = targets_N[begin : begin + rows].unsqueeze(1)
            logits = torch.mm(hidden, vectors_VD.T, out=buffer[: len(hidden)])
            largest = logits.amax(dim=1, keepdim=True)
            target_logit = logits.gather(1, target) - largest
            exponentials = logits.sub_(largest).exp_()
            normalizer = exponentials.sum(dim=1, keepdim=True)
            total += (normalizer.log() - target_logit).sum(dtype=torch.float64)
            if grad_predicted is None and grad_vectors is None:
                continue
            gradient = exponentials.div_(normalizer * tokens)
            gradient.scatter_add_(1, target, gradient.new_full(target.shape, -1.0 / tokens))
            if grad_predicted is not None:
                torch.mm(gradient, vectors_VD, out=grad_predicted[begin : begin + rows])
            if grad_vectors is not None:
                grad_vectors.addmm_(gradient.T, hidden)
        ctx.save_for_backward(grad_predicted, grad_vectors)
        return (total / tokens).to(predicted_ND.dtype)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: torch.Tensor) -> tuple[torch.Tensor | None, torch.Tensor | None, None]:
        scale = grad_outputs[0]
        grad_predicted, grad_vectors = ctx.saved_tensors
        return (
            None if grad_predicted is None else grad_predicted * scale,
            None if grad_vectors is None else grad_vectors * scale,
            None,
        )


def catalogue_cross_entropy(
    predicted_ND: torch.Tensor, vectors_VD: torch.Tensor, targets_N: torch.Tensor
) -> torch.Tensor:
    """Return the mean cross-entropy of inner products with every row of vectors_VD.

    Args:
        predicted_ND: one prediction a token.
        vectors_VD: every row competes, so leave padding out (and shift targets) where it must not.
        targets_N: int64 rows of vectors_VD.

    Returns:
        A scalar; its gradients equal those of `cross_entropy(predicted_ND @ vectors_VD.T, targets_N)`.

    Source: ADRec eq. 8.
    """
    loss: torch.Tensor = _CatalogueCrossEntropy.apply(predicted_ND, vectors_VD, targets_N)  # type: ignore[no-untyped-call]
    return loss


def denoising_errors(predicted_ND: torch.Tensor, x_start_ND: torch.Tensor) -> torch.Tensor:
    """Return each token's squared error to x_start, averaged over D.

    The loss is their inner product with `TokenOutputs.weights_N`.

    Source: ADRec eq. 7.
    """
    return (predicted_ND - x_start_ND).square().mean(dim=1)
