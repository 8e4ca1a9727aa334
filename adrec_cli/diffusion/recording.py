"""Computations that a GPU repeats, as CUDA graphs: their operators are launched once, and from then on all together."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress

import torch

_ONE_AT_A_TIME = threading.Lock()


def record(function: Callable[[], object], device: torch.device) -> torch.cuda.CUDAGraph:
    """Record what a function launches on a CUDA device; nothing is computed until the graph is replayed.

    `torch.cuda.graph` would first wait for all that is under way and hand back memory that the next operators need.

    Args:
        function: of tensors that stay where they are; it has been called before, so that libraries are set up.
        device: of the tensors.
    """
    graph = torch.cuda.CUDAGraph()
    with _ONE_AT_A_TIME:
        stream, current = torch.cuda.Stream(device), torch.cuda.current_stream(device)  # type: ignore[no-untyped-call]
        stream.wait_stream(current)
        with torch.cuda.stream(stream):
            graph.capture_begin(capture_error_mode="thread_local")
            try:
                function()
            except BaseException:
                # The recording is broken, which its end would complain of instead of this.
                with suppress(RuntimeError):
                    graph.capture_end()
                raise
            graph.capture_end()
        current.wait_stream(stream)
    return graph


def record_denoiser(
    denoise: Callable[[torch.Tensor, torch.Tensor], torch.Tensor], times_TD: torch.Tensor
) -> Callable[[torch.Tensor, int], torch.Tensor]:
    """Return the `Denoiser` that knows its timesteps by their embeddings.

    On CUDA its second step is recorded, and replayed from then on: some sixty operators, whose launches take longer
    than their work. What it returns there is overwritten by its next step.

    Args:
        denoise: (x_t (..., D), time_D) -> the predicted x_start (..., D), the same for the same arguments.
        times_TD: the embedding of each timestep.
    """
    if times_TD.device.type != "cuda" or torch.cuda.is_current_stream_capturing():
        return lambda x_t, t: denoise(x_t, times_TD[t])
    return _RecordedDenoiser(denoise, times_TD)


class _RecordedDenoiser:
    """A denoiser whose steps are one graph from the second on."""

    def __init__(self, denoise: Callable[[torch.Tensor, torch.Tensor], torch.Tensor], times_TD: torch.Tensor) -> None:
        self._denoise, self._times_TD = denoise, times_TD
        self._time_D = torch.empty_like(times_TD[0])
        self._steps = 0
        self._graph: torch.cuda.CUDAGraph | None = None
        self._x_t = self._x_start = times_TD.new_empty(0)

    def __call__(self, x_t: torch.Tensor, t: int) -> torch.Tensor:
        self._steps += 1
        if self._steps == 1:
            return self._denoise(x_t, self._times_TD[t])
        if self._graph is None:
            self._x_t = torch.empty_like(x_t, memory_format=torch.contiguous_format)
            self._graph = record(self._run, x_t.device)
        self._x_t.copy_(x_t)
        self._time_D.copy_(self._times_TD[t])
        self._graph.replay()
        return self._x_start

    def _run(self) -> None:
        self._x_start = self._denoise(self._x_t, self._time_D)
