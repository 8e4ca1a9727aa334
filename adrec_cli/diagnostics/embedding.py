"""All figures about a matrix of item vectors, and each one's name and meaning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import torch

from adrec_cli.diagnostics.spectrum import (
    covariance_entropy,
    effective_rank,
    entropy,
    isotropy,
    kl_to_gaussian,
    kl_to_gaussian_unbounded,
    singular_values,
)
from adrec_cli.diagnostics.spread import embedding_variance, mean_cosine, mean_distance
from adrec_cli.errors import InputError
from adrec_cli.wording import inflect, say_count

MIN_ITEMS = 3


@dataclass(frozen=True, kw_only=True)
class EmbeddingDiagnostics:
    """What a matrix of item vectors looks like; `TERMS` says what each figure means.

    Attributes:
        items, width: V and D of the matrix.
        silhouette: None where it was not computed, or there are no clusters.
        kl_to_gaussian_unbounded: None where it is infinite.
        singular_values: of the standardised vectors, largest first.
    """

    items: int
    width: int
    embedding_variance: float
    mean_cosine: float
    mean_distance: float
    effective_rank: float
    singular_value_entropy: float
    singular_value_variance: float
    isotropy: float
    kl_to_gaussian: float
    kl_to_gaussian_unbounded: float | None
    covariance_entropy: float
    silhouette: float | None = None
    singular_values: tuple[float, ...] = field(repr=False)


@torch.no_grad()
def diagnose(vectors_ND: torch.Tensor) -> EmbeddingDiagnostics:
    """Measure item vectors, all but the silhouette, in double precision.

    Args:
        vectors_ND: one row per item, without padding.

    Raises:
        InputError: fewer than three items.
    """
    if len(vectors_ND) < MIN_ITEMS:
        raise InputError(
            f"{say_count(len(vectors_ND), 'item vector')} {inflect(len(vectors_ND), 'is', 'are')} too few to measure",
            hint=f"{MIN_ITEMS} are needed",
        )
    vectors_ND = vectors_ND.detach().cpu().double()
    singular_D = singular_values(vectors_ND)
    return EmbeddingDiagnostics(
        items=len(vectors_ND),
        width=vectors_ND.shape[1],
        embedding_variance=embedding_variance(vectors_ND),
        mean_cosine=mean_cosine(vectors_ND),
        mean_distance=mean_distance(vectors_ND),
        effective_rank=effective_rank(vectors_ND),
        singular_value_entropy=entropy(singular_D),
        singular_value_variance=float(singular_D.var(correction=0)),
        isotropy=isotropy(vectors_ND),
        kl_to_gaussian=kl_to_gaussian(vectors_ND),
        kl_to_gaussian_unbounded=kl_to_gaussian_unbounded(vectors_ND),
        covariance_entropy=covariance_entropy(vectors_ND),
        singular_values=tuple(singular_D.tolist()),
    )


TERMS: Mapping[str, str] = MappingProxyType(
    {
        "embedding_variance": "how far items lie from their centre; near 0 all are the same",
        "mean_cosine": "of two items; 0: all directions, 1: all the same way, collapse",
        "mean_distance": "between two items",
        "effective_rank": "in how many directions items lie; width at most, 1 is a line",
        "singular_value_entropy": "how even the spectrum is; ln(width) at most",
        "singular_value_variance": "how uneven it is; noise has little, few strong ones much",
        "isotropy": "smallest by largest variance; 1: a ball, 0: a direction is empty",
        "kl_to_gaussian": "nats from a round cloud, cut off at about 10.4",
        "kl_to_gaussian_unbounded": "the same, not cut off; none: a direction is quite empty",
        "covariance_entropy": "how evenly variance lies on its main axes; ln(width) at most",
        "silhouette": "of k-means clusters; 1: apart, 0: they run into each other",
    }
)
"""One line for each figure of `EmbeddingDiagnostics`."""
