"""Losses over one positive and some negatives, for catalogues too large for a full softmax, as free functions.

Scores of negatives that are the target itself are minus infinity: they compete with nobody.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
import torch.nn.functional as F

from adrec_cli.layers.comparison import BY_PRODUCTS, Comparison
from adrec_cli.training.item_blocks import ItemBlocks

ItemVectors = torch.Tensor | Callable[[torch.Tensor], torch.Tensor]
"""The vectors of all items, (V, D), or what returns those of some: where they are computed, few cost less than all, and
where they lie in blocks, few are here.
"""
_CHUNK_ENTRIES = 2**22
"""Entries of gathered negative vectors held at once: 16 MB in float32."""


def _mean(per_token_N: torch.Tensor, counted_N: torch.Tensor | None) -> torch.Tensor:
    """Return the mean of tokens, or of those that are counted, 1 where one is and 0 where it is padding."""
    return per_token_N.mean() if counted_N is None else (per_token_N * counted_N).sum() / counted_N.sum()


def bce(positive_N: torch.Tensor, negative_NK: torch.Tensor, *, counted_N: torch.Tensor | None = None) -> torch.Tensor:
    """Return the mean binary cross-entropy of 1 + K scores a token.

    Args:
        positive_N: score of the target.
        negative_NK: scores of the negatives.
        counted_N: 0 for tokens that are padding, 1 for others; None counts all.

    Source: Kang, McAuley 2018, section III.E, there with K = 1; a constant 1 / (1 + K) smaller than the sum.
    """
    return gbce(positive_N, negative_NK, beta=1.0, counted_N=counted_N)


def gbce(
    positive_N: torch.Tensor, negative_NK: torch.Tensor, *, beta: float, counted_N: torch.Tensor | None = None
) -> torch.Tensor:
    """Return the mean of -(beta log sigma(positive) + sum log(1 - sigma(negative))) / (1 + K).

    Args:
        positive_N, negative_NK, counted_N: as `bce`.
        beta: as `gbce_beta`; 1 is BCE.

    Source: gSASRec (Petrov, Macdonald 2023), eq. 12.
    """
    per_token_N = -beta * F.logsigmoid(positive_N) + F.softplus(negative_NK).sum(dim=1)
    return _mean(per_token_N, counted_N) / (1 + negative_NK.shape[1])


def gbce_beta(negatives: int, items: int, t: float) -> float:
    """Return alpha (t (1 - 1 / alpha) + 1 / alpha), alpha = K / (V - 1) the share of the catalogue that is sampled.

    Args:
        negatives: K.
        items: V, without padding.
        t: calibration; 0 is BCE, 1 is as well calibrated as a full softmax.

    Source: gSASRec (Petrov, Macdonald 2023), eq. 14.
    """
    alpha = min(1.0, negatives / max(items - 1, 1))
    return alpha * (t * (1 - 1 / alpha) + 1 / alpha)


def sampled_softmax(
    positive_N: torch.Tensor, negative_NK: torch.Tensor, *, counted_N: torch.Tensor | None = None
) -> torch.Tensor:
    """Return the mean cross-entropy of the target among itself and its negatives.

    Args:
        positive_N, negative_NK: scores; less log(K q), for a negative drawn with probability q, they estimate the full
            softmax. The target is there whatever is drawn, so its score stays as it is.
        counted_N: as `bce`.

    Source: Bengio, Senecal 2008; eSASRec (arXiv 2508.06450) uses it with uniform negatives and no correction.
    """
    all_N = torch.logsumexp(torch.cat([positive_N.unsqueeze(1), negative_NK], dim=1), dim=1)
    return _mean(all_N - positive_N, counted_N)


def bpr_max(
    positive_N: torch.Tensor, negative_NK: torch.Tensor, *, penalty: float, counted_N: torch.Tensor | None = None
) -> torch.Tensor:
    """Return the mean of -log sum_j s_j sigma(positive - negative_j) + penalty sum_j s_j negative_j^2.

    Args:
        positive_N, negative_NK: scores; s is the softmax over a token's negatives.
        penalty: of the negatives' size.
        counted_N: as `bce`.

    Source: GRU4Rec (Hidasi, Karatzoglou 2018, arXiv 1706.03847), eq. 10.
    """
    negative_NK, alone_N = _zero_empty_rows(negative_NK)
    weights_NK = negative_NK.softmax(dim=1)
    margin_NK = positive_N.unsqueeze(1) - negative_NK
    # log(s sigma) as a sum of logarithms, so that neither underflows.
    log_NK = negative_NK.log_softmax(dim=1) + F.logsigmoid(margin_NK)
    per_token_N = penalty * (weights_NK * _finite(negative_NK).square()).sum(dim=1) - log_NK.logsumexp(dim=1)
    return _mean(per_token_N.masked_fill(alone_N, 0.0), counted_N)


def top1_max(
    positive_N: torch.Tensor, negative_NK: torch.Tensor, *, counted_N: torch.Tensor | None = None
) -> torch.Tensor:
    """Return the mean of sum_j s_j (sigma(negative_j - positive) + sigma(negative_j^2)), s as in `bpr_max`.

    Source: GRU4Rec (Hidasi, Karatzoglou 2018, arXiv 1706.03847), eq. 8.
    """
    negative_NK, alone_N = _zero_empty_rows(negative_NK)
    weights_NK = negative_NK.softmax(dim=1)
    beaten_NK = torch.sigmoid(negative_NK - positive_N.unsqueeze(1))
    per_token_N = (weights_NK * (beaten_NK + torch.sigmoid(_finite(negative_NK).square()))).sum(dim=1)
    return _mean(per_token_N.masked_fill(alone_N, 0.0), counted_N)


class SampledLossOptions(Protocol):
    """What of a stage's options losses over drawn negatives look at.

    Attributes:
        negatives: K.
        gbce_t: as `gbce_beta`.
        bpr_max_penalty: as `bpr_max`.
    """

    @property
    def negatives(self) -> int: ...
    @property
    def gbce_t(self) -> float: ...
    @property
    def bpr_max_penalty(self) -> float: ...


SampledLoss = Callable[[torch.Tensor, torch.Tensor, torch.Tensor | None, SampledLossOptions, int], torch.Tensor]
"""(positive_N, negative_NK, counted_N, options, number of items V) -> the loss, a scalar."""


def apply_sampled_softmax(
    positive_N: torch.Tensor, negative_NK: torch.Tensor, counted_N: torch.Tensor | None,
    options: SampledLossOptions, items: int,
) -> torch.Tensor:  # fmt: skip
    """Return `sampled_softmax` as a stage's options ask for it."""
    return sampled_softmax(positive_N, negative_NK, counted_N=counted_N)


