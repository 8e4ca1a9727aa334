"""`adrec serve`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from adrec_cli.cli import completion
from adrec_cli.cli.command import Session
from adrec_cli.cli.options import Common, Computing, DatasetName, option

_PANEL = "Limits"


@dataclass(frozen=True, kw_only=True)
class RequestLimits:
    """What a request may ask for."""

    max_k: Annotated[int, option("--max-k", panel=_PANEL, metavar="N", help="Items an answer may have.")] = 1_000
    max_history: Annotated[
        int, option("--max-history", panel=_PANEL, metavar="N", help="Items a history may have.")
    ] = 10_000
    max_body: Annotated[int, option("--max-body", panel=_PANEL, metavar="BYTES", help="Of a request.")] = 1_000_000
    max_batch: Annotated[int, option("--max-batch", panel=_PANEL, metavar="N", help="Requests answered together.")] = 64
    max_waiting: Annotated[
        int, option("--max-waiting", panel=_PANEL, metavar="N", help="Requests that wait; one more gets a 503.")
    ] = 1_024


def serve(
    *,
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="To listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(metavar="N", help="To listen on.")] = 8000,
    model: Annotated[
        str | None,
        typer.Option("--model", metavar="NAME", help="Model or checkpoint; by default the promoted one.",
                     autocompletion=completion.checkpoint_or_model),
    ] = None,
    dataset: DatasetName = None,
    steps: Annotated[int, typer.Option(metavar="N", help="Reverse steps, of zero noise, so that answers repeat.")] = 1,
    limits: RequestLimits,
    computing: Computing,
    common: Common,
    session: Session,
) -> None:  # fmt: skip
    """Answer requests over HTTP, and take a newly promoted model without dropping one."""
    from adrec_cli.models.base import Sampling
    from adrec_cli.pipeline import serve as pipeline
    from adrec_cli.pipeline.serving.questions import Limits

    terminal = session.terminal
    options = pipeline.ServeOptions(
        host=host,
        port=port,
        limits=Limits(
            body=limits.max_body,
            k=limits.max_k,
            history=limits.max_history,
            batch=limits.max_batch,
            waiting=limits.max_waiting,
        ),
        sampling=Sampling(steps=steps, noise="zero"),
        device=computing.device,
        threads=computing.threads,
    )

    def told(name: str, error: str) -> None:
        if error:
            terminal.warn(f"{name} goes on answering, as the promoted model cannot be taken: {error}")
        else:
            terminal.note(f"{name} answers from now on")

    server = pipeline.make_server(
        workspace=common.workspace, dataset_name=dataset, model=model, options=options, on_reload=told
    )
    listening = pipeline.listen(options)
    address = f"http://{f'[{host}]' if ':' in host else host}:{listening.getsockname()[1]}"
    terminal.note(f"{server.model.name} answers at {address}/recommend, see {address}/openapi.json; Ctrl-C ends")
    pipeline.serve(server, listening)
