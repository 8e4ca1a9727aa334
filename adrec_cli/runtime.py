"""Device, threads, seeded generators and requests to stop: what a computation runs on."""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import FrameType
from typing import TYPE_CHECKING, Final

from adrec_cli.choices import choice
from adrec_cli.errors import InterruptedRun, Stopped, UsageError
from adrec_cli.wording import option

if TYPE_CHECKING:
    import torch


MOST_THREADS: Final = 1_024
"""More would take a machine's processes before they bring anything."""


COMPUTING: Final = "Computing"


ONE_CAPTURE: Final = threading.Lock()
"""Held while a CUDA graph is recorded: to begin another waits for the whole device, an error beside a recording."""


def device_choice() -> str:
    """Return the field of a dataclass of options that holds what to compute on."""
    return choice(
        "auto",
        str,
        "Device to compute on: auto, cpu, cuda, cuda:1, ...",
        metavar="NAME",
        usual=True,
        panel=COMPUTING,
        known=("auto", "cpu", "cuda"),
    )


def threads_choice(panel: str = COMPUTING) -> int | None:
    """Return the field of a dataclass of options that holds the number of CPU threads; None leaves PyTorch's."""
    return choice(
        None, int, "Number of CPU threads. [default: PyTorch's choice]", metavar="N", panel=panel, least=1,
        most=MOST_THREADS,
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Launched:
    """Which of the processes this is that a launcher has started together.

    Attributes:
        rank, count: from 0, and of all.
        local_rank, here: the same of those on this machine.
    """

    rank: int
    count: int
    local_rank: int
    here: int


def find_launched() -> Launched | None:
    """Return which process this is, by the variables that torchrun sets; None where it is the only one."""
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
    if not all(os.environ.get(name, "").isdecimal() for name in names) or "MASTER_ADDR" not in os.environ:
        return None
    rank, count, local_rank, here = (int(os.environ[name]) for name in names)
    return Launched(rank=rank, count=count, local_rank=local_rank, here=here) if count > 1 else None


def resolve_device(name: str) -> torch.device:
    """Return the device called `name`; "auto" takes CUDA where there is one.

    On CUDA, PyTorch then uses deterministic algorithms.

    Raises:
        UsageError: the name is unknown or the device is not there.
    """
    import torch

    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise UsageError(
            f"device {name!r} is not usable here", hint=f"use {option('device', 'cpu')} or {option('device', 'auto')}"
        ) from error
    if device.type == "cuda":
        _repeat_on_cuda()
    return device


def _repeat_on_cuda() -> None:
    """Have CUDA add up in the same order each time; what cannot be repeated would raise."""
    import torch

    # cuBLAS reads it at its first use; the sizes are those that PyTorch's notes on reproducibility give.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    # Nothing here reads memory before it is written, so that filling it would only take time.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def set_threads(count: int | None) -> int:
    """Limit PyTorch to `count` CPU threads (None leaves its default) and return how many it uses."""
    import torch

    if count is not None:
        if not 1 <= count <= MOST_THREADS:
            must = "at least 1" if count < 1 else f"at most {MOST_THREADS:,}"
            raise UsageError(f"{option('threads')} must be {must}, got {count:,}")
        torch.set_num_threads(count)
    return torch.get_num_threads()


def read_peak_memory() -> float | None:
    """Return the most memory that this process has taken so far, in MiB; None where nothing tells."""
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def require_compiler() -> None:
    """Raise unless torch.compile can compile something on this machine.

    Raises:
        UsageError: with what it said; mostly there is no C++ compiler.
    """
    import torch

    try:
        torch.compile(lambda x: x.sin() + 1)(torch.zeros(2))
    except Exception as error:
        lines = [line for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
        raise UsageError(
            f"torch.compile does not work here: {lines[0][:200]}",
            hint=f"install a C++ compiler, or leave out {option('compile')}",
        ) from error


def make_generator(seed: int, *purpose: str | int, device: torch.device | str = "cpu") -> torch.Generator:
    """Return a generator whose stream depends on `seed` and on what it is for, and on nothing else.

    A training step draws from `make_generator(seed, stage, epoch, step)`, so that a resumed run needs
    no stored random state to draw the same numbers.

    Args:
        seed: the run's seed.
        purpose: names and numbers that tell this stream from the others.
        device: where the numbers are drawn.
    """
    import torch

    return torch.Generator(device=device).manual_seed(seed_for(seed, *purpose))


def seed_for(seed: int, *purpose: str | int) -> int:
    """Return the seed of the stream that `make_generator` gives for a purpose."""
    digest = hashlib.sha256("/".join(map(str, (seed, *purpose))).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


# Where a terminal cannot hang up there is no SIGHUP.
ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else []))


@contextlib.contextmanager
def ignore_hangup() -> Iterator[None]:
    """Ignore SIGHUP while open, or until somebody else handles it."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)


_AGAIN_SECONDS: Final = 0.01
"""After which a signal is sent once more that nothing could be raised for."""


class StopRequest:
    """SIGINT, SIGTERM and SIGHUP as something a training can ask about between two steps, with `check`.

    Outside `defer()` a signal raises `InterruptedRun` where the program stands; inside, the first one is
    only noted in `signal_number`, so that all can be saved, and the second one raises at once.

    Attributes:
        signal_number: of a signal that was noted.
        began: when the run did, on `time.monotonic`.
        echo_seconds: within which a second signal is the first one once more, as where a launcher passes on what a
            terminal has sent to all already.
        trained_steps: optimizer steps of the stages that the run has been through.
    """

    def __init__(self) -> None:
        self.signal_number: int | None = None
        self._deferred = False
        self.began, self.trained_steps = time.monotonic(), 0
        self.echo_seconds, self._noted = 0.0, -math.inf
        self._report_unraisable: Callable[[sys.UnraisableHookArgs], object] = sys.unraisablehook
        self._again: threading.Timer | None = None

    @contextlib.contextmanager
    def defer(self) -> Iterator[None]:
        """While open, the first signal is noted instead of raised."""
        self._deferred = True
        try:
            yield
        finally:
            self._deferred = False

    @contextlib.contextmanager
    def install(self) -> Iterator[StopRequest]:
        """Handle the signals while open, and give the old handlers back afterwards.

        What whoever started the process has it ignore, as `nohup` does with SIGHUP, stays ignored.
        """
        numbers = [number for number in ENDING_SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
        before = {number: signal.signal(number, self._handle) for number in numbers}
        self._report_unraisable, sys.unraisablehook = sys.unraisablehook, self._raise_again
        try:
            yield self
        finally:
            sys.unraisablehook = self._report_unraisable
            if self._again is not None:
                self._again.cancel()
            for number, handler in before.items():
                signal.signal(number, handler)

    def check(self) -> None:
        """Raise if a signal was noted.

        Raises:
            Stopped: to be turned into the error that `to_error` returns, once all is saved.
        """
        if self.signal_number is not None:
            number = signal.Signals(self.signal_number)
            raise Stopped(f"stopped by {number.name}", signal_number=number)

    def to_error(self, message: str, *, hint: str = "") -> InterruptedRun:
        """Return the error that ends a run which has saved what it could."""
        return InterruptedRun(message, signal_number=self.signal_number or signal.SIGINT, hint=hint)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if time.monotonic() - self._noted < self.echo_seconds:
            return
        self._noted = time.monotonic()
        first = self.signal_number is None
        self.signal_number = number
        if not (self._deferred and first):
            raise self.to_error(f"stopped by {signal.Signals(number).name}")

    def _raise_again(self, unraisable: sys.UnraisableHookArgs) -> None:
        """Send a signal once more that came where nothing can be raised: while an object was finalized, say."""
        if not isinstance(unraisable.exc_value, InterruptedRun) or self.signal_number is None:
            self._report_unraisable(unraisable)
            return
        self._noted = -math.inf
        # Not from here, where nothing can be raised either.
        self._again = threading.Timer(_AGAIN_SECONDS, os.kill, (os.getpid(), self.signal_number))
        self._again.daemon = True
        self._again.start()
