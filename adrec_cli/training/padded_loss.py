"""The cross-entropy over the catalogue in few kernels, for a device that is never asked; padding is left out."""

from __future__ import annotations

from typing import Any

import torch

from adrec_cli.layers.repeats import HistoryBias, add_at

_ENTRIES, _FEWEST_ROWS = 2**25, 128
"""Logits held at once, in float32 128 MB; and rows of them at least."""
MOST_ITEMS = 8 * _ENTRIES // _FEWEST_ROWS
"""Items that few rows of logits may be held of: a gigabyte."""


class _PaddedCrossEntropy(torch.autograd.Function):
    """Its gradient is taken in the forward pass, so that the logits of a chunk of rows are gone before the next."""

    @staticmethod
    def forward(
        ctx: Any,
        predicted_ND: torch.Tensor,
        vectors_VD: torch.Tensor,
        targets_N: torch.Tensor,
        biased_NS: torch.Tensor | None,
        bias_NS: torch.Tensor | None,
    ) -> torch.Tensor:
        grad_predicted = torch.empty_like(predicted_ND) if ctx.needs_input_grad[0] else None
        grad_vectors = torch.zeros_like(vectors_VD) if ctx.needs_input_grad[1] else None
        grad_bias = torch.empty_like(bias_NS) if bias_NS is not None else None
        items_VD, targets_N1 = vectors_VD[1:], targets_N.unsqueeze(1) - 1
        counted_N1 = (targets_N1 >= 0).to(predicted_ND.dtype)
        weights_N1 = counted_N1 / counted_N1.sum()
        total = predicted_ND.new_zeros(())
        rows = max(_FEWEST_ROWS, _ENTRIES // len(items_VD))
        for begin in range(0, len(predicted_ND), rows):
            chunk = slice(begin, begin + rows)
            logits_RV = predicted_ND[chunk] @ items_VD.T
            if biased_NS is not None and bias_NS is not None:
                add_at(logits_RV, biased_NS[chunk] - 1, bias_NS[chunk])
            log_RV = torch.log_softmax(logits_RV, dim=1)
            total = total - (log_RV.gather(1, targets_N1[chunk].clamp(min=0)) * weights_N1[chunk]).sum()
            # What is left of a row once 1 is taken off its target is its gradient but for its weight, which is put to
            # the smaller factor of each product instead of N x V numbers.
            grad_RV = log_RV.exp_()
            add_at(grad_RV, targets_N1[chunk], -counted_N1[chunk])
            if grad_predicted is not None:
                torch.mm(grad_RV, items_VD, out=grad_predicted[chunk])
            if grad_vectors is not None:
                grad_vectors[1:].addmm_(grad_RV.T, predicted_ND[chunk] * weights_N1[chunk])
            if grad_bias is not None and biased_NS is not None:
                grad_RS = grad_RV.gather(1, (biased_NS[chunk] - 1).clamp(min=0)) * weights_N1[chunk]
                grad_bias[chunk] = torch.where(biased_NS[chunk] > 0, grad_RS, 0.0)
        if grad_predicted is not None:
            grad_predicted.mul_(weights_N1)
        ctx.save_for_backward(grad_predicted, grad_vectors, grad_bias)
        return total

    @staticmethod
    def backward(ctx: Any, *grad_outputs: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        grad_predicted, grad_vectors, grad_bias = (
            None if g is None else g * grad_outputs[0] for g in ctx.saved_tensors
        )
        return grad_predicted, grad_vectors, None, None, grad_bias


def padded_cross_entropy(
    predicted_ND: torch.Tensor,
    vectors_VD: torch.Tensor,
    targets_N: torch.Tensor,
    bias: HistoryBias | None = None,
) -> torch.Tensor:
    """Return the mean cross-entropy, over the tokens that are no padding, of inner products with every item.

    Args:
        predicted_ND: one prediction per token.
        vectors_VD: of the items; row 0 is padding and never competes.
        targets_N: int64 item indices; 0 for padding, which has no loss and no gradient.
        bias: added to the inner products with the items of each token's history.

    Returns:
        A scalar; `catalogue_cross_entropy` of the tokens that are no padding, but for rounding.
    """
    biased_NS, bias_NS = (None, None) if bias is None else (bias.items_NS, bias.values_NS)
    loss: torch.Tensor = _PaddedCrossEntropy.apply(  # type: ignore[no-untyped-call]
        predicted_ND, vectors_VD, targets_N, biased_NS, bias_NS
    )
    return loss
