"""Runs of tests on a copy of the repository, in processes forked from one that has the libraries loaded already."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tests.mutation.mutants import Mutant
from tests.mutation.reached import Reached, Recorder, as_plain, from_plain

_LIBRARIES = ("torch", "numpy", "polars", "pyarrow.parquet", "safetensors.torch", "typer")
_COPIED = ("adrec_cli", "tests", "datasets", "pyproject.toml", "README.md", "CHANGELOG.md", ".ci")
_QUIET = (
    "-q", "-x", "-m", "not slow", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:randomly",
    "--hypothesis-seed=0",
)  # fmt: skip
_NO_SUCH_TEST = 4
_TOO_LONG = 124
_ELSEWHERE_SECONDS = 600
"""For each file of tests of which no duration was recorded."""
_MOST_MEMORY = 6 * 2**30
OUTCOMES = {0: "survived", _TOO_LONG: "timeout"}
"""What an exit status of pytest means; every other one is "killed"."""


@contextlib.contextmanager
def copied(root: Path) -> Iterator[Path]:
    """Yield a copy of the repository that mistakes may be put into."""
    with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
        copy = Path(folder).resolve() / "repository"
        copy.mkdir()
        for name in _COPIED:
            source = root / name
            if source.is_dir():
                shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
            elif source.exists():
                shutil.copy(source, copy / name)
        # Compiled once, and distinguished by content: a mistake may leave size and second of a file as they are.
        compiler = [sys.executable, "-m", "compileall", "-q", "--invalidation-mode", "checked-hash", "adrec_cli"]
        subprocess.run(compiler, cwd=copy, check=True)
        os.environ.setdefault("ADREC_SHARED", str(root.parent / "shared"))
        for name in _LIBRARIES:
            __import__(name)
        yield copy


def record(copy: Path, tests: Sequence[str], log: Path) -> Reached:
    """Run tests without any mistake and see what they reach.

    Raises:
        SystemExit: they do not pass as they are.
    """
    found = copy.parent / "reached.json"

    def run() -> int:
        import pytest

        recorder = Recorder(copy / "adrec_cli", copy)
        recorder.watch()
        code = pytest.main([*_QUIET, *tests], plugins=[recorder])
        found.write_text(json.dumps(as_plain(recorder.end())))
        return int(code)

    if _forked(copy, run, seconds=3600, log=log):
        raise SystemExit(f"the tests do not pass as they are: see {log}")
    return from_plain(json.loads(found.read_text()))


def try_mutant(
    copy: Path, mutant: Mutant, reached: Reached, log: Path, *, most_seconds: float, elsewhere: Sequence[str] = ()
) -> str:
    """Put a mistake into the copy, run the tests that reach it, and take it out again.

    Args:
        copy: of the repository.
        mutant: the mistake.
        reached: what was recorded.
        log: of the tests.
        most_seconds: that the tests may have taken without it; slower ones are left out.
        elsewhere: tests that run the source in processes of their own, which are not recorded.

    Returns:
        "killed", "survived", "timeout", or "unreached" where no test runs it.
    """
    path = copy / mutant.path
    whole = path.read_text(encoding="utf-8")
    tests = reached.tests_of(mutant.path, mutant.line, whole, most_seconds=most_seconds)
    if not tests and not elsewhere:
        return "unreached"
    seconds = 30 + 8 * sum(reached.seconds[test] for test in tests) + _ELSEWHERE_SECONDS * len(elsewhere)
    tests += elsewhere
    try:
        path.write_text(mutant.source, encoding="utf-8")
        code = _forked(copy, lambda: _run_tests(tests), seconds=seconds, log=log)
        if code == _NO_SUCH_TEST:
            # The mistake has changed the names of cases.
            files = list(dict.fromkeys(test.partition("::")[0] for test in tests))
            code = _forked(copy, lambda: _run_tests(files), seconds=seconds, log=log)
    finally:
        path.write_text(whole, encoding="utf-8")
    return OUTCOMES.get(code, "killed")


class _UnshrunkExamples:
    """A plugin of pytest: that one example fails is enough, and to look for the smallest takes minutes."""

    def pytest_collection(self) -> None:
        from hypothesis import Phase, settings

        import tests.examples  # noqa: F401  (it loads a profile)

        settings.register_profile("unshrunk", settings.default, phases=(Phase.explicit, Phase.generate))
        settings.load_profile("unshrunk")


def _run_tests(tests: Sequence[str]) -> int:
    import pytest

    return int(pytest.main([*_QUIET, *tests], plugins=[_UnshrunkExamples()]))


def _forked(copy: Path, run: Callable[[], int], *, seconds: float, log: Path) -> int:
    """Run something in a process of its own, in the copy, and return its exit status."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        os.setsid()
        code = 3
        try:
            code = _run_in(copy, run, log)
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    return _waited_for(child, seconds)


def _run_in(copy: Path, run: Callable[[], int], log: Path) -> int:
    """Let a forked process take its modules from the copy, and write to a log."""
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    # A mistake in a size would take all memory, and this process with it.
    resource.setrlimit(resource.RLIMIT_DATA, (_MOST_MEMORY, _MOST_MEMORY))
    # A shell lets what it runs behind it ignore Ctrl-C, and tests send it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(copy)
    temporary = copy.parent / "tmp"
    for leftover in (temporary, copy / ".hypothesis"):
        shutil.rmtree(leftover, ignore_errors=True)
    temporary.mkdir()
    os.environ["TMPDIR"] = tempfile.tempdir = str(temporary)
    for name in [name for name in sys.modules if name.partition(".")[0] in ("tests", "adrec_cli")]:
        del sys.modules[name]
    sys.path[:] = [str(copy), *(entry for entry in sys.path if entry not in ("", str(Path.cwd())))]
    code = run()
    sys.stdout.flush()
    return code


def _waited_for(child: int, seconds: float) -> int:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return _TOO_LONG
