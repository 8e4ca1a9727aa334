"""`adrec pull`."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from adrec_cli.cli.command import Session
from adrec_cli.cli.options.common import Common, Wait
from adrec_cli.cli.show.moved import show_moved

EXAMPLES: Final = (
    "adrec pull s3://models/shops",
    "adrec pull s3://models/shops shop --wait 60",
)


def pull(
    place: Annotated[
        str, typer.Argument(metavar="PLACE", help="Address or folder that it was pushed to.")
    ],
    dataset: Annotated[
        str | None,
        typer.Argument(metavar="[DATASET]", help="Data set to fetch. [default: the only one there]",
                       show_default=False),
    ] = None,
    *,
    force: Annotated[
        bool, typer.Option("--force", help="Overwrite what has changed here, and compare the content of every file.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List what would be fetched, and fetch nothing.")] = False,
    wait: Wait = 0.0,
    common: Common,
    session: Session,
) -> None:  # fmt: skip
    """Fetch a pushed data set with its models and results; nothing here changes until all of it has arrived."""
    from adrec_cli.artifacts.lock import Waiting
    from adrec_cli.cli.show.progress import Progress
    from adrec_cli.pipeline import pull as pipeline

    with Progress(session.terminal) as progress:
        pulling = pipeline.Pulling(
            force=force, dry_run=dry_run, waiting=Waiting(seconds=wait, on_event=progress), on_event=progress
        )
        done = pipeline.pull(place, dataset, workspace=common.workspace, pulling=pulling)
    for path in done.overwritten:
        session.terminal.warn(f"changed here since: {path}")
    show_moved(session.terminal, done, "bring", "brought from")
