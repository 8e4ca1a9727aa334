"""Several processes that a launcher started together: what they say to each other, by `torch.distributed`.

Between them numbers are only moved; what is added up is added up by each process itself, in an order that does not
depend on how many there are. So no setting of NCCL or gloo has a say in the result.
"""

from __future__ import annotations

import contextlib
import json
import re
import signal
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from typing import Any, Final, TypeVar

import torch
import torch.distributed as dist
from torch.distributed.distributed_c10d import PrefixStore

from adrec_cli import errors
from adrec_cli.errors import AdrecError, DivergedError, ExitCode, InterruptedRun, Stopped, UsageError
from adrec_cli.runtime import Launched
from adrec_cli.training.memory_once import CAN_BE_SHARED, MemoryOnce
from adrec_cli.training.processes import Processes
from adrec_cli.wording import option, say_count

T = TypeVar("T")

_LONGEST_SILENCE: Final = timedelta(hours=1)
"""A process that is there and says nothing for so long is given up: nothing that all do together has longer pauses."""
_LOOK_AGAIN_SECONDS: Final = 0.1
_FAREWELL_SECONDS: Final = 5.0
_LETTER: Final = 1024
"""Bytes that a message fits into nearly always; a longer one is sent once more."""
_LENGTH: Final = 8
_SAME_WHEREVER_RAISED: Final = (DivergedError, InterruptedRun)
_OF_CONNECTIONS: Final = (dist.DistBackendError, dist.DistNetworkError, dist.DistStoreError)
_GLOO_CONNECTION: Final = re.compile(r"gloo[/\\](?:transport|rendezvous)[/\\]")
"""What gloo names of its source where a connection fails; it has no class of error for that."""
_FAULT_HERE: Final = re.compile(
    "enforce fail|ncclUnhandledCudaError|ncclInvalid|out of memory|CUDA calloc", re.IGNORECASE
)
"""What the libraries say, in errors of the same classes, of what is wrong in this process itself."""


