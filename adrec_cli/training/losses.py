"""Losses as free functions over tensors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F

from adrec_cli.layers.repeats import HistoryBias, add_at


class _Limits(NamedTuple):
    """Of a tile.

    Attributes:
        entries: logits held at once.
        items: of them a row, where the catalogue is cut.
    """

    entries: int
    items: int


_ON_CPU, _ELSEWHERE = _Limits(2**20, 256), _Limits(2**26, 2**15)
"""4 MB in float32 on a CPU, which stay near its caches whatever the catalogue; on a GPU 256 MB, so that launching its
kernels takes less time than running them."""

_FEWEST_ROWS = 128
"""Fewer rows than this a tile, and matrix products are slow: a catalogue that would need it is cut into tiles too."""

_LARGEST_PLAIN_LOGIT = 60.0
"""exp of it, summed over any catalogue, and of its negative are far from the ends of float32."""


class _CatalogueCrossEntropy(torch.autograd.Function):
    """Cross-entropy against every item, its gradient taken in the forward pass tile by tile.

    N x V logits are never stored: a tile of rows and items is scored, turned into exponentials in place, and folded
    into the gradients before the next one overwrites it. The gradient of a prediction is rescaled when a row's sum is
    known; that of the item vectors needs the sum first, so that where a row takes several tiles they are scored again.
    """

    @staticmethod
    def forward(
        ctx: Any,
        predicted_ND: torch.Tensor,
        vectors_VD: torch.Tensor,
        targets_N: torch.Tensor,
        first: int,
        biased_NS: torch.Tensor | None,
        bias_NS: torch.Tensor | None,
    ) -> torch.Tensor:
        tokens = len(predicted_ND)
        grad_predicted = torch.empty_like(predicted_ND) if ctx.needs_input_grad[0] else None
        grad_vectors = torch.zeros_like(vectors_VD) if ctx.needs_input_grad[1] else None
        items_VD, targets_N = vectors_VD[first:], targets_N - first
        rows, columns = _tile_shape(tokens, len(items_VD), predicted_ND.device)
        sweep = _Sweep(
            torch.split(items_VD, columns),
            None if grad_vectors is None else torch.split(grad_vectors[first:], columns),
            predicted_ND.new_empty(rows * columns),
            scale=1.0 / tokens,
            plain=_logits_are_small(predicted_ND, items_VD, bias_NS),
        )
        grad_bias_NS = torch.zeros_like(bias_NS) if bias_NS is not None else None
        total = torch.zeros((), dtype=torch.float64, device=predicted_ND.device)
        for begin in range(0, tokens, rows):
            chunk = slice(begin, begin + rows)
            total += sweep(
                predicted_ND[chunk],
                targets_N[chunk],
                None if grad_predicted is None else grad_predicted[chunk],
                _ChunkBias.of(biased_NS, bias_NS, grad_bias_NS, first, chunk),
            )
        if grad_predicted is not None:
            grad_predicted.sub_(F.embedding(targets_N, items_VD), alpha=1.0 / tokens)
        if grad_vectors is not None:
            grad_vectors.index_add_(0, targets_N + first, predicted_ND, alpha=-1.0 / tokens)
        if grad_bias_NS is not None and biased_NS is not None:
            grad_bias_NS.sub_(
                (biased_NS == (targets_N + first).unsqueeze(1)).to(grad_bias_NS.dtype), alpha=1.0 / tokens
            )
        ctx.save_for_backward(grad_predicted, grad_vectors, grad_bias_NS)
        return (total / tokens).to(predicted_ND.dtype)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        scale = grad_outputs[0]
        grad_predicted, grad_vectors, grad_bias = (
            # A weight of 1 is the usual one, and a second copy of V x D would be the largest thing in a step.
            gradient if gradient is None or scale == 1 else gradient * scale
            for gradient in ctx.saved_tensors
        )
        return grad_predicted, grad_vectors, None, None, None, grad_bias


class _ChunkBias(NamedTuple):
    """What is added to some logits of a chunk of rows.

    Attributes:
        columns_RS: which, counted over all tiles; below 0 for none.
        values_RS: added to them.
        gradient_RS: filled with the gradient of the values, but for the targets' part.
    """

    columns_RS: torch.Tensor
    values_RS: torch.Tensor
    gradient_RS: torch.Tensor

    @classmethod
    def of(
        cls,
        items_NS: torch.Tensor | None,
        values_NS: torch.Tensor | None,
        gradient_NS: torch.Tensor | None,
        first: int,
        chunk: slice,
    ) -> _ChunkBias | None:
        """Return that of a chunk; None where there is no bias."""
        if items_NS is None or values_NS is None or gradient_NS is None:
            return None
        return cls(items_NS[chunk] - first, values_NS[chunk], gradient_NS[chunk])

    def collect(self, exponentials: torch.Tensor, begin: int) -> None:
        """Add the exponentials of a tile that begins at this column to the gradient."""
        columns_RS = self.columns_RS - begin
        inside_RS = (columns_RS >= 0) & (columns_RS < exponentials.shape[1])
        found_RS = exponentials.gather(1, columns_RS.clamp(0, exponentials.shape[1] - 1))
        self.gradient_RS.add_(torch.where(inside_RS, found_RS, 0.0))


class _Sweep:
    """Folds one chunk of rows after the other into the loss and its gradients."""

    def __init__(
        self,
        tiles: Sequence[torch.Tensor],
        grad_tiles: Sequence[torch.Tensor] | None,
        buffer: torch.Tensor,
        *,
        scale: float,
        plain: bool,
    ) -> None:
        """Take what all chunks share.

        Args:
            tiles, grad_tiles: the item vectors and their gradient, in the same pieces; None where they are frozen.
            buffer: for the logits of a chunk and a tile.
            scale: of the gradients, 1 / N.
            plain: no logit is so large that its exponential could overflow or vanish.
        """
        self.tiles, self.grad_tiles, self.buffer, self.scale, self.plain = tiles, grad_tiles, buffer, scale, plain

    def __call__(
        self,
        hidden_RD: torch.Tensor,
        targets_R: torch.Tensor,
        grad_hidden_RD: torch.Tensor | None,
        bias: _ChunkBias | None = None,
    ) -> torch.Tensor:
        """Return the sum of the rows' losses, float64, and add to the gradients all but the targets' part."""
        rows = len(hidden_RD)
        largest_R1 = hidden_RD.new_full((rows, 1), 0.0 if self.plain else -math.inf)
        sum_R1, target_R1 = torch.zeros_like(largest_R1), torch.zeros_like(largest_R1)
        begin = 0
        for tile in self.tiles:
            logits = self._logits(hidden_RD, tile, bias, begin)
            target_R1 += _pick_logits(logits, targets_R - begin)
            if not self.plain:
                before_R1, largest_R1 = largest_R1, torch.maximum(largest_R1, logits.amax(dim=1, keepdim=True))
                shrunk_R1 = (before_R1 - largest_R1).exp_()
                logits.sub_(largest_R1)
                sum_R1 *= shrunk_R1
                if grad_hidden_RD is not None and tile is not self.tiles[0]:
                    grad_hidden_RD.mul_(shrunk_R1)
                if bias is not None:
                    # Nothing is there yet at the first tile, where the factor is 0.
                    bias.gradient_RS.mul_(shrunk_R1)
            exponentials = logits.exp_()
            sum_R1 += exponentials.sum(dim=1, keepdim=True)
            if bias is not None:
                bias.collect(exponentials, begin)
            begin += len(tile)
            if grad_hidden_RD is not None:
                grad_hidden_RD.addmm_(exponentials, tile, beta=float(tile is not self.tiles[0]))
        if grad_hidden_RD is not None:
            grad_hidden_RD.mul_(self.scale / sum_R1)
        if bias is not None:
            bias.gradient_RS.mul_(self.scale / sum_R1)
        if self.grad_tiles is not None:
            self._to_items(hidden_RD, largest_R1, hidden_RD * (self.scale / sum_R1), bias)
        return (sum_R1.double().log() + largest_R1.double() - target_R1.double()).sum()

    def _to_items(
        self,
        hidden_RD: torch.Tensor,
        largest_R1: torch.Tensor,
        weighted_RD: torch.Tensor,
        bias: _ChunkBias | None,
    ) -> None:
        """Add the gradient of the item vectors; a lone tile's exponentials are still in the buffer."""
        assert self.grad_tiles is not None
        begin = 0
        for tile, grad_tile in zip(self.tiles, self.grad_tiles, strict=True):
            exponentials = self._view(hidden_RD, tile)
            if len(self.tiles) > 1:
                logits = self._logits(hidden_RD, tile, bias, begin)
                exponentials = (logits if self.plain else logits.sub_(largest_R1)).exp_()
            grad_tile.addmm_(exponentials.T, weighted_RD)
            begin += len(tile)

    def _logits(self, hidden_RD: torch.Tensor, tile: torch.Tensor, bias: _ChunkBias | None, begin: int) -> torch.Tensor:
        logits = torch.mm(hidden_RD, tile.T, out=self._view(hidden_RD, tile))
        if bias is not None:
            add_at(logits, bias.columns_RS - begin, bias.values_RS)
        return logits

    def _view(self, hidden_RD: torch.Tensor, tile: torch.Tensor) -> torch.Tensor:
        return self.buffer[: len(hidden_RD) * len(tile)].view(len(hidden_RD), len(tile))


