"""Commands typed in forked processes, which cost milliseconds, and what they leave on disk."""

from __future__ import annotations

import contextlib
import importlib
import json
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from adrec_cli.cli.app import app

_HEAVY = [
    "tests.robustness.launched", "torch", "polars", "pyarrow.parquet", "safetensors.torch", "adrec_cli.cli.app",
    "adrec_cli.cli.show.training_progress",
    "adrec_cli.pipeline.run", "adrec_cli.pipeline.recommend", "adrec_cli.pipeline.preprocess", "torch._dynamo",
    "torch.distributed.fsdp", "typer._adapters", "numpy.ma", "numpy.ctypeslib", "pytest", "tests.conftest",
    "tests.robustness.preloaded",
]  # fmt: skip
TINY = [
    "--set", "model.hidden_size=8", "--set", "model.heads=2", "--set", "model.max_length=8", "--set",
    "model.diffusion_steps=4", "--set", "model.cam_blocks=1", "--set", "model.adm_blocks=1", "--batch-size", "32",
    "--epochs", "2", "--threads", "1",
]  # fmt: skip
"""Flags that make training a matter of milliseconds."""

Prepare = Callable[[], None]


def nothing() -> None:
    """Leave the child as it is."""


@dataclass(frozen=True)
class Ended:
    """How a command ended: exit code (negative: the signal that killed it) and its two streams."""

    exit_code: int
    stdout: str
    stderr: str
    seconds: float

    def require_one_error(self, code: int) -> str:
        """Check that it ended with this code and one line that says why, and return that line."""
        assert self.exit_code == code, (self.exit_code, self.stderr)
        assert "Traceback" not in self.stderr
        lines = self.stderr.splitlines()
        errors = [line for line in lines if line.startswith("error: ")]
        if code > 128:
            # Who was asked to stop, and did, says so and how to go on, and calls it no error.
            assert not errors, self.stderr
            assert lines[-1].startswith("hint: "), self.stderr
            errors = [lines[-2]]
        assert len(errors) == 1, self.stderr
        assert "this is a bug" not in self.stderr
        return errors[0]


class Running:
    """A command under way in a forked child."""

    def __init__(self, arguments: Sequence[object], folder: Path, prepare: Prepare) -> None:
        self.output = folder / f"output-{time.monotonic_ns()}"
        self.started = time.perf_counter()
        # Forked from a process that has imported everything and used nothing, so that no thread pool is lost.
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(_HEAVY)
        self.process = context.Process(target=_typed, args=([str(a) for a in arguments], self.output, prepare))
        self.process.start()

    def send(self, number: signal.Signals) -> None:
        """Send a signal, if it still runs."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process.pid, number)

    @property
    def stderr(self) -> str:
        """What it has said so far."""
        path = self.output.with_suffix(".err")
        return path.read_text() if path.exists() else ""

    def until(self, text: str, seconds: float = 60) -> None:
        """Wait until it has said something on stderr."""
        deadline = time.monotonic() + seconds
        while text not in self.stderr:
            assert self.process.is_alive(), self.stderr
            assert time.monotonic() < deadline, self.stderr
            time.sleep(0.005)

    def ended(self, seconds: float = 120) -> Ended:
        """Wait for its end."""
        self.process.join(seconds)
        assert self.process.exitcode is not None, f"still running: {self.stderr}"
        out, err = self.output.with_suffix(".out"), self.output.with_suffix(".err")
        ended = Ended(
            self.process.exitcode, out.read_text() if out.exists() else "", self.stderr,
            time.perf_counter() - self.started,
        )  # fmt: skip
        self.process.close()
        for path in (out, err):
            path.unlink(missing_ok=True)
        return ended


def typed(arguments: Sequence[object], folder: Path, prepare: Prepare = nothing) -> Ended:
    """Type a command in a forked child and wait for its end.

    Args:
        arguments: behind `adrec`.
        folder: for the files that take its streams; outside the workspace.
        prepare: called in the child first.
    """
    return Running(arguments, folder, prepare).ended()


def typed_here(arguments: Sequence[object]) -> Ended:
    """Type a command in this process."""
    started = time.perf_counter()
    done = CliRunner(env={"ADREC_WORKSPACE": None, "ADREC_RAW": None}).invoke(app, [str(a) for a in arguments])
    return Ended(done.exit_code, done.stdout, done.stderr, time.perf_counter() - started)


def _typed(arguments: list[str], output: Path, prepare: Prepare) -> None:
    for number, suffix in ((1, ".out"), (2, ".err")):
        opened = os.open(output.with_suffix(suffix), os.O_CREAT | os.O_WRONLY | os.O_APPEND)
        os.dup2(opened, number)
    for name in [name for name in os.environ if name.startswith("ADREC_")]:
        del os.environ[name]
    # Whoever runs the tests may have these ignored, as nohup does.
    for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        signal.signal(number, handler)
    prepare()
    # The streams of this process may have become something else.
    sys.stdout, sys.stderr = (open(number, "w", buffering=1, closefd=False) for number in (1, 2))  # noqa: SIM115
    # A child may have forgotten adrec, to read it again from where it is then found.
    importlib.import_module("adrec_cli.cli.app").main(arguments)


def read_adrec_again(first: Path, environment: Mapping[str, str]) -> None:
    """Let a child be as a process of its own in which the libraries are loaded, and adrec not yet.

    Args:
        first: a folder in front of those that modules are looked for in.
        environment: to set.
    """
    os.environ.update(environment)
    for name in [name for name in sys.modules if name.partition(".")[0] == "adrec_cli"]:
        del sys.modules[name]
    sys.path.insert(0, str(first))
    importlib.invalidate_caches()


def save_state_every_step() -> None:
    """Let a killed stage go on from its last step, as one that takes minutes goes on from a late one."""
    from adrec_cli.experiments import stage_files

    stage_files.SAVE_EVERY_SECONDS, stage_files.WORK_PER_SAVE = 0.0, 0


def artifacts(workspace: Path) -> dict[str, Any]:
    """Return what a workspace holds, without what differs between equal runs: times, paths, locks.

    Raises:
        AssertionError: a temporary is among it.
    """
    found: dict[str, Any] = {}
    for path in sorted(path for path in workspace.rglob("*") if path.is_file()):
        name = str(path.relative_to(workspace))
        if path.name in (".lock", ".lock.holder.json"):
            continue
        assert not path.name.startswith("."), f"left behind: {name}"
        if path.suffix in (".json", ".jsonl"):
            found[name] = [_timeless(json.loads(line)) for line in _documents(path)]
        else:
            found[name] = path.read_bytes()
    return found


def _documents(path: Path) -> Iterator[str]:
    yield from path.read_text().splitlines() if path.suffix == ".jsonl" else [path.read_text()]


def _timeless(content: dict[str, Any]) -> dict[str, Any]:
    changing = {"seconds", "validation_seconds", "processor_seconds", "tokens_per_second", "path", "promoted_at"}
    changing |= {"noted_at"}
    changing |= {"current_sha256", "report_sha256"}
    return {name: value for name, value in content.items() if name not in changing}
