"""`adrec serve`: the model that is current, over HTTP, exchanged when another one is promoted."""

from __future__ import annotations

import functools
import socket
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from adrec_cli.artifacts.manifest import read_manifest
from adrec_cli.artifacts.promotion import read_current
from adrec_cli.artifacts.workspace import Workspace
from adrec_cli.errors import AdrecError, StorageError, UsageError
from adrec_cli.extending.in_use import list_loaded_plugins
from adrec_cli.loading.plugins import load_plugin
from adrec_cli.loading.recommender import open_recommender
from adrec_cli.models.registry import MODELS
from adrec_cli.models.sampling import FAST_SAMPLING
from adrec_cli.serving.exposition import ServerMetrics
from adrec_cli.serving.hosts import AllowedHosts
from adrec_cli.serving.nights_file import NightsFile
from adrec_cli.serving.options import ServeOptions
from adrec_cli.serving.posted_items import PostedItems, Row
from adrec_cli.serving.served_model import ServedModel
from adrec_cli.serving.watch import OnReload
from adrec_cli.serving.watched_file import WatchedFile
from adrec_cli.wording import option

if TYPE_CHECKING:
    from adrec_cli.serving.running import EndingServer, LogLine
    from adrec_cli.serving.server import MakePages, Server
    from adrec_cli.serving.workers import Worker

_BACKLOG = 2048


