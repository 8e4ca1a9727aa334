"""`adrec clean`."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Final

import typer

from adrec_cli.cli.command import Session
from adrec_cli.cli.options.common import Common
from adrec_cli.errors import UsageError
from adrec_cli.wording import say_count

if TYPE_CHECKING:
    from adrec_cli.pipeline.clean import Removable


EXAMPLES: Final = (
    "adrec clean --dry-run",
    "adrec clean --yes",
)


def clean(
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Remove without asking.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List what would be removed, and remove nothing.")] = False,
    common: Common,
    session: Session,
) -> None:
    """Remove unused files: leftovers of killed runs, states of finished stages, old promoted models."""
    from adrec_cli.pipeline import clean as pipeline

    terminal = session.terminal
    found = pipeline.removable(common.workspace)
    if not terminal.as_json:
        terminal.table(["size", "path", "why"], [_row(one) for one in found], right=["size"])
    if dry_run or not found:
        terminal.note("nothing was removed" if found else "there is nothing to remove")
        result = pipeline.Cleaned(removed=[], in_use=[])
    else:
        if not (yes or _confirm(len(found))):
            raise UsageError("nothing was removed", hint="add --yes to remove without being asked")
        result = pipeline.clean(found)
        for one in result.in_use:
            terminal.warn(f"{one.path} stays: another run works in {one.folder}")
        terminal.note(f"removed {len(result.removed)}, {say_count(sum(one.size for one in result.removed), 'byte')}")
    if terminal.as_json:
        terminal.document({"found": [asdict(one) for one in found], **asdict(result)})


def _confirm(count: int) -> bool:
    return sys.stdin.isatty() and typer.confirm(f"Remove {count}?", err=True)


def _row(one: Removable) -> tuple[str, str, str]:
    return f"{one.size:,}", str(one.path), one.reason