def _tile_shape(tokens: int, items: int, device: torch.device) -> tuple[int, int]:
    """Return rows and items of a tile: all items where that leaves enough rows."""
    limits = _ON_CPU if device.type == "cpu" else _ELSEWHERE
    columns = items if items * _FEWEST_ROWS <= limits.entries else min(items, limits.items)
    most = limits.entries // columns if columns == items else limits.entries // (2 * columns)
    return max(1, min(tokens, most)), columns


def _logits_are_small(predicted_ND: torch.Tensor, items_VD: torch.Tensor, bias_NS: torch.Tensor | None) -> bool:
    """Tell by Cauchy and Schwarz, so that rows need no largest logit to be taken off; False for NaN."""
    norms = torch.linalg.vector_norm(predicted_ND, dim=1).amax() * torch.linalg.vector_norm(items_VD, dim=1).amax()
    largest = norms if bias_NS is None else norms + bias_NS.abs().amax()
    return bool(largest <= _LARGEST_PLAIN_LOGIT)


def _pick_logits(logits_RV: torch.Tensor, columns_R: torch.Tensor) -> torch.Tensor:
    """Return the logit (R, 1) in each row's column, 0 where there is no such column."""
    inside_R = (columns_R >= 0) & (columns_R < logits_RV.shape[1])
    columns_R1 = columns_R.clamp(0, logits_RV.shape[1] - 1).unsqueeze(1)
    return torch.where(inside_R.unsqueeze(1), logits_RV.gather(1, columns_R1), 0.0)


