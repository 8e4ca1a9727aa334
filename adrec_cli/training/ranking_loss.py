"""The loss a stage ranks items with: over the whole catalogue, or over negatives drawn for each step."""

from __future__ import annotations

import math

import torch

from adrec_cli.data.batches import TrainingWindows
from adrec_cli.errors import look_up
from adrec_cli.layers.comparison import BY_PRODUCTS, Comparison
from adrec_cli.layers.repeats import HistoryBias
from adrec_cli.models.base import SequentialRecommender
from adrec_cli.models.stages import CATALOGUE_LOSS, SAMPLED_LOSSES, Stage
from adrec_cli.schema import PAD
from adrec_cli.training.losses import catalogue_cross_entropy
from adrec_cli.training.padded_loss import padded_cross_entropy
from adrec_cli.training.sampled_losses import Items, ItemVectors, SampledLoss, negative_scores, target_scores


class RankingLoss:
    """What a stage's options say, as a function of predictions and targets."""

    def __init__(
        self,
        stage: Stage,
        target_counts_V: torch.Tensor,
        *,
        sparse: bool = False,
        comparison: Comparison = BY_PRODUCTS,
    ) -> None:
        """Prepare the drawing of negatives.

        Args:
            stage: its ranking_loss and the options of negatives.
            target_counts_V: float64, how often each item is a training target; 0 for padding.
            sparse: give item vectors a gradient of the rows in use alone; not with "ce".
            comparison: of predictions with item vectors.
        """
        self.stage, self.sparse, self.comparison = stage, sparse, comparison
        self.items = len(target_counts_V) - 1
        if stage.negatives_power:
            # An item that is never a target is never a negative either.
            share_V = target_counts_V.pow(stage.negatives_power)
        else:
            share_V = torch.ones_like(target_counts_V)
        share_V[0] = 0.0
        share_V = share_V / share_V.sum()
        self.cumulative_V = share_V.cumsum(0)
        self.log_share_V = share_V.log().float()

    @classmethod
    def from_windows(
        cls, stage: Stage, model: SequentialRecommender, windows: TrainingWindows, *, sparse: bool
    ) -> RankingLoss:
        """Return the loss of a stage that trains a model, which counts the targets among its competing items.

        Args:
            stage, sparse: as `__init__`.
            model: that is trained.
            windows: it learns from.
        """
        counts = windows.target_counts(model.count_items())
        competing = model.competing_items()
        target_counts_V = torch.from_numpy(counts if competing is None else counts[competing.cpu().numpy()]).double()
        return cls(stage, target_counts_V, sparse=sparse, comparison=model.comparison)

    def __call__(
        self,
        predicted_ND: torch.Tensor,
        vectors: ItemVectors,
        targets_N: torch.Tensor,
        negatives: torch.Tensor | None,
        bias: HistoryBias | None = None,
        *,
        padded: bool = False,
    ) -> torch.Tensor:
        """Return the loss, a scalar.

        Args:
            predicted_ND: one prediction per token, before it is compared.
            vectors: of the items, too; row 0 is padding and never competes. Those of all where not `looks_up_few`.
            targets_N: int64 item indices.
            negatives: as `draw` returned them; "ce" looks at none.
            bias: added to the scores of the items of each token's history.
            padded: some tokens are padding, whose target is 0.
        """
        stage, comparison = self.stage, self.comparison
        predicted_ND = comparison(predicted_ND)
        if stage.ranking_loss == CATALOGUE_LOSS:
            assert isinstance(vectors, torch.Tensor)
            vectors = comparison(vectors)
            if padded:
                return padded_cross_entropy(predicted_ND, vectors, targets_N, bias)
            return catalogue_cross_entropy(predicted_ND, vectors, targets_N, first=1, bias=bias)
        assert negatives is not None
        items = Items(vectors, comparison, sparse=self.sparse)
        positive_N = target_scores(predicted_ND, items, targets_N)
        negative_NK = negative_scores(predicted_ND, items, negatives, targets_N)
        if bias is not None:
            positive_N = positive_N + bias.of(targets_N.unsqueeze(1)).squeeze(1)
            negative_NK = negative_NK + bias.of(negatives)
        # The target's own score stays as it is: it is there whatever is drawn.
        if stage.ranking_loss == "sampled_softmax" and stage.logq_correction:
            negative_NK = negative_NK - self._log_expected(negatives)
        counted_N = (targets_N != PAD).to(positive_N.dtype) if padded else None
        loss: SampledLoss = look_up(SAMPLED_LOSSES, stage.ranking_loss, SAMPLED_LOSSES.what)
        return loss(positive_N, negative_NK, counted_N, stage, self.items)

    def looks_up_few(self, tokens: int) -> bool:
        """Return whether the loss of a number of tokens looks up fewer vectors than there are items."""
        return (
            self.stage.ranking_loss != CATALOGUE_LOSS
            and self.stage.shared_negatives
            and tokens + self.stage.negatives < self.items
        )

    def draw(self, tokens: int, generator: torch.Generator) -> torch.Tensor:
        """Draw items with replacement: (K,) where all tokens of a step share them, else (N, K)."""
        count = self.stage.negatives
        shape = (count,) if self.stage.shared_negatives else (tokens, count)
        device = generator.device
        if self.stage.negatives_power == 0:
            return torch.randint(1, self.items + 1, shape, generator=generator, device=device)
        drawn = torch.rand(shape, generator=generator, device=device, dtype=torch.float64)
        # Brought over once.
        self.cumulative_V = self.cumulative_V.to(device)
        return torch.searchsorted(self.cumulative_V, drawn, right=True).clamp(max=self.items)

    def _log_expected(self, items: torch.Tensor) -> torch.Tensor:
        """Return log(K q) of drawn items: how often each is expected among the negatives."""
        self.log_share_V = self.log_share_V.to(items.device)
        return self.log_share_V[items] + math.log(self.stage.negatives)
