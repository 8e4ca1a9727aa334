"""`adrec serve`."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final

import typer

from adrec_cli.cli import completion
from adrec_cli.cli.command import Session
from adrec_cli.cli.options.common import Common, DatasetName, NamesDataset
from adrec_cli.cli.show.terminal import Terminal
from adrec_cli.errors import UsageError
from adrec_cli.runtime import ignore_hangup
from adrec_cli.serving.options import ServeOptions

if TYPE_CHECKING:
    from collections.abc import Callable

    from adrec_cli.serving.running import Serving

EXAMPLES: Final = (
    "adrec serve",
    "adrec serve --dataset grocery --port 9000",
    "adrec serve --ui --beside sasrec",
    "adrec serve --all --ui",
)


def serve(
    shops: Annotated[
        list[str] | None,
        typer.Argument(metavar="[DATASET]...", show_default=False, autocompletion=completion.workspace_dataset,
                       help="Data set in the workspace; several are served at /shops/NAME. [default: the only one]"),
        NamesDataset(),
    ] = None,
    *,
    all: Annotated[
        bool,
        typer.Option("--all", help="Serve all data sets with a promoted model at /shops/NAME, also those to come."),
    ] = False,
    options: ServeOptions,
    model: Annotated[
        str | None,
        typer.Option("--model", metavar="NAME", help="Model or checkpoint. [default: the promoted one]",
                     autocompletion=completion.checkpoint_or_model),
    ] = None,
    dataset: DatasetName = None,
    common: Common,
    session: Session,
) -> None:  # fmt: skip
    """Serve recommendations of one shop or several over HTTP; a promoted model takes over without a dropped request."""
    named = _read_names(shops, dataset, every=all)
    # It reloads a server: one that is still loading will have what there is now.
    with ignore_hangup():
        _run(named, every=all, model=model, options=options, common=common, terminal=session.terminal)


def _run(
    named: list[str], *, every: bool, model: str | None, options: ServeOptions, common: Common, terminal: Terminal
) -> None:
    """Load what is to be served, and serve it until a signal comes."""
    from adrec_cli.pipeline import serve as pipeline

    # Methods of the terminal, so that they can be handed to processes.
    reporter = _Reporter(terminal)
    choose: Callable[..., Serving]
    if every or len(named) > 1:
        choose = functools.partial(pipeline.make_shops, names=named)
    else:
        choose = functools.partial(pipeline.make_server, dataset_name=next(iter(named), None))
    make = functools.partial(
        choose, workspace=common.workspace, model=model, options=options, on_reload=reporter.report_reload,
        on_log=reporter.report_problem,
    )  # fmt: skip
    server = make()
    sockets = pipeline.listen(options)
    address = f"http://{f'[{options.host}]' if ':' in options.host else options.host}:{sockets[0].getsockname()[1]}"
    line = server.describe(address)

    def say_ready() -> None:
        terminal.note(line)

    if options.workers == 1:
        pipeline.serve(server, sockets[0], options, on_log=reporter.report_problem, on_ready=say_ready)
        return
    # Made only to see that it can be; each process makes its own.
    del server
    pipeline.serve_many(make, sockets, options, on_log=reporter.report_problem, on_ready=say_ready)


def _read_names(shops: list[str] | None, dataset: str | None, *, every: bool) -> list[str]:
    """Return the data sets that are named.

    Raises:
        UsageError: they are named twice.
    """
    ways = {"arguments": bool(shops), "--dataset": dataset is not None, "--all": every}
    if sum(ways.values()) > 1:
        raise UsageError(
            f"{' and '.join(way for way, typed in ways.items() if typed)} say which data sets to serve",
            hint="use one of them: adrec serve --all, or adrec serve NAME NAME",
        )
    return [*dict.fromkeys(shops or ([] if dataset is None else [dataset]))]


@dataclass(frozen=True)
class _Reporter:
    """Says on a terminal what a server tells."""

    terminal: Terminal

    def report_reload(self, name: str, error: str) -> None:
        if error:
            self.terminal.warn(f"{name} keeps answering, as the promoted model cannot be loaded: {error}")
        else:
            self.terminal.note(f"{name} answers from now on")

    def report_problem(self, level: str, text: str) -> None:
        if level == "error":
            self.terminal.error(text)
        else:
            self.terminal.warn(text)