class SeveralProcesses(Processes):
    """One of several processes; `Processes` says what its methods do.

    Attributes:
        exit_code: of the first process, once it has ended.
    """

    def __init__(self, launched: Launched) -> None:
        """Meet the others.

        Args:
            launched: which process this is.

        Raises:
            Stopped: they cannot be reached.
        """
        self.rank, self.count, self.here = launched.rank, launched.count, launched.here
        self.exit_code, self.lost = int(ExitCode.OK), False
        self._local_rank, self._orders, self._own_card = launched.local_rank, 0, True
        with self._reaching():
            store, _, _ = next(dist.rendezvous("env://", timeout=_LONGEST_SILENCE))  # type: ignore[attr-defined]
            self._store = PrefixStore("adrec", store)
            dist.init_process_group(
                "cpu:gloo,cuda:nccl" if torch.cuda.is_available() and dist.is_nccl_available() else "gloo",
                store=PrefixStore("group", self._store), rank=self.rank, world_size=self.count,
                timeout=_LONGEST_SILENCE,
            )  # fmt: skip
        if CAN_BE_SHARED and self.here > 1:
            self.once = MemoryOnce(self._store, self._reaching)

    def choose_device(self, name: str) -> str:
        """Return the card of this process; a card that is named by its number is shared by all of this machine."""
        named = name not in ("auto", "cuda")
        if named or not torch.cuda.is_available():
            # NCCL takes no card twice: what several processes of one card tell each other goes through the host.
            self._own_card = False
            return name
        cards = torch.cuda.device_count()
        if cards < self.here:
            raise UsageError(
                f"{say_count(self.here, 'process', 'processes')} on a machine with {say_count(cards, 'card')}",
                hint=f"start one per card, or let them share one: {option('device', 'cuda:0')}",
            )
        torch.cuda.set_device(self._local_rank)
        return f"cuda:{self._local_rank}"

    def send_order(self, order: dict[str, Any]) -> None:
        with self._reaching():
            self._store.set(f"order/{self._orders}", json.dumps(order))
        self._orders += 1

    def wait_for_order(self) -> dict[str, Any] | None:
        """Wait for what the first process sends by `send_order`; None where it ends instead.

        Raises:
            Stopped: it cannot be reached.
        """
        key = f"order/{self._orders}"
        while True:
            with self._reaching():
                if self._store.check([key]):
                    break
            # On the host rather than in the store, so that a signal is handled meanwhile.
            time.sleep(_LOOK_AGAIN_SECONDS)
        self._orders += 1
        with self._reaching():
            order: dict[str, Any] = json.loads(self._store.get(key))
        if "exit_code" in order:
            self.exit_code = order["exit_code"]
            return None
        return order

    def wait_for_end(self) -> None:
        """Wait until the first process ends, which sends no order before.

        Raises:
            Stopped: it cannot be reached.
        """
        while self.wait_for_order() is not None:
            pass

    def leave(self, exit_code: int) -> None:
        """End together: the first process lets the others go and waits for them, if they are still there."""
        with contextlib.suppress(Stopped):
            if self.first:
                self.send_order({"exit_code": exit_code})
            deadline = time.monotonic() + _FAREWELL_SECONDS
            with self._reaching():
                gone = self._store.add("gone", 1)
                while self.first and gone < self.count and not self.lost and time.monotonic() < deadline:
                    time.sleep(_LOOK_AGAIN_SECONDS)
                    gone = self._store.add("gone", 0)

    def gather(self, compute: Callable[[], Any]) -> list[Any]:
        raised: AdrecError | None = None
        try:
            answer = {"found": compute()}
        except AdrecError as error:
            if self.lost:
                raise
            raised, answer = error, {"error": _describe(error)}
        try:
            answers = [json.loads(text) for text in self._gather_bytes(json.dumps(answer).encode())]
        except Stopped:
            # That another one is gone says less than what has gone wrong here, as where a signal ends both.
            if raised is not None:
                raise raised from None
            raise
        if self.once is not None:
            self.once.release()
        for rank, one in enumerate(answers):
            if "error" in one:
                raise raised if raised is not None and rank == self.rank else _error_of(one["error"], rank)
        return [one["found"] for one in answers]

    def agree(self, compute: Callable[[], T]) -> T:
        found: list[T] = []

        def keep() -> None:
            found.append(compute())

        self.gather(keep)
        return found[0]

    def gather_rows(self, rows: torch.Tensor) -> list[torch.Tensor]:
        lengths = self.gather(lambda: len(rows))
        if not any(lengths):
            return [rows] * self.count
        padded = rows.new_zeros(max(lengths), *rows.shape[1:])
        padded[: len(rows)] = rows
        return [found[:length] for found, length in zip(self._gather_alike(padded), lengths, strict=True)]

    def add_up(self, counts: torch.Tensor) -> torch.Tensor:
        return torch.stack(self._gather_alike(counts)).sum(dim=0)

    def share(self, tensors: Iterable[torch.Tensor]) -> None:
        for tensor in tensors:
            sent = self._as_sent(tensor.detach()).contiguous()
            with self._reaching():
                dist.broadcast(sent, src=0)
            if not self.first:
                tensor.detach().copy_(sent)

    def deal(self, values_N: torch.Tensor) -> torch.Tensor:
        stretch = -(-len(values_N) // self.count)
        dealt = self._as_sent(torch.nn.functional.pad(values_N, (0, stretch * self.count - len(values_N))))
        received = torch.empty_like(dealt)
        with self._reaching():
            dist.all_to_all_single(received, dealt)
        return received.view(self.count, stretch).to(values_N.device)

    def collect(self, stretch: torch.Tensor) -> torch.Tensor:
        return torch.cat(self._gather_alike(stretch))

    def exchange(self, rows: torch.Tensor, sent: list[int], received: list[int]) -> torch.Tensor:
        handed = self._as_sent(rows).contiguous()
        found = handed.new_empty(sum(received), *rows.shape[1:])
        with self._reaching():
            dist.all_to_all_single(found, handed, received, sent)
        return found.to(rows.device)

    def _gather_alike(self, tensor: torch.Tensor) -> list[torch.Tensor]:
        """Return the tensors of all processes, which have one shape."""
        sent = self._as_sent(tensor).contiguous()
        received = [torch.empty_like(sent) for _ in range(self.count)]
        with self._reaching():
            dist.all_gather(received, sent)
        return [one.to(tensor.device) for one in received]

    def _gather_bytes(self, content: bytes) -> list[bytes]:
        length = len(content).to_bytes(_LENGTH, "big")
        letters = self._gather_letters(length + content[: _LETTER - _LENGTH], _LETTER)
        lengths = [int.from_bytes(letter[:_LENGTH], "big") for letter in letters]
        if (most := max(lengths)) > _LETTER - _LENGTH:
            letters = self._gather_letters(length + content, _LENGTH + most)
        return [letter[_LENGTH : _LENGTH + long] for letter, long in zip(letters, lengths, strict=True)]

    def _gather_letters(self, content: bytes, size: int) -> list[bytes]:
        letter = torch.frombuffer(bytearray(content.ljust(size, b"\0")), dtype=torch.uint8)
        return [found.numpy().tobytes() for found in self._gather_alike(letter)]

    def _as_sent(self, tensor: torch.Tensor) -> torch.Tensor:
        return tensor if self._own_card else tensor.cpu()

    @contextlib.contextmanager
    def _reaching(self) -> Iterator[None]:
        """Turn the failure of a connection into `Stopped`: what is whole is saved, and the next run goes on.

        Raises:
            RuntimeError: what went wrong is no connection, but here; it is as it was raised.
        """
        try:
            yield
        except RuntimeError as error:
            # Whatever it was, the others wait in the middle of it.
            self.lost = True
            if not _is_of_connection(error):
                raise
            raise Stopped(
                f"process {self.rank} of {self.count} cannot reach another one, which has ended or is cut off",
                signal_number=signal.SIGTERM,
            ) from error


def _is_of_connection(error: RuntimeError) -> bool:
    told = str(error)
    named = isinstance(error, _OF_CONNECTIONS) or _GLOO_CONNECTION.search(told) is not None
    return named and _FAULT_HERE.search(told) is None


def _describe(error: AdrecError) -> dict[str, Any]:
    kind = next(one for one in type(error).__mro__ if one.__module__ == errors.__name__)
    described: dict[str, Any] = {
        "kind": kind.__name__,
        "message": error.message,
        "hint": error.hint,
        "host": socket.gethostname(),
    }
    if isinstance(error, InterruptedRun):
        described["signal_number"] = int(error.exit_code) - 128
    return described


def _error_of(described: dict[str, Any], rank: int) -> AdrecError:
    """Return the error of another process."""
    kind: type[AdrecError] = getattr(errors, described["kind"])
    message, hint = described["message"], described["hint"]
    if not issubclass(kind, _SAME_WHEREVER_RAISED):
        message = f"process {rank} on {described['host']}: {message}"
    if "signal_number" in described:
        return kind(message, hint=hint, signal_number=described["signal_number"])  # type: ignore[call-arg]
    return kind(message, hint=hint)
