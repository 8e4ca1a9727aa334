"""`adrec push`."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from adrec_cli.cli import completion
from adrec_cli.cli.command import Session
from adrec_cli.cli.options.common import Common, NamesDataset, Wait
from adrec_cli.cli.show.moved import show_moved
from adrec_cli.moving.options import PruneOptions

EXAMPLES: Final = (
    "adrec push shop s3://models/shops",
    "adrec push shop /mnt/backup --dry-run",
    "adrec push shop s3://models/shops --prune",
)


def push(
    dataset: Annotated[
        str,
        typer.Argument(metavar="DATASET", help="Data set in the workspace.",
                       autocompletion=completion.workspace_dataset),
        NamesDataset(),
    ],
    place: Annotated[
        str,
        typer.Argument(metavar="PLACE", help="Address or folder to send it to: s3://bucket/prefix, gs://, az://."),
    ],
    *,
    force: Annotated[
        bool, typer.Option("--force", help="Replace what others have pushed there since.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List what would be sent, and send nothing.")] = False,
    pruning: PruneOptions,
    wait: Wait = 0.0,
    common: Common,
    session: Session,
) -> None:  # fmt: skip
    """Copy a data set with its models and results to an object store or a folder; only what is missing is sent."""
    from adrec_cli.artifacts.lock import Waiting
    from adrec_cli.cli.show.progress import Progress
    from adrec_cli.pipeline import push as pipeline

    with Progress(session.terminal) as progress:
        done = pipeline.push(
            dataset,
            place,
            workspace=common.workspace,
            force=force,
            dry_run=dry_run,
            pruning=pruning,
            waiting=Waiting(seconds=wait, on_event=progress),
            on_event=progress,
        )
    for path in done.others:
        session.terminal.warn(f"left out, as it is a link to a folder or no file that adrec writes: {path}")
    show_moved(session.terminal, done, "send", "sent to")