def apply_bce(
    positive_N: torch.Tensor, negative_NK: torch.Tensor, counted_N: torch.Tensor | None,
    options: SampledLossOptions, items: int,
) -> torch.Tensor:  # fmt: skip
    """Return `bce` as a stage's options ask for it."""
    return bce(positive_N, negative_NK, counted_N=counted_N)


def apply_gbce(
    positive_N: torch.Tensor, negative_NK: torch.Tensor, counted_N: torch.Tensor | None,
    options: SampledLossOptions, items: int,
) -> torch.Tensor:  # fmt: skip
    """Return `gbce` as a stage's options ask for it."""
    return gbce(positive_N, negative_NK, beta=gbce_beta(options.negatives, items, options.gbce_t), counted_N=counted_N)


def apply_bpr_max(
    positive_N: torch.Tensor, negative_NK: torch.Tensor, counted_N: torch.Tensor | None,
    options: SampledLossOptions, items: int,
) -> torch.Tensor:  # fmt: skip
    """Return `bpr_max` as a stage's options ask for it."""
    return bpr_max(positive_N, negative_NK, penalty=options.bpr_max_penalty, counted_N=counted_N)


def apply_top1_max(
    positive_N: torch.Tensor, negative_NK: torch.Tensor, counted_N: torch.Tensor | None,
    options: SampledLossOptions, items: int,
) -> torch.Tensor:  # fmt: skip
    """Return `top1_max` as a stage's options ask for it."""
    return top1_max(positive_N, negative_NK, counted_N=counted_N)


