"""Exceptions into lines on stderr and exit codes; the only place that formats an error."""

from __future__ import annotations

import contextlib
import difflib
import errno
import itertools
import os
import re
import shlex
import sys
import traceback
from collections.abc import Iterator, Sequence

import typer

from adrec_cli.cli.show.terminal import Terminal
from adrec_cli.errors import AdrecError, ArtifactError, ExitCode, InterruptedRun, StorageError
from adrec_cli.runtime import find_launched

BUG = 1
"""Exit code of an error nobody foresaw, and of exhausted memory."""
BROKEN_PIPE = 141
"""Exit code when the reader of a pipe has gone: what a shell reports of a program that SIGPIPE ends."""

_NEAR = 0.7
"""Likeness of two names, from 0 to 1, from which one may be a slip for the other."""
_SURPLUS = re.compile(r"Got unexpected extra argument(?:\(s\)|s)? \((\S+)\)")
"""What the parser says of one argument too many."""
_FROM_BYTES = re.compile("[\udc80-\udcff]+")
"""What Python makes of the bytes of a name that are no text."""
_OUT_OF_MEMORY = re.compile("can't allocate memory|out of memory|CUDA calloc")
_OUT_OF_THREADS = re.compile("can't start new thread|ThreadPoolBuildError|[Ff]ailed to launch worker thread")
_GO_ON = "nothing is left half-written; run the same command again"


@contextlib.contextmanager
def report_failures(terminal: Terminal, *, debug: bool) -> Iterator[None]:
    """Turn what is raised inside into a message and `typer.Exit` with its exit code."""
    try:
        yield
        sys.stdout.flush()
    except (typer.Exit, KeyboardInterrupt, SystemExit):
        raise
    except BrokenPipeError as error:
        discard_output()
        raise typer.Exit(BROKEN_PIPE) from error
    except BaseException as error:  # a panic of Polars is not an Exception
        if debug:
            traceback.print_exc()
        raise typer.Exit(_report(terminal, error)) from error


def _report(terminal: Terminal, error: BaseException) -> int:
    """Show an error and return its exit code; of several processes the first one shows what all of them have."""
    exhausted = _find_exhaustion(error)
    if isinstance(error, AdrecError) and not _speaks():
        return int(error.exit_code)
    if isinstance(error, AdrecError) and exhausted is None:
        if isinstance(error, InterruptedRun):
            terminal.say_stopped(error.message, error.hint or _GO_ON)
        else:
            terminal.error(error.message, error.hint)
        return int(error.exit_code)
    if exhausted is not None and _is_out_of_memory(exhausted):
        terminal.error("out of memory", "train with a smaller --batch-size, or stop other programs, then run again")
        return BUG
    if exhausted is not None:
        terminal.error(
            "the system allows no more threads or processes",
            "lower --threads, --workers or POLARS_MAX_THREADS, raise the limit (ulimit -u), or stop other programs",
        )
        return int(ExitCode.STORAGE)
    if isinstance(error, UnicodeEncodeError) and _FROM_BYTES.fullmatch(error.object[error.start : error.end]):
        terminal.error(f"a name is not UTF-8: {error.object}", "rename it")
        return int(ExitCode.USAGE)
    if isinstance(error, OSError):
        place = f" {error.filename}" if error.filename else ""
        terminal.error(f"could not read or write{place}: {error.strerror or error}", "check the path and the disk")
        return int(ExitCode.STORAGE)
    message = str(error).strip().split("\n")[0]
    terminal.error(
        f"{type(error).__name__}: {message}", "this is a bug; run again with --debug and report what it says"
    )
    return BUG


def _speaks() -> bool:
    launched = find_launched()
    return launched is None or launched.rank == 0


def _find_exhaustion(error: BaseException) -> BaseException | None:
    """Return what says that memory or threads are exhausted: an error, or what it came of; None if nothing does.

    Whoever reads a file then takes it for damaged, which it is not.
    """
    if not isinstance(error, AdrecError):
        return error if _is_out_of_memory(error) or _is_without_threads(error) else None
    cause = error.__cause__
    # What others give is nested without end, which Python tells as a lack of memory, too; a lock that another holds is
    # EAGAIN.
    if (
        not isinstance(error, ArtifactError | StorageError)
        or cause is None
        or (isinstance(cause, OSError) and cause.errno == errno.EAGAIN)
    ):
        return None
    return _find_exhaustion(cause)


def _is_out_of_memory(error: BaseException) -> bool:
    # PyTorch raises RuntimeErrors of its own when an allocation fails, and those of CUDA and NCCL.
    return (
        isinstance(error, MemoryError)
        or (isinstance(error, OSError) and error.errno == errno.ENOMEM)
        or (
            isinstance(error, RuntimeError)
            and (type(error).__name__ == "OutOfMemoryError" or _OUT_OF_MEMORY.search(str(error)) is not None)
        )
    )


def _is_without_threads(error: BaseException) -> bool:
    # Python's own, that of fork, the panic of Polars, whose pool starts with its first query, and Arrow's.
    started = isinstance(error, OSError) and error.errno == errno.EAGAIN
    return started or _OUT_OF_THREADS.search(str(error)) is not None


def report_usage(error: Exception, typed: Sequence[str] = ()) -> int:
    """Show what the parser of the command line refuses, in the form of every other error, and return its exit code.

    Args:
        error: the parser's.
        typed: the command line, of which the parser may have read no option.

    Raises:
        Exception: the error itself, if it is none of the parser's.
    """
    # The parser's exceptions have no public base class in the versions of Typer that adrec runs with.
    describe, exit_code = getattr(error, "format_message", None), getattr(error, "exit_code", None)
    if describe is None or exit_code is None:
        raise error
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "adrec"
    if (message := _name_fault(error, describe())) and _speaks():
        Terminal(log_json=_asks_for_json(typed)).error(
            message, _suggest(error) or _suggest_dataset(error, message) or f"see: {command} --help"
        )
    return int(exit_code)


def _asks_for_json(typed: Sequence[str]) -> bool:
    """Whether a command line, which may be wrong elsewhere, wants messages as JSON lines."""
    words = list(itertools.takewhile(lambda word: word != "--", typed))
    return "--log-format=json" in words or ("--log-format", "json") in itertools.pairwise(words)


def _name_fault(error: Exception, described: str) -> str:
    """Return what is wrong with what was typed, without the parser's own suggestions of options."""
    typed = getattr(error, "option_name", None)
    if typed is not None and hasattr(error, "possibilities"):
        return f"No such option: {typed}"
    return described.strip().replace("\n", " ")


def _suggest(error: Exception) -> str:
    """Return the options that were perhaps meant; the parser also takes two dashes for a likeness."""
    names = {name.lstrip("-"): name for name in getattr(error, "possibilities", None) or ()}
    near = difflib.get_close_matches(str(getattr(error, "option_name", "")).lstrip("-"), names, cutoff=_NEAR)
    return f"did you mean {' or '.join(names[name] for name in near)}?" if near else ""


def _suggest_dataset(error: Exception, message: str) -> str:
    """Return how to name a data set, where an argument too many may be one, "" elsewhere."""
    context, surplus = getattr(error, "ctx", None), _SURPLUS.fullmatch(message)
    if context is None or surplus is None:
        return ""
    named = next((one for one in context.command.params if "--dataset" in one.opts), None)
    if named is None or context.params.get(named.name) is not None:
        return ""
    return f"a data set is named with: --dataset {shlex.quote(surplus[1])}"


def discard_output() -> None:
    """Send what is still buffered for stdout nowhere, so that the interpreter does not complain when it ends."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
