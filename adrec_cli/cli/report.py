"""`adrec report`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Final

import typer

from adrec_cli.cli.command import Session
from adrec_cli.cli.options.common import Common, DatasetArgument
from adrec_cli.wording import say_count

EXAMPLES: Final = (
    "adrec report grocery",
    "adrec report grocery --out grocery.html",
)


def report(
    dataset: DatasetArgument = None,
    *,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="FILE", help="File to write. [default: report.html in the data set's reports]"
        ),
    ] = None,
    pictures: Annotated[bool, typer.Option("--pictures/--no-pictures", help="Include pictures.")] = True,
    threads: Annotated[
        int | None, typer.Option(metavar="N", help="Number of CPU threads. [default: PyTorch's choice]")
    ] = None,
    common: Common,
    session: Session,
) -> None:
    """Write one HTML file about the data, the models, their results, and how to reproduce them."""
    from adrec_cli.cli.show.training_progress import TrainingProgress
    from adrec_cli.pipeline import report as pipeline

    with TrainingProgress(session.terminal) as progress:
        made = pipeline.report(
            dataset, workspace=common.workspace, out=out, pictures=pictures, threads=threads, on_event=progress
        )
    for line in made.left_out:
        session.terminal.warn(f"left out: {line}")
    if pictures and made.without_pictures:
        session.terminal.note(f"without pictures: {made.without_pictures}")
    if session.terminal.as_json:
        session.terminal.document(asdict(made))
        return
    counts = {"model": len(made.models), "evaluation": made.evaluations, "sweep": made.sweeps, "picture": made.pictures}
    told = [say_count(number, what) for what, number in counts.items()]
    session.terminal.line(f"{', '.join(told)}, {made.size / 1e6:.1f} MB")
    session.terminal.line(f"stored in {made.path}")
