"""`adrec recommend --all`: recommendations for many users into a file, chunk by chunk, resumable."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from adrec_cli.artifacts.atomic import storage_error
from adrec_cli.artifacts.provenance import key_of
from adrec_cli.artifacts.recommendation_file import Parts, Reader, open_parts, table_writer
from adrec_cli.data.reading.steady_files import look_at
from adrec_cli.data.shards import WHOLE
from adrec_cli.engines.spark.workers import open_workers
from adrec_cli.errors import InterruptedRun, UsageError
from adrec_cli.events import OnEvent, ignore
from adrec_cli.experiments.events import RankingProgress
from adrec_cli.loading.making_ready import Opening
from adrec_cli.recommending.audience import collect_audience, require_nobody_left
from adrec_cli.recommending.batch import Batch
from adrec_cli.recommending.batch_options import HERE, AudienceOptions, BatchEngine, BatchOutput
from adrec_cli.recommending.elsewhere import Elsewhere
from adrec_cli.recommending.on_workers import identify, make_on_workers
from adrec_cli.recommending.options import RecommendOptions
from adrec_cli.recommending.sharing import leave_to_first, make_in_turns
from adrec_cli.recommending.summary import BatchSummary, Written, list_unknown, summarize
from adrec_cli.schema import USER_ID
from adrec_cli.training.processes import ALONE, Processes
from adrec_cli.wording import option

CHUNK_USERS = 4096
_CHUNK_ROWS = 2**21
"""Rows of recommendations held at once, about 100 MB."""


@dataclass(frozen=True, kw_only=True)
class BatchRequest:
    """A batch that is asked for.

    Attributes:
        audience: the users to recommend to.
        output: where to, and how.
        workspace, dataset_name, model: as `recommend`.
        options: how many, and how.
        titled: write the titles of the items, too, behind their ids.
        engine: what ranks.
    """

    audience: AudienceOptions
    output: BatchOutput
    workspace: Path
    dataset_name: str | None = None
    model: str | None = None
    options: RecommendOptions = RecommendOptions()
    titled: bool = False
    engine: BatchEngine = HERE


@dataclass(frozen=True, kw_only=True)
class _Opened:
    """A batch whose files are read.

    Attributes:
        batch: what is made.
        opening: of its model.
        key: of everything a part depends on; "" where nothing is kept, as of stdout.
        elsewhere: where it is sent; None where it stays.
        unknown: candidates that the model does not know.
    """

    batch: Batch
    opening: Opening
    key: str
    elsewhere: Elsewhere | None
    unknown: list[str]


def recommend_batch(
    audience: AudienceOptions,
    *,
    output: BatchOutput,
    workspace: Path,
    dataset_name: str | None = None,
    model: str | None = None,
    options: RecommendOptions = RecommendOptions(),
    titled: bool = False,
    on_event: OnEvent = ignore,
) -> BatchSummary:
    """Write the best items of many users to a file: user_id, rank, item_id, score, source, model.

    Interrupted, the same command continues with the missing users; the file appears when it is whole.

    Args:
        audience, output, workspace, dataset_name, model, options, titled: as `BatchRequest`.
        on_event: called with `RankingProgress`.

    Raises:
        UsageError: the file is somebody else's, or options do not go together.
        InputError: a file is bad, or nobody in it is known.
        LockedError: another process writes the same file.
        InterruptedRun: stopped by a signal; what is done stays.
    """
    return write_batch(
        BatchRequest(
            audience=audience, output=output, workspace=workspace, dataset_name=dataset_name, model=model,
            options=options, titled=titled,
        ),
        on_event,
    )  # fmt: skip


def write_batch(request: BatchRequest, on_event: OnEvent = ignore, processes: Processes = ALONE) -> BatchSummary:
    """Write a batch as `recommend_batch` does, as the first of all processes that share it; the others share it."""
    opened = processes.agree(lambda: _open(request, processes))
    batch, elsewhere = opened.batch, opened.elsewhere
    started = time.perf_counter()
    if request.output.is_stdout:
        written = _stream(batch, request.output.reader, on_event)
    else:
        with contextlib.ExitStack() as held:
            parts, missing = processes.agree(lambda: _hold_parts(opened, held))
            if request.engine.is_spark:
                workers = held.enter_context(open_workers(request.engine.spark_master))
                rounds = make_on_workers(batch, opened.opening, parts.key, missing, workers, parts.take)
            else:
                rounds = make_in_turns(batch, parts.key, missing, processes, parts.take)
            resumed = batch.users - batch.count(missing)
            _make_parts(batch, rounds, resumed, on_event)
            written = _write(batch, parts, request.output.reader, opened.unknown, resumed)
            if elsewhere is not None:
                # Before the parts are removed, from which the next try goes on where the store refuses.
                elsewhere.send(batch.destination, batch.files, written.rows)
                elsewhere.remove_local(batch.destination)
    summary = summarize(batch, opened.unknown, written, time.perf_counter() - started)
    if elsewhere is None:
        return summary
    unknown_path = None if written.unknown_path is None else elsewhere.show_unknown(batch.destination)
    return replace(summary, path=elsewhere.shown, unknown_path=unknown_path)


def share_batch(request: BatchRequest, processes: Processes) -> None:
    """Make the parts of this process's turns, while the first process does the rest with `write_batch`.

    Raises:
        AdrecError: raised in any of the processes.
    """
    opened = processes.agree(lambda: _open(request, processes))
    # The first process takes the lock now, and looks for what is there.
    processes.agree(lambda: None)
    for _ in make_in_turns(opened.batch, opened.key, (), processes, leave_to_first):
        pass


def _open(request: BatchRequest, processes: Processes) -> _Opened:
    """Read the files of a batch, after a look at whether it can be written."""
    audience, output, options = request.audience, request.output, request.options
    elsewhere = Elsewhere.find(output.path, request.workspace, output.shard)
    if elsewhere is not None:
        output = replace(output, path=elsewhere.local)
    destination = output.find_destination()
    if output.shard != WHOLE and not audience.is_data_set:
        raise UsageError("a shard is of the data set's users", hint=f"give {option('all')}, and no {option('events')}")
    _require_shareable(request, processes)
    if not output.is_stdout:
        destination.require_free((*audience.files(), *options.files()))
    if elsewhere is not None:
        elsewhere.require_free(destination)
    files = [look_at(path) for path in (*audience.files(), *options.files()) if path.is_file()]
    here = replace(options, device=processes.choose_device(options.device))
    asked = Opening.of(request.workspace, request.dataset_name, request.model, here).resolve()
    recommender = asked.open(output.shard, once=processes.once)
    if not output.is_stdout:
        destination.require_no_source(recommender.manifest.sources)
    recommender.check(options.sampling, options.merging)
    candidates, unknown = options.choice.indices(recommender.items)
    batch = Batch(
        recommender=recommender,
        audience=collect_audience(recommender, audience),
        options=options,
        destination=destination,
        candidates=candidates,
        titled=request.titled,
        chunk=max(1, min(CHUNK_USERS, _CHUNK_ROWS // options.k)),
    )
    key = "" if output.is_stdout else _key(batch, audience)
    for file in files:
        # The key is of what it says now: parts of what it said before must not be taken under it.
        file.require_unchanged()
    opening = Opening.of(request.workspace, request.dataset_name, request.model, options).resolve()
    return _Opened(batch=batch, opening=opening, key=key, elsewhere=elsewhere, unknown=unknown)


def _require_shareable(request: BatchRequest, processes: Processes) -> None:
    """Refuse to have several processes make what cannot be shared, or in two ways at once."""
    if request.output.is_stdout and (processes.count > 1 or request.engine.is_spark):
        raise UsageError(
            "several processes share a file or a folder, not stdout", hint=f"name one with {option('out', 'recs/')}"
        )
    if processes.count > 1 and request.engine.is_spark:
        raise UsageError(
            "Spark has processes of its own", hint=f"leave out {option('devices')}, or {option('engine', 'spark')}"
        )


def _hold_parts(opened: _Opened, held: contextlib.ExitStack) -> tuple[Parts, list[int]]:
    """Open the folder of the parts until `held` is closed; return it with the numbers of what is missing there."""
    parts = held.enter_context(open_parts(opened.batch.destination.unfinished, opened.key))
    require_nobody_left(opened.batch.recommender)
    return parts, [number for number in range(opened.batch.chunks) if not parts.has(number)]


def _key(batch: Batch, audience: AudienceOptions) -> str:
    """Return a hash of everything a part depends on."""
    return key_of(
        {
            **identify(batch.recommender),
            "sequences": batch.recommender.sequences_sha256,
            "audience": audience.key(),
            "choice": batch.options.choice.key(),
            "diversity": asdict(batch.options.diversity),
            "options": [batch.options.k, batch.options.include_seen],
            "sampling": [asdict(batch.options.sampling), asdict(batch.options.merging)],
            "chunk": batch.chunk,
            **({"stretches": batch.stretches} if batch.destination.is_folder else {}),
            **({"titled": True} if batch.titled else {}),
        }
    )


def _write(batch: Batch, parts: Parts, reader: Reader, unknown: list[str], resumed: int) -> Written:
    """Write the files of all parts, which are there."""
    without = [user for number in range(batch.chunks) for user in batch.find_left_out(number, parts.users(number))]
    unknown_path = list_unknown(batch, unknown, without)
    return Written(rows=_join(batch, parts, reader), without_list=without, unknown_path=unknown_path, resumed=resumed)


def _join(batch: Batch, parts: Parts, reader: Reader) -> int:
    """Write the files from their parts, remove what a former batch has left beside them, and return their rows."""
    rows = sum(parts.join(path, batch.destination.format, chunks, reader) for path, chunks in batch.files.items())
    for path in batch.destination.stale(batch.files):
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise storage_error("remove", path, error) from error
    return rows


def _stream(batch: Batch, reader: Reader, on_event: OnEvent) -> Written:
    """Write to stdout."""
    rows, without = 0, []
    with table_writer(sys.stdout.buffer, batch.destination.format, reader) as write:
        for number in range(batch.chunks):
            table = batch.rank(number)
            write(table)
            rows += table.height
            without += batch.find_left_out(number, table[USER_ID])
            on_event(RankingProgress(done=batch.bounds(number)[1], total=batch.users))
    sys.stdout.buffer.flush()
    return Written(rows=rows, without_list=without)


def _make_parts(batch: Batch, rounds: Iterator[Sequence[int]], done: int, on_event: OnEvent) -> None:
    """Make the parts that are missing.

    Args:
        batch: whose parts.
        rounds: make them, and tell the numbers of a round's parts.
        done: users whose parts are there.
        on_event: called with `RankingProgress`.
    """
    try:
        for numbers in rounds:
            done += batch.count(numbers)
            on_event(RankingProgress(done=done, total=batch.users))
    except InterruptedRun as error:
        raise InterruptedRun(
            error.message,
            signal_number=int(error.exit_code) - 128,
            hint="run the same command again to continue with the missing users",
        ) from error