def catalogue_cross_entropy(
    predicted_ND: torch.Tensor,
    vectors_VD: torch.Tensor,
    targets_N: torch.Tensor,
    *,
    first: int = 0,
    bias: HistoryBias | None = None,
) -> torch.Tensor:
    """Return the mean cross-entropy of inner products with every row of vectors_VD from `first` on.

    Args:
        predicted_ND: one prediction per token.
        vectors_VD: what competes, and perhaps padding in front.
        targets_N: int64 rows of vectors_VD, from `first` on.
        first: the first row that competes.
        bias: added to the inner products with the items of each token's history.

    Returns:
        A scalar; its gradients equal those of `cross_entropy(predicted_ND @ vectors_VD[first:].T, targets_N - first)`.

    Source: ADRec eq. 8; the running sum over tiles as in Milakov, Gimelshein 2018, arXiv 1805.02867.
    """
    biased_NS, bias_NS = (None, None) if bias is None else (bias.items_NS, bias.values_NS)
    loss: torch.Tensor = _CatalogueCrossEntropy.apply(  # type: ignore[no-untyped-call]
        predicted_ND, vectors_VD, targets_N, first, biased_NS, bias_NS
    )
    return loss


def denoising_errors(predicted_ND: torch.Tensor, x_start_ND: torch.Tensor) -> torch.Tensor:
    """Return each token's squared error to x_start, averaged over D.

    The loss is their inner product with `TokenOutputs.weights_N`.

    Source: ADRec eq. 7.
    """
    return (predicted_ND - x_start_ND).square().mean(dim=1)
