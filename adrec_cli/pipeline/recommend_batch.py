"""`adrec recommend --all`: recommendations for many users into a file, chunk by chunk, resumable."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from adrec_cli.artifacts.atomic import storage_error, write_bytes
from adrec_cli.artifacts.item_vectors import ids_sha256
from adrec_cli.artifacts.provenance import code_sha256, key_of
from adrec_cli.artifacts.recommendation_file import Parts, Reader, open_parts, table_writer
from adrec_cli.data.shards import WHOLE
from adrec_cli.errors import InterruptedRun, UsageError
from adrec_cli.experiments.events import OnEvent, RankingProgress, ignore
from adrec_cli.loading.recommender import open_recommender
from adrec_cli.recommending.audience import collect_audience, require_nobody_left
from adrec_cli.recommending.batch import Batch
from adrec_cli.recommending.batch_options import AudienceOptions, BatchOutput
from adrec_cli.recommending.elsewhere import Elsewhere
from adrec_cli.recommending.options import RecommendOptions
from adrec_cli.schema import ITEM_ID, USER_ID
from adrec_cli.wording import option

CHUNK_USERS = 4096
_CHUNK_ROWS = 2**21
"""Rows of recommendations held at once, about 100 MB."""
NOTHING_LEFT = "all items that may come back are in the history"
"""Why a known user gets no list."""


@dataclass(frozen=True, kw_only=True)
class BatchSummary:
    """What a batch wrote.

    Attributes:
        path, unknown_path: the file or its address, and the list beside it of who and what is unknown or left without a
            list; None where there is none.
        files, users, rows: written; `path` is a folder where there is not exactly one file.
        popular: users without a history, who got the popular items.
        without_list: users who got none, as all items that may come back are in their history; listed.
        unknown_users, unknown_items: listed, not served.
        unknown_candidates: items among these that are of the files of candidates and excluded items.
        resumed: users that an earlier, interrupted run had done.
        seconds: of ranking and writing, after loading.
    """

    dataset: str
    model: str
    checkpoint_sha256: str
    promoted: bool
    path: Path | str | None
    unknown_path: Path | str | None
    files: int
    users: int
    rows: int
    popular: int
    without_list: int
    unknown_users: int
    unknown_items: int
    unknown_candidates: int
    resumed: int
    seconds: float


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
        audience: the users to recommend to.
        output: where to, and how.
        workspace, dataset_name, model: as `recommend`.
        options: how many, and how.
        titled: write the titles of the items, too, behind their ids.
        on_event: called with `RankingProgress`.

    Raises:
        UsageError: the file is somebody else's, or options do not go together.
        InputError: a file is bad, or nobody in it is known.
        LockedError: another process writes the same file.
        InterruptedRun: stopped by a signal; what is done stays.
    """
    elsewhere = Elsewhere.find(output.path, workspace)
    if elsewhere is not None:
        output = replace(output, path=elsewhere.local)
    destination = output.find_destination()
    if output.shard != WHOLE and not audience.is_data_set:
        raise UsageError("a shard is of the data set's users", hint=f"give {option('all')}, and no {option('events')}")
    if not output.is_stdout:
        destination.require_free((*audience.files(), *options.files()))
    if elsewhere is not None:
        elsewhere.require_free(destination)
    recommender = open_recommender(
        workspace,
        dataset_name,
        model,
        device=options.device,
        threads=options.threads,
        shard=output.shard,
        new_items=options.new_items,
        exact=options.exact,
    )
    recommender.check(options.sampling, options.merging)
    candidates, unknown = options.choice.indices(recommender.items)
    batch = Batch(
        recommender=recommender,
        audience=collect_audience(recommender, audience),
        options=options,
        destination=destination,
        candidates=candidates,
        titled=titled,
        chunk=max(1, min(CHUNK_USERS, _CHUNK_ROWS // options.k)),
    )
    started = time.perf_counter()
    if output.is_stdout:
        written = _stream(batch, output.reader, on_event)
    else:
        with open_parts(destination.unfinished, _key(batch, audience)) as parts:
            written = _write(batch, parts, output.reader, unknown, on_event)
            if elsewhere is not None:
                # Before the parts are removed, from which the next try goes on where the store refuses.
                elsewhere.send(destination, batch.files, written.rows)
                elsewhere.remove_local(destination)
    summary = _summarize(batch, output, written, unknown, time.perf_counter() - started)
    if elsewhere is None:
        return summary
    unknown_path = None if written.unknown_path is None else elsewhere.show_unknown(destination)
    return replace(summary, path=elsewhere.shown, unknown_path=unknown_path)


@dataclass(frozen=True, kw_only=True)
class _Written:
    """What writing left; its attributes are those of `BatchSummary`, but for the ids of who got no list."""

    rows: int
    without_list: list[str]
    unknown_path: Path | None = None
    resumed: int = 0


def _summarize(
    batch: Batch, output: BatchOutput, written: _Written, unknown: list[str], seconds: float
) -> BatchSummary:
    recommender, people = batch.recommender, batch.audience
    return BatchSummary(
        dataset=recommender.dataset,
        model=recommender.checkpoint.metadata.model,
        checkpoint_sha256=recommender.checkpoint.sha256,
        promoted=recommender.promoted,
        path=None if output.is_stdout else output.path,
        unknown_path=written.unknown_path,
        files=0 if output.is_stdout else len(batch.files),
        users=batch.users - len(written.without_list),
        rows=written.rows,
        popular=int((people.histories.ends == people.histories.starts).sum()),
        without_list=len(written.without_list),
        unknown_users=len(people.unknown_users),
        unknown_items=people.unknown_items.height + len(unknown),
        unknown_candidates=len(unknown),
        resumed=written.resumed,
        seconds=seconds,
    )


def _key(batch: Batch, audience: AudienceOptions) -> str:
    """Return a hash of everything a part depends on."""
    return key_of(
        {
            "checkpoint": batch.recommender.checkpoint.sha256,
            "sequences": batch.recommender.sequences_sha256,
            "audience": audience.key(),
            "choice": batch.options.choice.key(),
            "items": [ids_sha256(batch.recommender.items[ITEM_ID]), batch.recommender.manifest.items_sha256],
            "new_items": batch.recommender.new_items.sha256,
            "diversity": asdict(batch.options.diversity),
            "options": [batch.options.k, batch.options.include_seen],
            "sampling": [asdict(batch.options.sampling), asdict(batch.options.merging)],
            "chunk": batch.chunk,
            **({} if batch.recommender.index is None else {"index": batch.recommender.index.pool}),
            **({"stretches": batch.stretches} if batch.destination.is_folder else {}),
            **({"titled": True} if batch.titled else {}),
            "code": code_sha256("content", "loading", "recommending"),
        }
    )


def _write(batch: Batch, parts: Parts, reader: Reader, unknown: list[str], on_event: OnEvent) -> _Written:
    """Make the parts that are missing, and the files of all of them."""
    require_nobody_left(batch.recommender)
    resumed = _make_parts(batch, parts, on_event)
    without = [user for number in range(batch.chunks) for user in batch.find_left_out(number, parts.users(number))]
    unknown_path = _list_unknown(batch, unknown, without)
    return _Written(rows=_join(batch, parts, reader), without_list=without, unknown_path=unknown_path, resumed=resumed)


def _join(batch: Batch, parts: Parts, reader: Reader) -> int:
    """Write the files from their parts, remove what a former batch has left beside them, and return their rows."""
    rows = sum(parts.join(path, batch.destination.format, chunks, reader) for path, chunks in batch.files.items())
    for path in batch.destination.stale(batch.files):
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise storage_error("remove", path, error) from error
    return rows


def _stream(batch: Batch, reader: Reader, on_event: OnEvent) -> _Written:
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
    return _Written(rows=rows, without_list=without)


def _make_parts(batch: Batch, parts: Parts, on_event: OnEvent) -> int:
    """Make the parts that are missing and return how many users the others hold."""
    resumed = 0
    try:
        for number in range(batch.chunks):
            first, last = batch.bounds(number)
            if parts.has(number):
                resumed += last - first
            else:
                parts.write(number, batch.rank(number))
            on_event(RankingProgress(done=last, total=batch.users))
    except InterruptedRun as error:
        raise InterruptedRun(
            error.message,
            signal_number=int(error.exit_code) - 128,
            hint="run the same command again to continue with the missing users",
        ) from error
    return resumed


def _list_unknown(batch: Batch, candidates: list[str], without: list[str]) -> Path | None:
    """Write who and what is unknown, and who got no list, a JSON object per line; or remove a list.

    Args:
        batch: whose audience, and where to.
        candidates: that the model does not know.
        without: users who got no list.
    """
    path, people = batch.destination.unknown, batch.audience
    entries: list[dict[str, object]] = [{"kind": "user", "id": user} for user in people.unknown_users]
    entries += [{"kind": "user", "id": user, "reason": NOTHING_LEFT} for user in without]
    entries += [{"kind": "item", "id": item, "events": events} for item, events in people.unknown_items.rows()]
    entries += [{"kind": "candidate", "id": item} for item in candidates]
    if entries:
        write_bytes(path, "".join(f"{json.dumps(entry, ensure_ascii=False)}\n" for entry in entries).encode())
        return path
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise storage_error("remove", path, error) from error
    return None
