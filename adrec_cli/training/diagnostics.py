"""Figures that tell early when a training goes wrong: exploding losses and collapsing item vectors. They warn only."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import torch

from adrec_cli.diagnostics.spectrum import effective_rank, entropy, isotropy, singular_values
from adrec_cli.diagnostics.spread import embedding_variance, mean_cosine_of_others
from adrec_cli.models.base import SequentialRecommender
from adrec_cli.training.item_blocks import ItemBlocks
from adrec_cli.wording import option

MAX_SAMPLED_ITEMS = 4096
MAX_MEAN_COSINE = 0.9
MIN_RANK_SHARE = 0.05
MIN_RANK = 1.5
EXPLOSION = 5.0
_SMOOTHING = 0.9
_FIRST_STEPS = 10
_FLOOR_SHARE = 0.01


@dataclass(frozen=True, kw_only=True)
class EmbeddingHealth:
    """How much room the item vectors take: what is cheap of `adrec_cli.diagnostics`.

    Attributes:
        effective_rank: between 1 and `full_rank`.
        mean_cosine: between two different items; 1 where all point the same way.
        embedding_variance, singular_value_entropy, isotropy: as `diagnostics.embedding.TERMS` explains.
        full_rank: the most `effective_rank` can be.
    """

    effective_rank: float
    mean_cosine: float
    embedding_variance: float
    singular_value_entropy: float
    isotropy: float
    full_rank: int

    def figures(self) -> dict[str, float]:
        """Return what an epoch's row tells of it."""
        return {name: value for name, value in asdict(self).items() if name != "full_rank"}

    @property
    def warning(self) -> str:
        """What deserves a look; "" if nothing does."""
        if self.mean_cosine > MAX_MEAN_COSINE:
            return f"the item vectors collapse: mean cosine {self.mean_cosine:.3f} (above {MAX_MEAN_COSINE})"
        if self.full_rank > 2 and self.effective_rank < max(MIN_RANK, MIN_RANK_SHARE * self.full_rank):
            return f"the item vectors collapse: effective rank {self.effective_rank:.2f} of {self.full_rank}"
        return ""


def embedding_health(vectors_VD: torch.Tensor) -> EmbeddingHealth:
    """Measure item vectors, on at most 4,096 of them; row 0 is padding and left out."""
    return _measure(vectors_VD[_choose_rows(len(vectors_VD) - 1)])


@torch.no_grad()
def measure_health(model: SequentialRecommender, blocks: ItemBlocks | None) -> EmbeddingHealth:
    """Measure the item vectors of a model as `embedding_health`; where they lie in blocks, all processes together."""
    if blocks is None:
        return embedding_health(model.item_vectors_VD())
    items = torch.arange(blocks.rows, device=blocks.weight.device)
    return _measure(blocks.look_up(items[_choose_rows(blocks.rows - 1)]))


def _choose_rows(items: int) -> slice:
    return slice(1, None, max(1, -(-items // MAX_SAMPLED_ITEMS)))


@torch.no_grad()
def _measure(sampled_ND: torch.Tensor) -> EmbeddingHealth:
    sampled_ND = sampled_ND.detach().double()
    return EmbeddingHealth(
        effective_rank=effective_rank(sampled_ND),
        mean_cosine=mean_cosine_of_others(sampled_ND),
        embedding_variance=embedding_variance(sampled_ND),
        singular_value_entropy=entropy(singular_values(sampled_ND)),
        isotropy=isotropy(sampled_ND),
        full_rank=min(sampled_ND.shape),
    )


class LossWatch:
    """Compares each step's loss with the lowest smoothed loss so far, and tells once when it explodes."""

    def __init__(self) -> None:
        self._steps, self._smoothed, self._lowest, self._floor, self._told = 0, 0.0, math.inf, 0.0, False

    def observe(self, loss: float) -> str:
        """Take the loss of a step; return a warning with the figures the first time it is far too high, else ""."""
        if not self._told and self._steps >= _FIRST_STEPS and loss > EXPLOSION * max(self._lowest, self._floor):
            self._told = True
            return (
                f"loss {loss:.4g} is {loss / max(self._lowest, self._floor):.1f} times the lowest average so far "
                f"({self._lowest:.4g}): a smaller {option('learning_rate')} may be needed"
            )
        self._steps += 1
        self._smoothed = loss if self._steps == 1 else _SMOOTHING * self._smoothed + (1 - _SMOOTHING) * loss
        if self._steps >= _FIRST_STEPS:
            self._lowest = min(self._lowest, self._smoothed)
            # Where everything is learned by heart, a large multiple of next to nothing is no explosion.
            self._floor = self._floor or _FLOOR_SHARE * self._smoothed
        return ""
