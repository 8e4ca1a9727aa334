"""ADRec and SASRec whose scores are cosines divided by a temperature; a plugin, with which accuracy.md tried them.

adrec train amazon-beauty --model cosine-adrec --plugin tests/benchmarks/cosine_scores.py --set model.temperature=0.07

Item vectors go into the network as they are. What is compared, in every loss and in ranking, has length
temperature ** -0.5, so that no item is ahead because its vector is long.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F

from adrec_cli.layers.dropout import dropout
from adrec_cli.layers.embedding import ItemEmbedding
from adrec_cli.models.adrec import ADRec
from adrec_cli.models.adrec_config import ADRecConfig
from adrec_cli.models.base import SequentialRecommender, TokenOutputs
from adrec_cli.models.batch import HistoryBatch, PackedBatch
from adrec_cli.models.sampling import Sampling
from adrec_cli.models.sasrec import SASRec
from adrec_cli.models.sasrec_config import SASRecConfig

_SHORTEST = 1e-6
"""The padding vector stays zero."""


def scale(vectors: torch.Tensor, temperature: float) -> torch.Tensor:
    """Return vectors (..., D) of one length, whose inner products are cosines divided by the temperature."""
    return F.normalize(vectors, dim=-1, eps=_SHORTEST) * temperature**-0.5


class Cosines(SequentialRecommender):
    """What both models have in common, in front of the model that is changed."""

    item_embedding: ItemEmbedding

    def drop_item_vectors_VD(self, generator: torch.Generator | None) -> torch.Tensor | None:
        """Return what `item_dropout` leaves of the vectors that go into the network; None for all of them."""
        if not self.item_dropout or generator is None:
            return None
        return dropout(self.item_embedding.vectors_VD(), self.item_dropout, generator)

    def token_outputs(self, batch: PackedBatch, *, output: str, generator: torch.Generator | None) -> TokenOutputs:
        """Return all that is compared in one length."""
        found = super().token_outputs(batch, output=output, generator=generator)
        vectors_VD = self.item_embedding.vectors_VD() if found.vectors_VD is None else found.vectors_VD
        return replace(
            found,
            predicted_ND=self.scale(found.predicted_ND),
            x_start_ND=None if found.x_start_ND is None else self.scale(found.x_start_ND),
            vectors_VD=self.scale(vectors_VD),
        )

    def item_vectors_VD(self) -> torch.Tensor:
        """Return the item vectors, as they are compared."""
        return self.scale(self.item_embedding.vectors_VD())

    def scale(self, vectors: torch.Tensor) -> torch.Tensor:
        """Return vectors as they are compared."""
        return scale(vectors, self.config.temperature)


@dataclass(frozen=True, kw_only=True)
class CosineSASRecConfig(SASRecConfig):
    """Options of SASRec, and the temperature."""

    temperature: float = 0.07


class CosineSASRec(Cosines, SASRec):
    """SASRec with cosines as scores."""

    name, title, config_type = "cosine-sasrec", "SASRec, cosines", CosineSASRecConfig

    @torch.no_grad()
    def represent(
        self, histories: HistoryBatch, *, output: str, sampling: Sampling, generator: torch.Generator
    ) -> torch.Tensor:
        """Return representation_BD, as it is compared."""
        return self.scale(super().represent(histories, output=output, sampling=sampling, generator=generator))


@dataclass(frozen=True, kw_only=True)
class CosineADRecConfig(ADRecConfig):
    """Options of ADRec, and the temperature."""

    temperature: float = 0.07


class CosineADRec(Cosines, ADRec):
    """ADRec with cosines as scores; the denoising loss compares the same vectors."""

    name, title, config_type = "cosine-adrec", "ADRec, cosines", CosineADRecConfig

    @torch.no_grad()
    def represent_from(self, histories: HistoryBatch, *, output: str, sampling: Sampling, noise: Any) -> torch.Tensor:
        """Return representation_BD, as it is compared."""
        return self.scale(super().represent_from(histories, output=output, sampling=sampling, noise=noise))


MODELS = {"cosine-sasrec": CosineSASRec, "cosine-adrec": CosineADRec}
