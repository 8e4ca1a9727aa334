"""The representation of a few histories as a CUDA graph, for models that answer one request after the other.

A request of one user is some thousand operators at 32 reverse steps, whose launches take ten times as long as their
work. Histories are padded to a shape that many share; its computation is recorded the second time it is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from adrec_cli.models.base import SequentialRecommender
from adrec_cli.models.batch import HistoryBatch
from adrec_cli.models.sampling import Sampling
from adrec_cli.runtime import ONE_CAPTURE

_MOST_ROWS = 16
"""Of a batch that is recorded; larger ones are computed while the next operators are launched."""
_POSITIONS_TOGETHER = 8
_MOST_GRAPHS = 64


@dataclass
class _Recording:
    """The computation of one shape.

    Attributes:
        histories: on the device, copied into before it runs.
        noise_NB1D: the N draws of a sampler.
        graph: None where it is computed operator by operator.
        representation_BD: what it leaves.
    """

    histories: HistoryBatch
    noise_NB1D: torch.Tensor
    graph: torch.cuda.CUDAGraph | None = None
    representation_BD: torch.Tensor | None = None


class Recordings:
    """Computations of a model whose weights stay as they are."""

    def __init__(self, device: torch.device, *, padded_only: bool = False) -> None:
        """Begin with none.

        Args:
            device: to compute on; only CUDA records.
            padded_only: pad as for a recording, but record nothing, whatever the device.
        """
        self.device, self.padded_only = device, padded_only
        self._seen: set[object] = set()
        self._made: dict[object, _Recording] = {}

    def represent(
        self,
        model: SequentialRecommender,
        histories: HistoryBatch,
        *,
        output: str,
        sampling: Sampling,
        generator: torch.Generator,
    ) -> torch.Tensor | None:
        """Return representation_BD as the model would but for rounding; None where nothing is recorded for this shape.

        Args:
            model: always the same.
            histories: on the CPU.
            output, sampling, generator: as `SequentialRecommender.represent`.
        """
        rows = len(histories.lengths_B)
        if not (self.padded_only or self.device.type == "cuda") or not model.recordable or rows > _MOST_ROWS:
            return None
        padded = _pad(histories, model.max_length)
        key = (tuple(padded.items_BL.shape), output, sampling)
        if key not in self._seen or (key not in self._made and len(self._made) >= _MOST_GRAPHS):
            self._seen.add(key)
            return None
        noise = model.draw_noise(padded, output=output, sampling=sampling, generator=generator)
        if key not in self._made:
            self._made[key] = self._record(model, padded, noise.count, output=output, sampling=sampling)
        made = self._made[key]
        made.histories.items_BL.copy_(padded.items_BL)
        made.histories.lengths_B.copy_(padded.lengths_B)
        if made.histories.seconds_BL is not None and padded.seconds_BL is not None:
            made.histories.seconds_BL.copy_(padded.seconds_BL)
        if noise.count:
            made.noise_NB1D.copy_(torch.stack([noise.draw() for _ in range(noise.count)]))
        if made.graph is None:
            made.representation_BD = self._compute(model, made, output=output, sampling=sampling)
        else:
            made.graph.replay()
        assert made.representation_BD is not None
        return made.representation_BD[:rows].clone()

    def _record(
        self, model: SequentialRecommender, padded: HistoryBatch, draws: int, *, output: str, sampling: Sampling
    ) -> _Recording:
        rows, width = len(padded.lengths_B), model.item_vectors_VD().shape[1]
        made = _Recording(
            histories=padded.to(self.device), noise_NB1D=torch.zeros(draws, rows, 1, width, device=self.device)
        )
        if self.padded_only:
            return made
        stream = torch.cuda.Stream(self.device)  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream(self.device))
        with torch.cuda.stream(stream):
            self._compute(model, made, output=output, sampling=sampling)
        torch.cuda.current_stream(self.device).wait_stream(stream)
        made.graph = torch.cuda.CUDAGraph()
        with ONE_CAPTURE, torch.cuda.graph(made.graph, stream=stream, capture_error_mode="thread_local"):
            made.representation_BD = self._compute(model, made, output=output, sampling=sampling)
        return made

    def _compute(
        self, model: SequentialRecommender, made: _Recording, *, output: str, sampling: Sampling
    ) -> torch.Tensor:
        draws: Iterator[torch.Tensor] = iter(made.noise_NB1D.unbind(0))
        return model.represent_from(made.histories, output=output, sampling=sampling, noise=lambda: next(draws))


def _pad(histories: HistoryBatch, max_length: int) -> HistoryBatch:
    """Fill up to a power of two rows, by repeating the last, and to a multiple of 8 positions, at most max_length."""
    rows, length = histories.items_BL.shape
    more_rows = (1 << (rows - 1).bit_length()) - rows
    wanted = max(length, min(max_length, -(-length // _POSITIONS_TOGETHER) * _POSITIONS_TOGETHER))

    def fill(values_BL: torch.Tensor) -> torch.Tensor:
        padded_BL = F.pad(values_BL, (0, wanted - length))
        return torch.cat([padded_BL, padded_BL[-1:].expand(more_rows, -1)])

    return HistoryBatch(
        items_BL=fill(histories.items_BL),
        lengths_B=torch.cat([histories.lengths_B, histories.lengths_B[-1:].expand(more_rows)]),
        seconds_BL=None if histories.seconds_BL is None else fill(histories.seconds_BL),
    )
