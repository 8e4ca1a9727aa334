"""`adrec serve`."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from adrec_cli.cli import completion
from adrec_cli.cli.command import Session
from adrec_cli.cli.options.common import Common, Computing, DatasetName, option
from adrec_cli.cli.options.ranking import Eta, Guidance, Merge, Sampler, Samples

if TYPE_CHECKING:
    from adrec_cli.models.base import Sampling
    from adrec_cli.pipeline.recommend import Merging

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
        from adrec_cli.models.base import FAST_SAMPLING

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
        int, option("--max-history", panel=_PANEL, metavar="N", help="Maximum number of items in a history.")
    ] = 10_000
    max_body: Annotated[
        int, option("--max-body", panel=_PANEL, metavar="BYTES", help="Maximum size of a request body.")
    ] = 1_000_000
    max_batch: Annotated[
        int, option("--max-batch", panel=_PANEL, metavar="N", help="Maximum number of requests answered together.")
    ] = 64
    max_waiting: Annotated[
        int,
        option(
            "--max-waiting",
            panel=_PANEL,
            metavar="N",
            help="Maximum number of waiting requests; one more is answered with 503.",
        ),
    ] = 1_024


def serve(
    *,
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(metavar="N", help="Port to listen on.")] = 8000,
    model: Annotated[
        str | None,
        typer.Option("--model", metavar="NAME", help="Model or checkpoint [default: the promoted one].",
                     autocompletion=completion.checkpoint_or_model),
    ] = None,
    dataset: DatasetName = None,
    sampled: Sampled,
    limits: RequestLimits,
    computing: Computing,
    common: Common,
    session: Session,
) -> None:  # fmt: skip
    """Answer requests over HTTP, and take a newly promoted model without dropping one."""
    from adrec_cli.pipeline import serve as pipeline
    from adrec_cli.serving.questions import Limits

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
        sampling=sampled.sampling(),
        merging=sampled.merging(),
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
