"""`adrec plot`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adrec_cli.cli import completion
from adrec_cli.cli.command import Session
from adrec_cli.cli.options.common import Common, DatasetArgument
from adrec_cli.cli.show.terminal import Terminal

if TYPE_CHECKING:
    from adrec_cli.pipeline.plot import Plotted


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
                help="Folder to write to [default: the data set's reports].",
                                  file_okay=False)
    ] = None,
    metric: Annotated[
        str | None, typer.Option(metavar="METRIC",
                help="Metric of sweeps, slices and steps [default: ndcg@10 or the monitored one].")
    ] = None,
    steps: Annotated[
        list[Path] | None,
        typer.Option("--steps", metavar="FILE", dir_okay=False,
                     help="Output of evaluate --steps 1,2,4 --json; repeatable."),
    ] = None,
    items: Annotated[int, typer.Option(metavar="N", min=8,
            help="Maximum number of points on a map of item vectors.")] = 2000,
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of t-SNE and of the noise.")] = 0,
    threads: Annotated[int | None, typer.Option(metavar="N",
            help="Number of CPU threads [default: PyTorch's choice].")] = None,
    common: Common,
    session: Session,
) -> None:  # fmt: skip
    """Draw training, item vectors, slices and sweeps: whatever the data set has, as PNG and SVG."""
    from adrec_cli.pictures.drawing import PicturesSkipped, PicturesStarted
    from adrec_cli.pictures.picture import PictureOptions
    from adrec_cli.pipeline import plot as pipeline

    terminal = session.terminal

    def show(event: object) -> None:
        if isinstance(event, PicturesStarted):
            terminal.note(f"{event.kind} ...")
        elif isinstance(event, PicturesSkipped):
            terminal.note(f"no picture of {event.kind}: {event.reason}")

    options = PictureOptions(metric=metric, items=items, seed=seed, steps=tuple(steps or ()))
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
    terminal.line(f"stored as .png and .svg in {plotted.folder}")
