"""The options that most commands have."""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from adrec_cli.artifacts.workspace import DEFAULT_WORKSPACE, WORKSPACE_VARIABLE, find_own_workspace
from adrec_cli.cli import completion
from adrec_cli.cli.completion import PLUGINS_VARIABLE
from adrec_cli.runtime import COMPUTING

COMMON = "Common options"
_RAW_VARIABLE: Final = "ADREC_RAW"


def option(*names: str, panel: str | None, help: str, complete: Any = None, **more: Any) -> Any:
    """Return an option of a panel of the help; `complete` is its shell completion."""
    return typer.Option(*names, help=help, rich_help_panel=panel, autocompletion=complete, **more)


Raw = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Folder with raw files; its subfolder NAME is searched first.",
        envvar=_RAW_VARIABLE,
        file_okay=False,
    ),
]


@dataclass(frozen=True)
class NamesDataset:
    """In the `Annotated` of a parameter: it names a data set of the workspace, or several."""


DatasetName = Annotated[
    str | None,
    typer.Option("--dataset", metavar="NAME", help="Data set in the workspace. [default: the only one]",
                 autocompletion=completion.workspace_dataset),
    NamesDataset(),
]  # fmt: skip
DatasetArgument = Annotated[
    str | None,
    typer.Argument(metavar="[DATASET]", help="Data set in the workspace. [default: the only one]", show_default=False,
                   autocompletion=completion.workspace_dataset),
    NamesDataset(),
]  # fmt: skip


def model_option(help: str) -> Any:
    """Return the option `--model` of a command that takes the name of a model."""
    return typer.Option("--model", metavar="NAME", help=help, autocompletion=completion.model_names)


ModelName = Annotated[str, model_option("Model to train.")]
Source = Annotated[
    str,
    typer.Argument(metavar="SOURCE", help="Named data set, or path or address of a file, a folder or a quoted glob.",
                   autocompletion=completion.dataset_name),
]  # fmt: skip
Wait = Annotated[
    float,
    typer.Option("--wait", metavar="[SECONDS]", min=0.0,
                 help="Wait for another run to release the lock, for at most SECONDS in all if given. "
                      "[default: do not wait]"),
]  # fmt: skip
Force = Annotated[bool, typer.Option("--force", help="Run again even if the result is up to date.")]


def find_typed(raw: Path | None) -> Path | None:
    """Return the folder of raw files if it was typed; the environment's is there for every command that needs one."""
    return None if raw is None or str(raw) == os.environ.get(_RAW_VARIABLE) else raw


def parent_option(stage_name: str) -> Any:
    """Return the option `--from` of a stage that starts from this one."""
    return typer.Option("--from", metavar="CHECKPOINT", help=f"Path or bare name of the {stage_name} checkpoint.",
                        autocompletion=completion.checkpoint)  # fmt: skip


def _devices(shared: str) -> Any:
    """Return the option that starts several processes, which share something."""
    text = f"Number of processes on this machine that share {shared}, each with its own GPU if there are any."
    return option("--devices", panel=COMPUTING, metavar="N", min=1, help=text)


class LogFormat(Enum):
    """How messages on stderr are written."""

    TEXT = "text"
    JSON = "json"


@dataclass(frozen=True, kw_only=True)
class Common:
    """Options of every command."""

    workspace: Annotated[
        Path,
        option(
            "--workspace",
            "-w",
            panel=COMMON,
            metavar="DIR",
            help="Folder that holds all artifacts.",
            envvar=WORKSPACE_VARIABLE,
        ),
    ] = DEFAULT_WORKSPACE
    json: Annotated[bool, option("--json", panel=COMMON, help="Print the result as one JSON document.")] = False
    quiet: Annotated[bool, option("--quiet", "-q", panel=COMMON, help="Suppress progress and notes.")] = False
    log_format: Annotated[
        LogFormat,
        option(
            "--log-format",
            panel=COMMON,
            metavar="text|json",
            help="Format of messages on stderr: text for people, or JSON lines.",
        ),
    ] = LogFormat.TEXT
    plugin: Annotated[
        list[Path] | None,
        option("--plugin", panel=COMMON, metavar="FILE", envvar=PLUGINS_VARIABLE, dir_okay=False,
                help="Python file that adds models, losses, metrics or data sets; repeatable."),
    ] = None  # fmt: skip
    debug: Annotated[bool, option("--debug", panel=COMMON, help="Show the traceback of an error.")] = False

    def name_workspace(self) -> Path | None:
        """Return the workspace where a command must name it to find it; None where it finds it by itself."""
        return None if self.workspace == find_own_workspace() else self.workspace


@dataclass(frozen=True, kw_only=True)
class Sharing:
    """How many processes compute it, of a command that several can share: the others follow the orders of the first."""

    devices: Annotated[int | None, _devices("each training step")] = None


@dataclass(frozen=True, kw_only=True)
class SharingUsers(Sharing):
    """The same of a command that all processes run, each for users of its own."""

    devices: Annotated[int | None, _devices("the users")] = None
