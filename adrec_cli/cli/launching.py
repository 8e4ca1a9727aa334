"""Several processes for one command: started by `--devices`, or by torchrun, and what each of them does then."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from types import FrameType
from typing import TYPE_CHECKING, Final, NoReturn

import typer

from adrec_cli.cli.options.common import Sharing, SharingUsers
from adrec_cli.cli.show.terminal import Terminal
from adrec_cli.errors import AdrecError, ExitCode, UsageError
from adrec_cli.runtime import ENDING_SIGNALS, StopRequest, find_launched
from adrec_cli.training.processes import ALONE, Processes
from adrec_cli.wording import inflect, option, say_count

if TYPE_CHECKING:
    from adrec_cli.training.several_processes import SeveralProcesses

_ADREC: Final = (sys.executable, "-m", "adrec_cli")
_LOOK_AGAIN_SECONDS: Final = 0.1
_ASKED_AFTER, _KILLED_AFTER = 15.0, 28.0
"""Seconds that processes have to end by themselves once one has failed, and until they are killed."""
_ECHO_SECONDS: Final = 2.0
_LOOPBACK: Final = "lo"


@contextlib.contextmanager
def share_out(stop: StopRequest, devices: int | None, *, sharing: type[Sharing] | None) -> Iterator[Processes]:
    """Share a command among the processes that a launcher has started.

    What the others do by order of the first is done here, and only the first one has anything to do inside.

    Args:
        stop: of the command; the same signal may come from a terminal and from the launcher.
        devices: processes that the command line asks for.
        sharing: how the command is shared; None where it is not.

    Raises:
        UsageError: several were started for nothing, or others than asked for.
    """
    launched = find_launched()
    if launched is None:
        yield ALONE
        return
    if sharing is None:
        raise UsageError(
            f"this command runs in one process, but {launched.count} were started",
            hint="run it without torchrun; pretrain, align, finetune, train and run can share a training, and "
            "evaluate and recommend their users",
        )
    if devices is not None and devices != launched.here:
        raise UsageError(
            f"{say_count(launched.here, 'process', 'processes')} {inflect(launched.here, 'was', 'were')} "
            f"started on this machine, not {option('devices', devices)}",
            hint=f"leave out {option('devices')} with torchrun",
        )
    from adrec_cli.training.several_processes import SeveralProcesses

    stop.echo_seconds = _ECHO_SECONDS
    processes = SeveralProcesses(launched)
    with _leaving(processes):
        if processes.first:
            yield processes
            return
        if sharing is not SharingUsers:
            from adrec_cli.experiments.following import follow
            from adrec_cli.experiments.work import Work

            follow(Work(stop=stop, processes=processes), processes)
        else:
            yield processes
            processes.wait_for_end()
        raise typer.Exit(processes.exit_code)


@contextlib.contextmanager
def _leaving(processes: SeveralProcesses) -> Iterator[None]:
    """Tell the other processes how the command has ended."""
    code = int(ExitCode.OK)
    try:
        yield
    except BaseException as error:
        code = int(error.exit_code) if isinstance(error, AdrecError | typer.Exit) else 1
        raise
    finally:
        processes.leave(code)


def quiet_torch() -> None:
    """Keep PyTorch from writing pages of C++ frames to stderr where another process has ended first.

    It looks once, when it is loaded. What goes wrong is raised as well, and shown as every error is.
    """
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")


def end_now(code: int) -> NoReturn:
    """End this process without taking connections down, which fails, and aborts, where another one has gone first."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def launch(arguments: Sequence[str], count: int) -> int:
    """Run a command line in several processes of this machine, and return the exit code of the first.

    A process that fails or is killed takes the others with it, and signals are passed on to all.

    Args:
        arguments: of `adrec`.
        count: of processes.

    Raises:
        UsageError: there is nothing they could run on.
    """
    cores = os.cpu_count() or 1
    if count > cores:
        raise UsageError(
            f"{say_count(count, 'process', 'processes')} on a machine with {say_count(cores, 'core')}",
            hint=f"{option('devices', cores)}, or fewer",
        )
    shared, children = _variables_of_all(count), list[subprocess.Popen[bytes]]()
    with _passing_on(children):
        for rank in range(count):
            own = {"RANK": str(rank), "LOCAL_RANK": str(rank)}
            stdin = None if rank == 0 else subprocess.DEVNULL
            children.append(subprocess.Popen([*_ADREC, *arguments], env=shared | own, stdin=stdin))
        return _wait_for(children)


@contextlib.contextmanager
def _passing_on(children: Sequence[subprocess.Popen[bytes]]) -> Iterator[None]:
    """Pass signals on to all processes while open, and leave none of them behind; what is ignored stays ignored."""

    def pass_on(number: int, _frame: FrameType | None) -> None:
        _signal(children, number)

    numbers = [number for number in ENDING_SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, pass_on) for number in numbers}
    try:
        yield
    finally:
        _signal(children, signal.SIGKILL)
        for number, handler in before.items():
            signal.signal(number, handler)


def _variables_of_all(count: int) -> dict[str, str]:
    """Return the environment of all processes, with the variables that torchrun sets."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    variables = {
        **os.environ, "WORLD_SIZE": str(count), "LOCAL_WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }  # fmt: skip
    variables.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // count)))
    if _LOOPBACK in (name for _, name in socket.if_nameindex()):
        # All are on this machine, whose name may lead nowhere.
        variables.setdefault("GLOO_SOCKET_IFNAME", _LOOPBACK)
    return variables


def _wait_for(children: Sequence[subprocess.Popen[bytes]]) -> int:
    """Wait for all processes; once one has failed the others have half a minute."""
    deadlines = {signal.SIGTERM: _ASKED_AFTER, signal.SIGKILL: _KILLED_AFTER}
    failed_at: float | None = None
    # All of them are asked, as one that is not stays unnoticed.
    while None in [child.poll() for child in children]:
        if failed_at is None and any(child.returncode for child in children):
            failed_at = time.monotonic()
        for number, seconds in tuple(deadlines.items()):
            if failed_at is not None and time.monotonic() - failed_at > seconds:
                del deadlines[number]
                _signal(children, number)
        time.sleep(_LOOK_AGAIN_SECONDS)
    for rank, child in enumerate(children):
        if child.returncode < 0:
            name = signal.Signals(-child.returncode).name
            Terminal().error(
                f"process {rank} of {len(children)} was ended by {name}",
                "run the same command again: it resumes from what was saved last",
            )
    code = int(children[0].returncode)
    return code if code >= 0 else 128 - code


def _signal(children: Sequence[subprocess.Popen[bytes]], number: int) -> None:
    for child in children:
        if child.poll() is None:
            child.send_signal(number)