def make_server(
    *,
    workspace: Path,
    dataset_name: str | None = None,
    model: str | None = None,
    options: ServeOptions,
    on_reload: OnReload = lambda model, error: None,
    on_log: LogLine = lambda level, text: None,
    metrics: ServerMetrics | None = None,
) -> Server:
    """Load the model and return a server of it.

    Args:
        workspace, dataset_name, model: as `recommend`.
        options: how to serve.
        on_reload: called with the hash of the model that answers, and the error if another one could not be taken.
        on_log: called with a level and a line when something goes wrong.
        metrics: to count in; by default its own.

    Raises:
        UsageError: the extra `serve` is not installed, or a model that draws nothing is to be sampled.
        ArtifactError: no model, or one that is damaged or does not belong to the dataset.
    """
    try:
        from adrec_cli.serving.server import Server, ServerSettings
    except ModuleNotFoundError as error:
        raise UsageError("serving needs starlette and uvicorn", hint="pip install 'adrec-cli[serve]'") from error
    # Looked up once: a data set that appears later must not make it unclear which one is served.
    source = _Source(workspace=workspace, folder=Workspace(workspace).dataset_folder(dataset_name), model=model,
                     options=options)  # fmt: skip
    settings = ServerSettings(
        limits=options.limits,
        hosts=AllowedHosts(options.allowed_hosts, options.host),
        poll_seconds=options.poll_seconds,
        client_seconds=options.client_seconds,
        nights=NightsFile(source.folder),
    )
    return Server(
        source.load, source.has_changed, settings,
        # What one of several processes is sent, the others never know.
        load_with=source.load_with if options.workers == 1 else None,
        metrics=metrics, pages=source.make_pages() if options.ui else None,
        on_reload=on_reload, on_failure=functools.partial(on_log, "error"),
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class _Source:
    """Where the model that is served comes from.

    Attributes:
        workspace, folder: of the data set.
        model: a model's name, or path or bare name of a checkpoint; None for what is current.
        options: how to serve.
        posted: items that were sent to the server.
    """

    workspace: Path
    folder: Path
    model: str | None
    options: ServeOptions
    posted: PostedItems = field(default_factory=PostedItems)

    def load(self) -> ServedModel:
        """Return the model there is now, ready to answer."""
        return self._load(self.posted.path)

    def load_with(self, rows: Sequence[Row]) -> ServedModel:
        """Return that model with more items, which it has from now on."""
        with self.posted.adding(rows) as path:
            return self._load(path)

    def _load(self, posted_items: Path | None) -> ServedModel:
        options = self.options
        recommender = open_recommender(
            self.workspace, self.folder.name, self.model,
            device=options.device, threads=options.threads, new_items=options.new_items,
            posted_items=posted_items, exact=options.exact,
        )  # fmt: skip
        return ServedModel(recommender, options.drawn, options.merging)

    def make_pages(self) -> MakePages:
        """Return what makes the pages, with the model beside loaded."""
        from adrec_cli.serving.ui.pages import Pages

        options, beside = self.options, None
        if options.beside is not None:
            other = open_recommender(
                self.workspace, self.folder.name, options.beside, device=options.device, threads=options.threads
            )
            beside = ServedModel(other, FAST_SAMPLING)
        nights, limits = NightsFile(self.folder), options.limits
        return lambda ask, model: Pages(ask, model, nights, limits, beside).routes()

    def has_changed(self, served: ServedModel) -> bool:
        """Return whether another model, other data or other new items are there than are served."""
        recommender = served.recommender
        if read_manifest(self.folder).sequences_sha256 != recommender.sequences_sha256:
            return True
        new_items = self._new_items
        if new_items is not None and new_items.sha256() not in ("", recommender.new_items.sha256):
            return True
        if self.model is not None and self.model not in MODELS:
            return False  # this very checkpoint was asked for
        current = read_current(self.folder / recommender.checkpoint.metadata.model)
        return current is not None and current.sha256 != recommender.checkpoint.sha256

    @functools.cached_property
    def _new_items(self) -> WatchedFile | None:
        return None if self.options.new_items is None else WatchedFile(self.options.new_items)


def listen(options: ServeOptions) -> list[socket.socket]:
    """Return a socket for each worker, which listen where the options say; port 0 lets the system choose.

    Raises:
        StorageError: the address is taken, or not ours to take.
    """
    # Alone first: sockets that share a port would share it with another server's, too.
    alone = _bound(options.host, options.port, shared=False)
    if options.workers == 1:
        alone.listen(_BACKLOG)
        return [alone]
    port = alone.getsockname()[1]
    alone.close()
    sockets = [_bound(options.host, port, shared=True) for _ in range(options.workers)]
    for listening in sockets:
        listening.listen(_BACKLOG)
    return sockets


def _bound(host: str, port: int, *, shared: bool) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio switches Nagle's algorithm off, which costs 40 ms a request, only where the protocol is named.
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        bound.bind((host, port))
        if not shared:
            # Linux tells only now that somebody else listens there.
            bound.listen(1)
    except OSError as error:
        bound.close()
        raise StorageError(
            f"could not listen on {host} port {port}: {error.strerror or error}",
            hint=f"stop what listens there, or choose another {option('port')}",
        ) from error
    return bound


def serve(
    server: Server,
    listening: socket.socket,
    options: ServeOptions,
    *,
    on_log: LogLine = lambda level, text: None,
    on_ready: Callable[[], None] = lambda: None,
    worker: Worker | None = None,
) -> None:
    """Serve until a signal comes; requests under way are answered first, for no longer than the grace.

    Args:
        server: made by `make_server` with the same options.
        listening: from `listen`.
        options: how to serve.
        on_log: called with a level and a line when something goes wrong.
        on_ready: called once requests are taken.
        worker: which of several processes this is; None for the only one.
    """
    from adrec_cli.serving.connections import ConnectionLimits, affordable_connections
    from adrec_cli.serving.running import run_server

    connections = affordable_connections(options.connections)
    if connections < options.connections:
        on_log("warning", f"{connections:,} connections at most: the system allows no more descriptors (ulimit -n)")

    def announce(running: EndingServer) -> None:
        if worker is not None:
            worker.follow(running)
        on_ready()

    limits = ConnectionLimits(connections=connections, seconds=options.client_seconds)
    run_server(server, listening, connections=limits, grace=options.grace, log=on_log, on_started=announce)


def serve_many(
    make: Callable[..., Server],
    sockets: list[socket.socket],
    options: ServeOptions,
    *,
    on_log: LogLine,
    on_ready: Callable[[], None],
) -> None:
    """Serve with several processes until a signal comes.

    Args:
        make: `make_server` with its arguments but `metrics`, tried before; handed to the processes, so what it holds
            is functions and methods that can be pickled.
        sockets: from `listen`, one for each process.
        options: how to serve, as `make` has them.
        on_log: called with a level and a line when something goes wrong; handed to the processes too.
        on_ready: called once all processes take requests.

    Raises:
        InterruptedRun: stopped by a signal.
        StorageError: the processes die again and again.
    """
    from adrec_cli.serving.workers import run_workers

    plugins = tuple(plugin.path.resolve() for plugin in list_loaded_plugins())
    work = functools.partial(_work, make=make, options=options, on_log=on_log, plugins=plugins)
    run_workers(work, sockets, grace=options.grace, log=on_log, on_ready=on_ready)


def _work(
    worker: Worker, *, make: Callable[..., Server], options: ServeOptions, on_log: LogLine, plugins: tuple[Path, ...]
) -> None:
    """Be one of the processes, which begin without the plugin files that the first one has in use."""
    try:
        for path in plugins:
            load_plugin(path)
        server = make(metrics=ServerMetrics(worker.cells, worker.number))
        serve(server, worker.listening, options, on_log=on_log, worker=worker)
    except AdrecError as error:
        on_log("error", error.message)
        sys.exit(int(error.exit_code))
