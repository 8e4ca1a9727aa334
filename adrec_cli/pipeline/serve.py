"""`adrec serve`: the models that are current, over HTTP, exchanged when others are promoted."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from adrec_cli.artifacts.workspace import Workspace
from adrec_cli.errors import AdrecError, ArtifactError, StorageError, UsageError
from adrec_cli.extending.in_use import list_loaded_plugins
from adrec_cli.loading.plugins import load_plugin
from adrec_cli.models.registry import MODELS
from adrec_cli.serving.exposition import ServerMetrics
from adrec_cli.serving.hosts import AllowedHosts
from adrec_cli.serving.nights_file import NightsFile
from adrec_cli.serving.options import ServeOptions
from adrec_cli.serving.source import DatasetListing, ModelSource
from adrec_cli.serving.watch import OnReload
from adrec_cli.wording import option, say_count

if TYPE_CHECKING:
    from adrec_cli.serving.running import EndingServer, LogLine, Serving
    from adrec_cli.serving.served_model import ServedModel
    from adrec_cli.serving.server import Server
    from adrec_cli.serving.server_parts import ServerSettings, Shared
    from adrec_cli.serving.shops import MakeFront, Shops
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
    _require_extra()
    # Looked up once: a data set that appears later must not make it unclear which one is served.
    folder = Workspace(workspace).dataset_folder(dataset_name)
    source = ModelSource(workspace=workspace, folder=folder, model=model, options=options)
    beside = source.load_beside()
    return _make_server(source, beside, metrics=metrics, on_reload=on_reload, on_failure=partial(on_log, "error"))


def make_shops(
    *,
    workspace: Path,
    names: Sequence[str] = (),
    model: str | None = None,
    options: ServeOptions,
    on_reload: OnReload = lambda model, error: None,
    on_log: LogLine = lambda level, text: None,
    metrics: ServerMetrics | None = None,
) -> Shops:
    """Load a model of each of several data sets and return a server of all of them.

    Args:
        workspace: where they are.
        names: of the data sets; none for all that have a promoted model, also those that get one later.
        model: name of the model of each; None for what `recommend` takes.
        options: how to serve.
        on_reload: called as by `make_server`, with the data set before the hash.
        on_log: called with a level and a line when something goes wrong.
        metrics: to count in; by default its own.

    Raises:
        UsageError: the extra `serve` is not installed, or something was asked for that belongs to one data set.
        ArtifactError: a data set is not there, or none has a model that can be loaded.
    """
    _require_extra()
    from adrec_cli.serving.shops import Shops

    _require_nothing_of_one(model, options)
    listing = DatasetListing(workspace=workspace, named=tuple(names), model=model)
    listing.require_any()

    def make(name: str, shared: Shared, counted: ServerMetrics) -> Server:
        source = ModelSource(
            workspace=workspace, folder=workspace / name, model=listing.model_of(name), options=options
        )
        try:
            beside = source.load_beside()
        except (ArtifactError, UsageError) as error:
            beside = None
            on_log("warning", f"{name} shows nothing beside: {error.message}")
        return _make_server(
            source, beside, shared=shared, metrics=counted,
            on_reload=lambda model, error: on_reload(f"{name}: {model}", error),
            on_failure=lambda text: on_log("error", f"{name}: {text}"),
        )  # fmt: skip

    return Shops(
        listing, make, _settings(options), metrics=metrics, front=_front() if options.ui else None,
        on_reload=on_reload, on_failure=partial(on_log, "warning"),
    )  # fmt: skip


def _front() -> MakeFront:
    from adrec_cli.serving.ui.shops_page import make_front

    return make_front


def _require_nothing_of_one(model: str | None, options: ServeOptions) -> None:
    """Refuse what belongs to one data set where several are served.

    Raises:
        UsageError: naming it.
    """
    if model is not None and model not in MODELS:
        raise UsageError(
            f"several data sets are served, and {model[:100]!r} is no model's name: a checkpoint belongs to one",
            hint=f"name a model, or serve that one with {option('dataset', 'NAME')}",
        )
    if options.new_items is not None:
        raise UsageError(
            f"{option('new_items')} belongs to one data set, and several are served",
            hint="post the items to /shops/NAME/items, or update the data sets",
        )


def _require_extra() -> None:
    """Raise unless what serving needs is installed.

    Raises:
        UsageError: with the command that installs it.
    """
    try:
        import_module("adrec_cli.serving.server")
    except ModuleNotFoundError as error:
        raise UsageError("serving needs starlette and uvicorn", hint="pip install 'adrec-cli[serve]'") from error


def _settings(options: ServeOptions) -> ServerSettings:
    from adrec_cli.serving.server_parts import ServerSettings

    return ServerSettings(
        limits=options.limits,
        hosts=AllowedHosts(options.allowed_hosts, options.host),
        poll_seconds=options.poll_seconds,
        client_seconds=options.client_seconds,
    )


def _make_server(
    source: ModelSource,
    beside: ServedModel | None,
    *,
    metrics: ServerMetrics | None,
    on_reload: OnReload,
    on_failure: Callable[[str], None],
    shared: Shared | None = None,
) -> Server:
    from adrec_cli.serving.server import Server
    from adrec_cli.serving.server_parts import Served

    options = source.options
    served = Served(
        load=source.load,
        changed=source.has_changed,
        nights=NightsFile(source.folder),
        # What one of several processes is sent, the others never know.
        load_with=source.load_with if options.workers == 1 else None,
        pages=source.make_pages(beside) if options.ui else None,
    )
    return Server(
        served, _settings(options), metrics=metrics, shared=shared, on_reload=on_reload, on_failure=on_failure
    )


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
    server: Serving,
    listening: socket.socket,
    options: ServeOptions,
    *,
    on_log: LogLine = lambda level, text: None,
    on_ready: Callable[[], None] = lambda: None,
    worker: Worker | None = None,
) -> None:
    """Serve until a signal comes; requests under way are answered first, for no longer than the grace.

    Args:
        server: made by `make_server` or `make_shops` with the same options.
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
        on_log(
            "warning",
            f"{say_count(connections, 'connection')} at most: the system allows no more descriptors (ulimit -n)",
        )

    def announce(running: EndingServer) -> None:
        if worker is not None:
            worker.follow(running)
        on_ready()

    limits = ConnectionLimits(connections=connections, seconds=options.client_seconds)
    run_server(server, listening, connections=limits, grace=options.grace, log=on_log, on_started=announce)


def serve_many(
    make: Callable[..., Serving],
    sockets: list[socket.socket],
    options: ServeOptions,
    *,
    on_log: LogLine,
    on_ready: Callable[[], None],
) -> None:
    """Serve with several processes until a signal comes.

    Args:
        make: `make_server` or `make_shops` with its arguments but `metrics`, tried before; handed to the processes, so
            what it holds is functions and methods that can be pickled.
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
    work = partial(_work, make=make, options=options, on_log=on_log, plugins=plugins)
    run_workers(work, sockets, grace=options.grace, log=on_log, on_ready=on_ready)


def _work(
    worker: Worker, *, make: Callable[..., Serving], options: ServeOptions, on_log: LogLine, plugins: tuple[Path, ...]
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
