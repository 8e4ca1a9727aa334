"""`adrec serve`: the model that is current, over HTTP, exchanged when another one is promoted."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from adrec_cli.artifacts.manifest import read_manifest
from adrec_cli.artifacts.promotion import read_current
from adrec_cli.artifacts.workspace import Workspace
from adrec_cli.errors import StorageError, UsageError
from adrec_cli.loading.recommender import open_recommender
from adrec_cli.models.base import FAST_SAMPLING, Sampling
from adrec_cli.ranking.merging import SINGLE, Merging
from adrec_cli.serving.questions import Limits
from adrec_cli.serving.served_model import ServedModel
from adrec_cli.training.stages import STAGES

if TYPE_CHECKING:
    from adrec_cli.serving.server import Server


@dataclass(frozen=True, kw_only=True)
class ServeOptions:
    """How to serve.

    Attributes:
        host, port: to listen on.
        limits: of requests.
        sampling: of a diffusion model.
        merging: how many samples, and how they become one list.
        poll_seconds: between looks for a newly promoted model.
        device, threads: to compute on.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    limits: Limits = field(default_factory=Limits)
    sampling: Sampling = FAST_SAMPLING
    merging: Merging = SINGLE
    poll_seconds: float = 2.0
    device: str = "auto"
    threads: int | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65_535:
            raise UsageError(f"--port must be between 0 and 65535, got {self.port}")


def make_server(
    *,
    workspace: Path,
    dataset_name: str | None = None,
    model: str | None = None,
    options: ServeOptions,
    on_reload: Callable[[str, str], None] = lambda model, error: None,
) -> Server:
    """Load the model and return a server of it.

    Args:
        workspace, dataset_name, model: as `recommend`.
        options: how to serve.
        on_reload: told the hash of the model that answers, and the error if another one could not be taken.

    Raises:
        UsageError: the extra `serve` is not installed, or a model that draws nothing is to be sampled.
        ArtifactError: no model, or one that is damaged or does not belong to the dataset.
    """
    try:
        from adrec_cli.serving.server import Server
    except ModuleNotFoundError as error:
        raise UsageError("serving needs starlette and uvicorn", hint="pip install 'adrec-cli[serve]'") from error
    # Looked up once: a data set that appears later must not make it unclear which one is served.
    folder = Workspace(workspace).dataset_folder(dataset_name)

    def load() -> ServedModel:
        recommender = open_recommender(workspace, folder.name, model, device=options.device, threads=options.threads)
        return ServedModel(recommender, options.sampling, options.merging)

    def changed(served: ServedModel) -> bool:
        recommender = served.recommender
        if read_manifest(folder).sequences_sha256 != recommender.sequences_sha256:
            return True
        if model is not None and model not in STAGES:
            return False  # this very checkpoint was asked for
        current = read_current(folder / recommender.checkpoint.metadata.model)
        return current is not None and current.sha256 != recommender.checkpoint.sha256

    return Server(load, changed, limits=options.limits, poll_seconds=options.poll_seconds, on_reload=on_reload)


def listen(options: ServeOptions) -> socket.socket:
    """Return a socket that listens where the options say; port 0 lets the system choose.

    Raises:
        StorageError: the address is taken, or not ours to take.
    """
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    # asyncio switches Nagle's algorithm off, which costs 40 ms a request, only where the protocol is named.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((options.host, options.port))
        listening.listen(2048)
        return listening
    except OSError as error:
        listening.close()
        raise StorageError(
            f"could not listen on {options.host} port {options.port}: {error.strerror or error}",
            hint="stop what listens there, or choose another --port",
        ) from error


def serve(server: Server, listening: socket.socket) -> None:
    """Serve until a signal comes; requests under way are answered first."""
    import uvicorn

    config = uvicorn.Config(server.app, log_config=None, access_log=False, lifespan="on")
    uvicorn.Server(config).run(sockets=[listening])
