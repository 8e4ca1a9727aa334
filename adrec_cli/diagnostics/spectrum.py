"""Into how many directions item vectors spread, and how evenly."""

from __future__ import annotations

import math

import torch

from adrec_cli.diagnostics.spread import standardize

_SMALLEST_DETERMINANT = 1e-9


def singular_values(vectors_ND: torch.Tensor) -> torch.Tensor:
    """Return the singular values of the standardized vectors, largest first."""
    singular_D: torch.Tensor = torch.linalg.svdvals(standardize(vectors_ND))
    return singular_D


def covariance(vectors_ND: torch.Tensor) -> torch.Tensor:
    """Return the sample covariance of the dimensions, covariance_DD; 0 for a single item."""
    centred_ND = vectors_ND - vectors_ND.mean(dim=0)
    return centred_ND.T @ centred_ND / max(len(vectors_ND) - 1, 1)


def entropy(shares_D: torch.Tensor) -> float:
    """Return the entropy, in nats, of values that are not negative, divided by their sum."""
    shares_D = shares_D.clamp(min=0)
    smallest = torch.finfo(shares_D.dtype).tiny
    return float(torch.special.entr(shares_D / shares_D.sum().clamp(min=smallest)).sum())


def effective_rank(vectors_ND: torch.Tensor) -> float:
    """Return exp of the entropy of the singular values of the vectors as they are, between 1 and D.

    Source: Roy and Vetterli, "The effective rank", EUSIPCO 2007.
    """
    return math.exp(entropy(torch.linalg.eigvalsh(vectors_ND.T @ vectors_ND).clamp(min=0).sqrt()))


def isotropy(vectors_ND: torch.Tensor) -> float:
    """Return the smallest eigenvalue of the standardized vectors' covariance over its largest; 1 is a ball."""
    eigenvalues_D = torch.linalg.eigvalsh(covariance(standardize(vectors_ND)))
    return float(eigenvalues_D[0].clamp(min=0) / (eigenvalues_D[-1] + _SMALLEST_DETERMINANT))


def kl_to_gaussian(vectors_ND: torch.Tensor) -> float:
    """Return the divergence, in nats, of a Gaussian with the standardized vectors' covariance from a standard one.

    The determinant counts as at least 1e-9, as in the official code, so that the result cannot exceed about 10.4: what
    has collapsed in many dimensions looks no worse than what has in few. `kl_to_gaussian_unbounded` tells them apart.
    """
    covariance_DD = covariance(standardize(vectors_ND))
    floored = math.log(float(torch.linalg.det(covariance_DD)) + _SMALLEST_DETERMINANT)
    return 0.5 * (float(covariance_DD.trace()) - len(covariance_DD) - floored)


def kl_to_gaussian_unbounded(vectors_ND: torch.Tensor) -> float | None:
    """Return the same without a floor; None where it is infinite, as with fewer items than dimensions."""
    covariance_DD = covariance(standardize(vectors_ND))
    eigenvalues_D = torch.linalg.eigvalsh(covariance_DD)
    # What rounding leaves of an eigenvalue that is zero.
    if eigenvalues_D[0] <= len(eigenvalues_D) * torch.finfo(eigenvalues_D.dtype).eps * eigenvalues_D[-1]:
        return None
    return 0.5 * float(covariance_DD.trace() - len(covariance_DD) - eigenvalues_D.log().sum())


def covariance_entropy(vectors_ND: torch.Tensor) -> float:
    """Return the entropy, in nats, of the shares of variance along the principal axes of the vectors as they are."""
    return entropy(torch.linalg.eigvalsh(covariance(vectors_ND)))
