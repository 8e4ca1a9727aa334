"""`adrec serve`."""

from __future__ import annotations

import dataclasses
import functools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adrec_cli.cli import completion
from adrec_cli.cli.command import Session
from adrec_cli.cli.options.common import Common, Computing, DatasetName, option
from adrec_cli.cli.options.ranking import Eta, Guidance, Merge, Sampler, Samples
from adrec_cli.cli.show.terminal import Terminal

if TYPE_CHECKING:
    from adrec_cli.models.sampling import Sampling
    from adrec_cli.pipeline.recommend import Merging
    from adrec_cli.serving.questions import Limits

_PANEL, _RANKING = "Limits", "Ranking"


@dataclass(frozen=True, kw_only=True)
class Sampled:
    """How a diffusion model samples: without noise, or with noise common to all, so that answers repeat."""

    steps: Annotated[int, option("--steps", panel=_RANKING, metavar="N", help="Number of reverse steps.")] = 1
    temperature: Annotated[
        float | None,
        option("--temperature", panel=_RANKING, metavar="X",
               help="Standard deviation of the noise [default: 0, or 1 with several samples]."),
    ] = None  # fmt: skip
    samples: Samples = 1
    merge: Merge = "reciprocal-rank"
    sampler: Sampler = "ddpm"
    eta: Eta = 0.0
    guidance: Guidance = None
    seed: Annotated[int, option("--seed", panel=_RANKING, metavar="N", help="Seed of the noise.")] = 0

    def sampling(self) -> Sampling:
        """Return the sampling as models take it."""
        from adrec_cli.models.sampling import FAST_SAMPLING

        temperature = float(self.samples > 1) if self.temperature is None else self.temperature
        chosen = dataclasses.replace(
            FAST_SAMPLING, steps=self.steps, sampler=self.sampler, eta=self.eta, guidance=self.guidance
        )
        if temperature == 0:
            return chosen
        return dataclasses.replace(chosen, noise="common", seed=self.seed, temperature=temperature)

    def merging(self) -> Merging:
        """Return how samples are merged, as ranking takes it."""
        from adrec_cli.pipeline.recommend import Merging

        return Merging(samples=self.samples, merge=self.merge)


@dataclass(frozen=True, kw_only=True)
class RequestLimits:
    """What a request may ask for."""

    max_k: Annotated[
        int, option("--max-k", panel=_PANEL, metavar="N", help="Maximum number of items in an answer.")
    ] = 1_000
    max_history: Annotated[
        int, option("--max-history", panel=_PANEL, metavar="N", help="Maximum number of items in a history or a list.")
    ] = 10_000
    max_users: Annotated[
        int, option("--max-users", panel=_PANEL, metavar="N", help="Maximum number of users in a request.")
    ] = 100
    max_body: Annotated[
        int, option("--max-body", panel=_PANEL, metavar="BYTES", help="Maximum size of a request body.")
    ] = 1_000_000
    max_batch: Annotated[
        int, option("--max-batch", panel=_PANEL, metavar="N", help="Maximum number of questions answered together.")
    ] = 64
    max_waiting: Annotated[
        int,
        option("--max-waiting", panel=_PANEL, metavar="N",
               help="Maximum number of waiting questions; one more is answered with 503."),
    ] = 1_024  # fmt: skip
    max_connections: Annotated[
        int,
        option("--max-connections", panel=_PANEL, metavar="N",
               help="Maximum number of connections of a process; one more is answered with 503."),
    ] = 1_000  # fmt: skip
    client_seconds: Annotated[
        float,
        option("--client-seconds", panel=_PANEL, metavar="SECONDS",
               help="Time limit of a client for its headers, its body, and reading an answer."),
    ] = 10.0  # fmt: skip

    def limits(self) -> Limits:
        """Return the limits of a request as the pipeline takes them."""
        from adrec_cli.serving.questions import Limits

        return Limits(
            body=self.max_body,
            k=self.max_k,
            history=self.max_history,
            users=self.max_users,
            batch=self.max_batch,
            waiting=self.max_waiting,
        )


def serve(
    *,
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(metavar="N", help="Port to listen on.")] = 8000,
    allowed_hosts: Annotated[
        list[str] | None,
        typer.Option("--allowed-hosts", metavar="NAME",
                     help="Name by which a request may call the server; repeatable; * allows all [default: addresses, "
                     "localhost, --host and the name of this machine, which are always allowed]."),
    ] = None,
    workers: Annotated[
        int, typer.Option("--workers", metavar="N", help="Number of processes that share the port.")
    ] = 1,
    grace: Annotated[
        float,
        typer.Option("--grace", metavar="SECONDS", help="Time for open requests after SIGTERM or Ctrl-C."),
    ] = 10.0,
    model: Annotated[
        str | None,
        typer.Option("--model", metavar="NAME", help="Model or checkpoint [default: the promoted one].",
                     autocompletion=completion.checkpoint_or_model),
    ] = None,
    dataset: DatasetName = None,
    new_items: Annotated[
        Path | None,
        typer.Option("--new-items", metavar="FILE",
                     help="File of items that came after the training; read again when it changes.", dir_okay=False),
    ] = None,
    sampled: Sampled,
    limits: RequestLimits,
    computing: Computing,
    common: Common,
    session: Session,
) -> None:  # fmt: skip
    """Answer requests over HTTP, and take a newly promoted model without dropping one."""
    from adrec_cli.pipeline import serve as pipeline

    options = pipeline.ServeOptions(
        host=host,
        port=port,
        workers=workers,
        allowed_hosts=tuple(allowed_hosts or ()),
        limits=limits.limits(),
        connections=limits.max_connections,
        client_seconds=limits.client_seconds,
        grace=grace,
        sampling=sampled.sampling(),
        merging=sampled.merging(),
        new_items=new_items,
        device=computing.device,
        threads=computing.threads,
    )
    # Methods of the terminal, so that they can be handed to processes.
    reporter = _Reporter(session.terminal)
    make = functools.partial(
        pipeline.make_server, workspace=common.workspace, dataset_name=dataset, model=model, options=options,
        on_reload=reporter.report_reload, on_log=reporter.report_problem,
    )  # fmt: skip
    server = make()
    sockets = pipeline.listen(options)
    address = f"http://{f'[{host}]' if ':' in host else host}:{sockets[0].getsockname()[1]}"
    line = f"{server.model.name} answers at {address}/recommend, see {address}/openapi.json; Ctrl-C ends"

    def say_ready() -> None:
        session.terminal.note(line)

    if workers == 1:
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
            self.terminal.warn(f"{name} goes on answering, as the promoted model cannot be taken: {error}")
        else:
            self.terminal.note(f"{name} answers from now on")

    def report_problem(self, level: str, text: str) -> None:
        if level == "error":
            self.terminal.error(text)
        else:
            self.terminal.warn(text)
