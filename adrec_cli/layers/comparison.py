"""How predictions are compared with items: by inner products, or by cosines."""

from __future__ import annotations

import torch

_SHORTEST = 1e-6
"""Vectors that are shorter have no direction to go by, as that of padding, and stay zero."""


class Comparison:
    """What is done to predictions and item vectors before their inner products are scores.

    Attributes:
        temperature: of cosines, by which they are divided; None for the vectors as they are.
    """

    def __init__(self, name: str, temperature: float) -> None:
        """Take one of `SCORES`, and the temperature of cosines, which products have none of."""
        self.temperature = temperature if name == "cosine" else None
        self._kept: tuple[tuple[int, int], torch.Tensor, torch.Tensor] | None = None

    def __call__(self, vectors: torch.Tensor) -> torch.Tensor:
        """Return vectors (..., D) as they are compared: of cosines all have the length temperature ** -0.5."""
        return vectors if self.temperature is None else vectors * self.scale(vectors)

    @property
    def greatest_difference(self) -> float:
        """By how much two scores can differ; 0 where nobody knows."""
        return 0.0 if self.temperature is None else 2 / self.temperature

    def scale(self, vectors: torch.Tensor) -> torch.Tensor:
        """Return what vectors (..., D) are multiplied by, (..., 1); of cosines only."""
        assert self.temperature is not None
        lengths = torch.linalg.vector_norm(vectors, dim=-1, keepdim=True)
        # Of what has no direction the scale is zero rather than large, and so is the gradient.
        return torch.where(lengths > _SHORTEST, self.temperature**-0.5 / lengths.clamp(min=_SHORTEST), 0.0)

    def of_all(self, vectors_VD: torch.Tensor) -> torch.Tensor:
        """Return the vectors of all items as they are compared; of cosines they are kept while nothing is trained.

        Args:
            vectors_VD: without a gradient.
        """
        if self.temperature is None:
            return vectors_VD
        made_from = vectors_VD.data_ptr(), 0 if vectors_VD.is_inference() else vectors_VD._version
        kept = self._kept
        if kept is None or kept[0] != made_from:
            # With what they were made from, so that its memory becomes no other tensor's.
            self._kept = kept = made_from, vectors_VD, self(vectors_VD)
        return kept[2]

    def forget(self) -> None:
        """Forget what was kept: a recorded training step changes weights without their telling."""
        self._kept = None


BY_PRODUCTS = Comparison("product", 1.0)
