"""Computations that a GPU repeats, as CUDA graphs: their operators are launched once, and from then on all together."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress

import torch

from adrec_cli.runtime import ONE_CAPTURE

_FEWEST_STEPS = 8
"""Recording a step took 6 ms where launching one took 2; with how few it pays was not measured."""
_OWN = threading.local()


def record(function: Callable[[], object], device: torch.device) -> torch.cuda.CUDAGraph:
    """Record what a function launches on a CUDA device; nothing is computed until the graph is replayed.

    `torch.cuda.graph` would first wait for all that is under way and hand back memory that the next operators need.

    Args:
        function: of tensors that stay where they are; it has been called before, so that libraries are set up.
        device: of the tensors.

    Raises:
        torch.OutOfMemoryError: a recording cannot use memory that others have left.
    """
    graph = torch.cuda.CUDAGraph()
    with ONE_CAPTURE:
        stream, current = _own_stream(device), torch.cuda.current_stream(device)
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


def _own_stream(device: torch.device) -> torch.cuda.Stream:
    """Return a stream that nobody else records on.

    PyTorch 2.13 frees what matrix products of a stream work with when a graph recorded there is gone. Streams of high
    priority are others than those of `Recordings` and `QueuedSteps`, whose graphs are kept.
    """
    streams: dict[torch.device, torch.cuda.Stream] = vars(_OWN).setdefault("streams", {})
    if device not in streams:
        streams[device] = torch.cuda.Stream(device, priority=-1)  # type: ignore[no-untyped-call]
    return streams[device]


def record_denoiser(
    denoise: Callable[[torch.Tensor, torch.Tensor], torch.Tensor], times_TD: torch.Tensor, *, steps: int
) -> Callable[[torch.Tensor, int], torch.Tensor]:
    """Return the `Denoiser` that knows its timesteps by their embeddings.

    On CUDA its second step is recorded, and replayed from then on: some sixty operators, whose launches take longer
    than their work. What it returns there is overwritten by its next step.

    Args:
        denoise: (x_t (..., D), time_D) -> the predicted x_start (..., D), the same for the same arguments.
        times_TD: the embedding of each timestep.
        steps: how many there will be; few are not recorded.
    """
    if times_TD.device.type != "cuda" or steps < _FEWEST_STEPS or torch.cuda.is_current_stream_capturing():
        return lambda x_t, t: denoise(x_t, times_TD[t])
    return _RecordedDenoiser(denoise, times_TD)


class _RecordedDenoiser:
    """A denoiser whose steps are one graph from the second on, where there is memory for it."""

    def __init__(self, denoise: Callable[[torch.Tensor, torch.Tensor], torch.Tensor], times_TD: torch.Tensor) -> None:
        self._denoise, self._times_TD = denoise, times_TD
        self._time_D = torch.empty_like(times_TD[0])
        self._steps = 0
        self._graph: torch.cuda.CUDAGraph | None = None
        self._x_t = self._x_start = times_TD.new_empty(0)

    def __call__(self, x_t: torch.Tensor, t: int) -> torch.Tensor:
        self._steps += 1
        if self._steps == 2:
            self._x_t = torch.empty_like(x_t, memory_format=torch.contiguous_format)
            with suppress(torch.OutOfMemoryError):
                self._graph = record(self._run, x_t.device)
        if self._graph is None:
            return self._denoise(x_t, self._times_TD[t])
        self._x_t.copy_(x_t)
        self._time_D.copy_(self._times_TD[t])
        self._graph.replay()
        return self._x_start

    def _run(self) -> None:
        self._x_start = self._denoise(self._x_t, self._time_D)
