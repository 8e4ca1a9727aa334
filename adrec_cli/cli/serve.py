"""`adrec serve`."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Annotated, Final

import typer

from adrec_cli.cli import completion
from adrec_cli.cli.command import Session
from adrec_cli.cli.options.common import Common, DatasetName
from adrec_cli.cli.show.terminal import Terminal
from adrec_cli.serving.options import ServeOptions

EXAMPLES: Final = (
    "adrec serve",
    "adrec serve --dataset grocery --port 9000",
    "adrec serve --ui --beside sasrec",
)


def serve(
    *,
    options: ServeOptions,
    model: Annotated[
        str | None,
        typer.Option("--model", metavar="NAME", help="Model or checkpoint [default: the promoted one].",
                     autocompletion=completion.checkpoint_or_model),
    ] = None,
    dataset: DatasetName = None,
    common: Common,
    session: Session,
) -> None:  # fmt: skip
    """Serve recommendations over HTTP; a newly promoted model takes over without a dropped request."""
    from adrec_cli.pipeline import serve as pipeline

    # Methods of the terminal, so that they can be handed to processes.
    reporter = _Reporter(session.terminal)
    make = functools.partial(
        pipeline.make_server, workspace=common.workspace, dataset_name=dataset, model=model, options=options,
        on_reload=reporter.report_reload, on_log=reporter.report_problem,
    )  # fmt: skip
    server = make()
    sockets = pipeline.listen(options)
    address = f"http://{f'[{options.host}]' if ':' in options.host else options.host}:{sockets[0].getsockname()[1]}"
    line = f"{server.model.name} answers at {address}/recommend, see {address}/openapi.json; Ctrl-C ends"
    if options.ui:
        line = f"{line}; pages at {address}/ and {address}/nights"

    def say_ready() -> None:
        session.terminal.note(line)

    if options.workers == 1:
        pipeline.serve(server, sockets[0], options, on_log=reporter.report_problem, on_ready=say_ready)
        return
    # Made only to see that it can be; each process makes its own.
    del server
    pipeline.serve_many(make, sockets, options, on_log=reporter.report_problem, on_ready=say_ready)


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
