"""The `adrec` command: what it says alone, and the way in and out of the process."""

from __future__ import annotations

import sys
from typing import Annotated, Final

import typer

from adrec_cli.cli.commands import Commands
from adrec_cli.cli.failures import BROKEN_PIPE, discard_output, report_usage
from adrec_cli.cli.launching import end_now, quiet_torch
from adrec_cli.cli.show.streams import prepare_streams
from adrec_cli.errors import ExitCode
from adrec_cli.runtime import find_launched
from adrec_cli.wording import speak_shell

app = typer.Typer(
    name="adrec",
    cls=Commands,
    help="Train and run diffusion-based sequential recommenders: ADRec and the systems it is compared with.",
    epilog="Begin with:\n  $ adrec run demo\n  $ adrec recommend --dataset demo --user u0001",
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
_ALONE: Final = """\
adrec trains and runs diffusion-based sequential recommenders.

  adrec run demo                            a first run, with generated data
  adrec run shop.csv                        read, train, evaluate, promote
  adrec recommend --dataset shop --user 42  the best items for a user
  adrec status                              what is here, what to type next

All commands: adrec --help. The options of one: adrec run --help."""
"""What is said to who types nothing else."""


def _print_version(wanted: bool) -> None:
    if wanted:
        from adrec_cli import __version__

        print(f"adrec {__version__}")
        raise typer.Exit


@app.callback()
def _adrec(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """Take the options before the command."""
    if context.invoked_subcommand is None:
        print(_ALONE)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and end the process with its exit code."""
    prepare_streams()
    launched = find_launched() is not None
    if launched:
        quiet_torch()
    code = _exit_code(arguments)
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        discard_output()
        code = BROKEN_PIPE
    except OSError:
        # Reported already where it first failed, unless that was here.
        discard_output()
        code = code or int(ExitCode.STORAGE)
    if launched:
        end_now(code)
    sys.exit(code)


def _exit_code(arguments: list[str] | None) -> int:
    try:
        with speak_shell():
            return int(app(args=arguments, prog_name="adrec", standalone_mode=False) or 0)
    except BrokenPipeError:
        discard_output()
        return BROKEN_PIPE
    except (KeyboardInterrupt, typer.Abort):
        return int(ExitCode.SIGINT)
    except Exception as error:
        return report_usage(error, sys.argv[1:] if arguments is None else arguments)
