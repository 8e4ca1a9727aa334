"""A command in several forked processes, as torchrun starts them."""

from __future__ import annotations

import functools
import os
import signal
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.robustness.processes import Ended, Prepare, Running, nothing, save_state_every_step


@dataclass(frozen=True)
class Together:
    """Processes of one command under way, in the order of their ranks."""

    running: Sequence[Running]

    def ended(self, seconds: float = 60) -> list[Ended]:
        """Wait for the end of all."""
        return [one.ended(seconds) for one in self.running]


def begun(
    count: int,
    arguments: Sequence[object],
    folder: Path,
    prepare: Mapping[int, Prepare] = {},
    *,
    all_: Prepare = nothing,
) -> Together:
    """Type a command in several processes.

    Args:
        count: of processes.
        arguments: behind `adrec`.
        folder: for the files that take their streams.
        prepare: called first in the process of a rank.
        all_: called first in each process.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    return Together(
        [
            Running(arguments, folder, functools.partial(_join, rank, count, port, (all_, prepare.get(rank, nothing))))
            for rank in range(count)
        ]
    )


def typed_by(
    count: int,
    arguments: Sequence[object],
    folder: Path,
    prepare: Mapping[int, Prepare] = {},
    *,
    all_: Prepare = nothing,
) -> list[Ended]:
    """Type a command in several processes and wait for their end; arguments as `begun`."""
    return begun(count, arguments, folder, prepare, all_=all_).ended()


def codes(ended: Sequence[Ended]) -> list[int]:
    """Return the exit codes of processes."""
    return [one.exit_code for one in ended]


def kill_one(together: Together, killed: int) -> list[Ended]:
    """Kill the process of a rank, and return how all ended, which the others must have done soon, with 143."""
    began = time.monotonic()
    together.running[killed].send(signal.SIGKILL)
    ended = together.ended()
    assert time.monotonic() - began < 30
    assert [code for rank, code in enumerate(codes(ended)) if rank != killed] == [143] * (len(ended) - 1)
    assert ended[killed].exit_code == -signal.SIGKILL
    return ended


def _join(rank: int, count: int, port: int, prepare: Sequence[Prepare]) -> None:
    os.environ |= {
        "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(count), "LOCAL_WORLD_SIZE": str(count),
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "GLOO_SOCKET_IFNAME": "lo",
    }  # fmt: skip
    for one in prepare:
        one()


def slow_down_steps() -> None:
    """Give a test time to interfere with a training of milliseconds."""
    from adrec_cli.training.loop import StageTraining

    step = StageTraining._step

    def slowly(training: StageTraining, *batches: object) -> object:
        time.sleep(0.1)
        return step(training, *batches)

    StageTraining._step = slowly


def spoil_losses() -> None:
    """Make the losses of this process NaN from the third step on."""
    from adrec_cli.training import objective

    measured, calls = objective.Objective._losses_of, []

    def spoilt(*arguments: object) -> object:
        losses, errors_N = measured(*arguments)
        calls.append(1)
        return ({name: loss * (float("nan") if len(calls) > 2 else 1) for name, loss in losses.items()}, errors_N)

    objective.Objective._losses_of = spoilt


def step_otherwise() -> None:
    """Make this process round its steps in another way, as another kind of machine does."""
    from adrec_cli.training.optimizers import StageOptimizer

    step = StageOptimizer.step

    def otherwise(optimizer: StageOptimizer) -> None:
        step(optimizer)
        next(iter(optimizer.trained.values())).data.mul_(1 + 1e-6)

    StageOptimizer.step = otherwise


def warn_at_each_step() -> None:
    """Let this process find each of its losses remarkable."""
    from adrec_cli.training.diagnostics import LossWatch

    LossWatch.observe = lambda _watch, _loss: "a remarkable loss"


def know_other_code() -> None:
    """Give this process another version of adrec than the first one has."""
    from adrec_cli.experiments import keys

    keys.code_sha256 = lambda: "other"


def fail_to_save() -> None:
    """Let the disk be full when the first process saves its state."""
    import errno

    from adrec_cli.artifacts.atomic import storage_error
    from adrec_cli.experiments import stage_files

    def full(path: Path, _tensors: object, _text: object) -> None:
        raise storage_error("write", path, OSError(errno.ENOSPC, "No space left on device"))

    save_state_every_step()
    stage_files.save_state = full
