"""Quantiles of the Beta distribution, which PyTorch does not have."""

from __future__ import annotations

import math

import torch

_TERMS = 300
"""Of the continued fraction; it needs about the square root of the larger parameter."""
_STEPS = 200
_TINY = 1e-300


def beta_cdf(x: torch.Tensor, a: float, b: float) -> torch.Tensor:
    """Return the probability that a Beta(a, b) variable is at most x, the regularised incomplete beta function.

    Args:
        x: float64 in [0, 1].
        a, b: positive, at most some thousands.

    Source: Press et al., Numerical Recipes, section 6.4 (continued fraction, Lentz's method).
    """
    mirrored = x > (a + 1) / (a + b + 2)
    y = torch.where(mirrored, 1 - x, x)
    p = torch.where(mirrored, torch.full_like(x, b), torch.full_like(x, a))
    q = a + b - p
    log_front = p * y.log() + q * torch.log1p(-y) - (math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b))
    value = log_front.exp() * _evaluate_continued_fraction(y, p, q) / p
    return torch.where(mirrored, 1 - value, value)


def beta_quantile(probability: torch.Tensor, a: float, b: float) -> torch.Tensor:
    """Return the x that a Beta(a, b) variable is below with a given probability, by Newton steps within a bracket.

    Args:
        probability: float64, strictly between 0 and 1.
        a, b: as `beta_cdf`.
    """
    log_beta = math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
    low, high = torch.zeros_like(probability), torch.ones_like(probability)
    # Near 0 the distribution is x^a / (a B(a, b)): the best start where quantiles are smallest.
    x = torch.exp((probability.log() + math.log(a) + log_beta) / a).clamp(1e-300, 0.5)
    for _ in range(_STEPS):
        excess = beta_cdf(x, a, b) - probability
        low, high = torch.where(excess < 0, x, low), torch.where(excess < 0, high, x)
        density = torch.exp((a - 1) * x.log() + (b - 1) * torch.log1p(-x) - log_beta)
        newton = x - excess / density
        following = torch.where((newton > low) & (newton < high), newton, (low + high) / 2)
        if bool(((following - x).abs() <= 1e-15 * x).all()):
            break
        x = following
    return x


def _evaluate_continued_fraction(x: torch.Tensor, p: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
    def away_from_zero(value: torch.Tensor) -> torch.Tensor:
        return torch.where(value.abs() < _TINY, _TINY, value)

    c = torch.ones_like(x)
    d = 1 / away_from_zero(1 - (p + q) * x / (p + 1))
    fraction = d
    for m in range(1, _TERMS):
        for numerator in (
            m * (q - m) * x / ((p + 2 * m - 1) * (p + 2 * m)),
            -(p + m) * (p + q + m) * x / ((p + 2 * m) * (p + 2 * m + 1)),
        ):
            d = 1 / away_from_zero(1 + numerator * d)
            c = away_from_zero(1 + numerator / c)
            change = c * d
            fraction = fraction * change
        if bool(((change - 1).abs() < 4e-16).all()):
            break
    return fraction
