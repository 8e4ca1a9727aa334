"""The exponential moving average of the weights along a training, which ranks better than the last step's weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch


class WeightAverage:
    """Averages of trained weights, a step at a time.

    Source: Polyak, Juditsky 1992; the warm-up of the decay, min(decay, (1 + n) / (10 + n)) at step n, as in Ho et al.'s
    and later diffusion code, keeps fresh weights from weighing on the average.
    """

    def __init__(self, decay: float, trained: Mapping[str, torch.nn.Parameter]) -> None:
        """Begin with the weights as they are.

        Args:
            decay: in [0, 1), the share of the average that a step keeps; 0 averages nothing and stores nothing.
            trained: the weights by name.
        """
        self.decay = decay
        self.trained = trained
        self.averages = {name: weight.detach().clone() for name, weight in trained.items()} if decay else {}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Fold the weights after an optimizer step, counted from 1, into the average."""
        if not self.averages:
            return
        keep = self.compute_decay(step)
        trained: list[torch.Tensor] = [self.trained[name] for name in self.averages]
        torch._foreach_lerp_(list(self.averages.values()), trained, 1 - keep)

    def compute_decay(self, step: int) -> float:
        """Return the share of the average that is kept after an optimizer step, counted from 1."""
        return min(self.decay, (1 + step) / (10 + step))

    @torch.no_grad()
    def update_by(self, share: torch.Tensor) -> None:
        """Fold the weights into the average by a share on the device, 1 - `compute_decay`; 0 leaves every byte."""
        if not self.averages:
            return
        averages = list(self.averages.values())
        change = torch._foreach_sub([self.trained[name] for name in self.averages], averages)
        torch._foreach_mul_(change, share)
        torch._foreach_add_(averages, change)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Let the model have the averages for a while; nothing may be trained meanwhile."""
        self._exchange()
        try:
            yield
        finally:
            self._exchange()

    def _exchange(self) -> None:
        for name, average in self.averages.items():
            weight = self.trained[name]
            self.averages[name], weight.data = weight.data, average
