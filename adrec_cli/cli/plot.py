"""`adrec plot`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from adrec_cli.cli import completion
from adrec_cli.cli.command import Session
from adrec_cli.cli.options.common import Common, DatasetArgument
from adrec_cli.cli.show.terminal import Terminal
from adrec_cli.pictures.options import PictureOptions

if TYPE_CHECKING:
    from adrec_cli.pipeline.plot import Plotted


EXAMPLES: Final = (
    "adrec plot grocery",
    "adrec plot grocery --only curves --only spectrum",
    "adrec plot grocery --only slices --format pdf --width 5.5 --font 'DejaVu Serif' --no-title",
)


def plot(
    dataset: DatasetArgument = None,
    *,
    only: Annotated[
        list[str] | None,
        typer.Option("--only", metavar="KIND", autocompletion=completion.among(completion.PICTURE_KINDS),
                     help=f"Pictures to draw: {', '.join(completion.PICTURE_KINDS)}; repeatable."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FOLDER",
                help="Folder to write to. [default: the data set's reports]",
                                  file_okay=False)
    ] = None,
    options: PictureOptions,
    threads: Annotated[int | None, typer.Option(metavar="N",
            help="Number of CPU threads. [default: PyTorch's choice]")] = None,
    common: Common,
    session: Session,
) -> None:  # fmt: skip
    """Draw training, item vectors, slices and sweeps: whatever the data set has."""
    from adrec_cli.pictures.drawing import PicturesSkipped, PicturesStarted
    from adrec_cli.pipeline import plot as pipeline

    terminal = session.terminal

    def show(event: object) -> None:
        if isinstance(event, PicturesStarted):
            terminal.note(f"{event.kind} ...")
        elif isinstance(event, PicturesSkipped):
            terminal.note(f"no picture of {event.kind}: {event.reason}")

    plotted = pipeline.plot(
        dataset,
        workspace=common.workspace,
        kinds=only or (),
        out=out,
        options=options,
        threads=threads,
        on_event=show,
    )
    _show(terminal, plotted)


def _show(terminal: Terminal, plotted: Plotted) -> None:
    if terminal.as_json:
        terminal.document(asdict(plotted))
        return
    terminal.table(["picture", "shows"], [(one.name, one.title) for one in plotted.pictures])
    for one in plotted.pictures:
        if one.note:
            terminal.note(f"{one.name}: {one.note}")
    suffixes = [f".{kind}" for kind in plotted.formats]
    terminal.line(f"stored as {' and '.join(suffixes)} in {plotted.folder}")
