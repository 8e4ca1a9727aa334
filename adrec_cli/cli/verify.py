"""`adrec verify`."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Final

import typer

from adrec_cli.cli.command import Session
from adrec_cli.cli.options.common import Common, Raw
from adrec_cli.errors import ExitCode
from adrec_cli.wording import say_count, speak_shell

EXAMPLES: Final = (
    "adrec verify",
    "adrec verify workspace --raw downloads --json",
)


def verify(
    place: Annotated[
        Path | None,
        typer.Argument(metavar="[WORKSPACE]", help="Workspace to check. [default: --workspace]", show_default=False),
    ] = None,
    *,
    raw: Raw = None,
    common: Common,
    session: Session,
) -> None:
    """Check that everything in the workspace is whole and fits together; nothing is changed."""
    from adrec_cli.pipeline import verify as pipeline

    terminal = session.terminal
    common = common if place is None else replace(common, workspace=place)
    with speak_shell(workspace=common.name_workspace()):
        found = pipeline.verify(common.workspace, raw=raw)
    if terminal.as_json:
        terminal.document({**asdict(found), "whole": not found.damaged})
    else:
        rows = [(one.status, one.path, one.detail, one.repair) for one in found.verdicts]
        terminal.table(["status", "artifact", "detail", "to repair"], rows)
    if found.damaged:
        terminal.error(
            f"{len(found.damaged)} of {say_count(len(found.verdicts), 'artifact')} in {found.workspace} are damaged"
        )
        raise typer.Exit(int(ExitCode.ARTIFACT))
    terminal.note(f"{say_count(len(found.verdicts), 'artifact')} in {found.workspace} are whole")