def _zero_empty_rows(negative_NK: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Zero the rows in which every negative is the target, as no softmax is over nothing, and say which they are."""
    alone_N = (negative_NK == float("-inf")).all(dim=1)
    return negative_NK.masked_fill(alone_N.unsqueeze(1), 0.0), alone_N


def _finite(negative_NK: torch.Tensor) -> torch.Tensor:
    """Zero what competes with nobody, whose softmax weight is 0 and whose square would be infinite."""
    return negative_NK.masked_fill(negative_NK == float("-inf"), 0.0)


@dataclass(frozen=True)
class Items:
    """The items that targets and negatives are looked up among.

    Attributes:
        vectors: those of all, or of `ItemBlocks`, for negatives of a token's own.
        comparison: with predictions.
        sparse: the gradient of the table holds only the rows in use.
    """

    vectors: ItemVectors
    comparison: Comparison = BY_PRODUCTS
    sparse: bool = field(default=False, kw_only=True)

    def look_up(self, items: torch.Tensor) -> torch.Tensor:
        """Return the vectors (..., D) of items (...), before they are compared."""
        if isinstance(self.vectors, torch.Tensor):
            return F.embedding(items, self.vectors, sparse=self.sparse)
        return self.vectors(items)

    def score_own(self, predicted_ND: torch.Tensor, negatives_NK: torch.Tensor) -> torch.Tensor:
        """Return the scores_NK of each token's own negatives."""
        located = isinstance(self.vectors, ItemBlocks)
        table, numbers = self.vectors.locate(negatives_NK) if located else (self.vectors, negatives_NK)  # type: ignore[union-attr]
        scores_NK: torch.Tensor = _OwnNegativeScores.apply(predicted_ND, table, numbers, self.sparse)  # type: ignore[no-untyped-call]
        return scores_NK if self.comparison.temperature is None else scores_NK * self._scales(negatives_NK)

    def _scales(self, negatives_NK: torch.Tensor) -> torch.Tensor:
        """Return what inner products with items are multiplied by, rather than vectors: N x K of these are too many."""
        if isinstance(self.vectors, torch.Tensor) and not self.sparse:
            return F.embedding(negatives_NK, self.comparison.scale(self.vectors)).squeeze(2)
        items_U, into_NK = negatives_NK.unique(return_inverse=True)  # type: ignore[no-untyped-call]
        return F.embedding(into_NK, self.comparison.scale(self.look_up(items_U))).squeeze(2)


def target_scores(predicted_ND: torch.Tensor, items: Items, targets_N: torch.Tensor) -> torch.Tensor:
    """Return positive_N, the score of each token's target; arguments as below."""
    return (predicted_ND * items.comparison(items.look_up(targets_N))).sum(dim=1)


def negative_scores(
    predicted_ND: torch.Tensor, items: Items, negatives: torch.Tensor, targets_N: torch.Tensor
) -> torch.Tensor:
    """Return negative_NK, the scores of negatives; minus infinity where a negative is the target.

    Args:
        predicted_ND: one prediction per token, as it is compared.
        items: with their vectors.
        negatives: (K,) item indices shared by all tokens, or (N, K), a token's own.
        targets_N: item indices.
    """
    if negatives.dim() == 1:
        scores_NK = predicted_ND @ items.comparison(items.look_up(negatives)).T
    else:
        scores_NK = items.score_own(predicted_ND, negatives)
    return scores_NK.masked_fill(negatives == targets_N.unsqueeze(1), float("-inf"))


class _OwnNegativeScores(torch.autograd.Function):
    """Inner products of each prediction with its own K vectors; N x K x D is never stored, only a chunk of rows."""

    @staticmethod
    def forward(
        ctx: Any, predicted_ND: torch.Tensor, vectors_VD: torch.Tensor, negatives_NK: torch.Tensor, sparse: bool
    ) -> torch.Tensor:
        ctx.save_for_backward(predicted_ND, vectors_VD, negatives_NK)
        ctx.sparse = sparse
        scores_NK = predicted_ND.new_empty(negatives_NK.shape)
        for rows in _chunks(predicted_ND, negatives_NK):
            gathered = F.embedding(negatives_NK[rows], vectors_VD)
            torch.bmm(gathered, predicted_ND[rows].unsqueeze(2), out=scores_NK[rows].unsqueeze(2))
        return scores_NK

    @staticmethod
    def backward(ctx: Any, *grad_outputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None, None, None]:
        predicted_ND, vectors_VD, negatives_NK = ctx.saved_tensors
        gradient_NK = grad_outputs[0]
        grad_predicted = torch.empty_like(predicted_ND)
        used_U, into_NK = negatives_NK.unique(return_inverse=True) if ctx.sparse else (None, negatives_NK)
        count = len(vectors_VD) if used_U is None else len(used_U)
        grad_vectors = vectors_VD.new_zeros(count, vectors_VD.shape[1]) if ctx.needs_input_grad[1] else None
        for rows in _chunks(predicted_ND, negatives_NK):
            gathered = F.embedding(negatives_NK[rows], vectors_VD)
            torch.bmm(gradient_NK[rows].unsqueeze(1), gathered, out=grad_predicted[rows].unsqueeze(1))
            if grad_vectors is not None:
                spread = gradient_NK[rows].unsqueeze(2) * predicted_ND[rows].unsqueeze(1)
                grad_vectors.index_add_(0, into_NK[rows].flatten(), spread.flatten(0, 1))
        if used_U is not None and grad_vectors is not None:
            grad_vectors = torch.sparse_coo_tensor(
                used_U.unsqueeze(0), grad_vectors, vectors_VD.shape, is_coalesced=True, check_invariants=False
            )
        return grad_predicted, grad_vectors, None, None


def _chunks(predicted_ND: torch.Tensor, negatives_NK: torch.Tensor) -> list[slice]:
    rows = max(1, _CHUNK_ENTRIES // (negatives_NK.shape[1] * predicted_ND.shape[1]))
    return [slice(begin, begin + rows) for begin in range(0, len(predicted_ND), rows)]
