"""`adrec recommend --all`: recommendations for many users into a file, chunk by chunk, resumable."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import polars as pl

from adrec_cli.artifacts.atomic import storage_error, write_bytes
from adrec_cli.artifacts.manifest import read_manifest
from adrec_cli.artifacts.outputs import require_free_output
from adrec_cli.artifacts.provenance import code_sha256, key_of
from adrec_cli.artifacts.recommendation_file import Parts, Reader, format_of, table_writer, unfinished
from adrec_cli.errors import InterruptedRun, LockedError, UsageError
from adrec_cli.experiments.events import OnEvent, RankingProgress, ignore
from adrec_cli.loading.recommender import MODEL, POPULAR, Recommender, open_recommender
from adrec_cli.recommending.audience import Audience, Requests, collect_requests
from adrec_cli.recommending.options import RecommendOptions
from adrec_cli.schema import ITEM_ID, USER_ID

STDOUT = Path("-")
_KINDS = ("user", "item", "candidate")
_LONGEST_ENTRY = 1_000_000
CHUNK_USERS = 4096
_CHUNK_ROWS = 2**21
"""Rows of recommendations held at once, about 100 MB."""
NOTHING_LEFT = "all items that may come back are in the history"
"""Why a known user gets no list."""
SHORT_HASH = 16
"""Characters of the model's hash in each row; the name of its file in `promoted/` has as many."""


@dataclass(frozen=True, kw_only=True)
class BatchSummary:
    """What a batch wrote.

    Attributes:
        path, unknown_path: the file, and the list beside it of who and what is unknown or left without a list; None
            where there is none.
        users, rows: written.
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
    path: Path | None
    unknown_path: Path | None
    users: int
    rows: int
    popular: int
    without_list: int
    unknown_users: int
    unknown_items: int
    unknown_candidates: int
    resumed: int
    seconds: float


@dataclass(frozen=True)
class _Batch:
    """A batch whose files are read; worked through in chunks of users."""

    recommender: Recommender
    requests: Requests
    options: RecommendOptions
    candidates: np.ndarray[tuple[int], np.dtype[np.int64]] | None
    item_ids: pl.Series

    @property
    def users(self) -> int:
        return len(self.requests.user_ids)

    @property
    def chunk(self) -> int:
        return max(1, min(CHUNK_USERS, _CHUNK_ROWS // self.options.k))

    @property
    def chunks(self) -> int:
        return -(-self.users // self.chunk)

    def bounds(self, number: int) -> tuple[int, int]:
        """Return the first user of a chunk and the one behind its last."""
        return number * self.chunk, min((number + 1) * self.chunk, self.users)

    def left_out(self, number: int, served: pl.Series) -> list[str]:
        """Return the users of a chunk who are not among those that got a list."""
        first, last = self.bounds(number)
        asked = self.requests.user_ids[first:last]
        return asked.filter(~asked.is_in(served.implode())).to_list()


def recommend_batch(
    audience: Audience,
    *,
    out: Path,
    format: str | None = None,
    safe_csv: bool = False,
    workspace: Path,
    dataset_name: str | None = None,
    model: str | None = None,
    options: RecommendOptions = RecommendOptions(),
    on_event: OnEvent = ignore,
) -> BatchSummary:
    """Write the best items of many users to a file: user_id, rank, item_id, score, source, model.

    Interrupted, the same command goes on with the users that are missing; the file appears when it is whole.

    Args:
        audience: whom for.
        out: where to; `-` is stdout, which is written as it comes and cannot be resumed.
        format: parquet, jsonl or csv; None takes what the name ends in, and jsonl for stdout.
        safe_csv: put a quote before texts that a spreadsheet would take for formulas.
        workspace, dataset_name, model: as `recommend`.
        options: how many, and how.
        on_event: told `RankingProgress`.

    Raises:
        UsageError: the file is somebody else's, or options do not go together.
        InputError: a file is bad, or nobody in it is known.
        LockedError: another process writes the same file.
        InterruptedRun: stopped by a signal; what is done stays.
    """
    format = "jsonl" if out == STDOUT and format is None else format_of(out, format)
    if safe_csv and format != "csv":
        raise UsageError(f"only CSV is made safe for spreadsheets, not {format}", hint="leave it out, or write .csv")
    shown = out == STDOUT and sys.stdout.isatty()
    if shown and format == "parquet":
        raise UsageError("Parquet is nothing to show on a terminal", hint="give the name of a file, or another format")
    reader = Reader(spreadsheet=safe_csv, terminal=shown)
    if out != STDOUT:
        _require_free(out, audience, options)
    recommender = open_recommender(workspace, dataset_name, model, device=options.device, threads=options.threads)
    recommender.check(options.sampling, options.merging)
    candidates, strangers = options.choice.indices(recommender.items)
    requests = collect_requests(recommender, audience)
    batch = _Batch(recommender, requests, options, candidates, recommender.items[ITEM_ID])
    started = time.perf_counter()
    unknown_path, resumed = None, 0
    if out == STDOUT:
        rows, without = _stream(batch, format, reader, on_event)
    else:
        with unfinished(out, _key(batch, audience)) as parts:
            _require_nobody_left(recommender)
            resumed = _make_parts(batch, parts, on_event)
            without = [user for number in range(batch.chunks) for user in batch.left_out(number, parts.users(number))]
            unknown_path = _list_unknown(out, requests, strangers, without)
            rows = parts.join(out, format, batch.chunks, reader)
    return BatchSummary(
        dataset=recommender.dataset,
        model=recommender.checkpoint.metadata.model,
        checkpoint_sha256=recommender.checkpoint.sha256,
        promoted=recommender.promoted,
        path=None if out == STDOUT else out,
        unknown_path=unknown_path,
        users=batch.users - len(without),
        rows=rows,
        popular=int((requests.histories.ends == requests.histories.starts).sum()),
        without_list=len(without),
        unknown_users=len(requests.unknown_users),
        unknown_items=requests.unknown_items.height + len(strangers),
        unknown_candidates=len(strangers),
        resumed=resumed,
        seconds=time.perf_counter() - started,
    )


def _require_nobody_left(recommender: Recommender) -> None:
    """Refuse to write for people who were forgotten since the data were read; behind this, `adrec forget` waits.

    Raises:
        LockedError: somebody was.
    """
    if read_manifest(recommender.dataset_folder).forgotten != recommender.manifest.forgotten:
        raise LockedError(
            f"somebody was forgotten in {recommender.dataset} while this began", hint="run the same command again"
        )


def _key(batch: _Batch, audience: Audience) -> str:
    """Return a hash of everything a part depends on."""
    return key_of(
        {
            "checkpoint": batch.recommender.checkpoint.sha256,
            "sequences": batch.recommender.sequences_sha256,
            "audience": audience.key(),
            "choice": batch.options.choice.key(),
            "options": [batch.options.k, batch.options.include_seen],
            "sampling": [asdict(batch.options.sampling), asdict(batch.options.merging)],
            "chunk": batch.chunk,
            "code": code_sha256(),
        }
    )


def _stream(batch: _Batch, format: str, reader: Reader, on_event: OnEvent) -> tuple[int, list[str]]:
    """Write to stdout and return how many rows, and who got none."""
    rows, without = 0, []
    with table_writer(sys.stdout.buffer, format, reader) as write:
        for number in range(batch.chunks):
            table = _ranked(batch, number)
            write(table)
            rows += table.height
            without += batch.left_out(number, table[USER_ID])
            on_event(RankingProgress(done=batch.bounds(number)[1], total=batch.users))
    sys.stdout.buffer.flush()
    return rows, without


def _make_parts(batch: _Batch, parts: Parts, on_event: OnEvent) -> int:
    """Make the parts that are missing and return how many users the others hold."""
    resumed = 0
    try:
        for number in range(batch.chunks):
            first, last = batch.bounds(number)
            if parts.has(number):
                resumed += last - first
            else:
                parts.write(number, _ranked(batch, number))
            on_event(RankingProgress(done=last, total=batch.users))
    except InterruptedRun as error:
        raise InterruptedRun(
            error.message,
            signal_number=int(error.exit_code) - 128,
            hint="run the same command again to go on with the users that are missing",
        ) from error
    return resumed


def _ranked(batch: _Batch, number: int) -> pl.DataFrame:
    first, last = batch.bounds(number)
    ranked, sources = batch.recommender.rank(
        batch.requests.histories.some(first, last),
        batch.options.k,
        include_seen=batch.options.include_seen,
        sampling=batch.options.sampling,
        candidates=batch.candidates,
        merging=batch.options.merging,
    )
    lengths = np.array([len(best.items) for best in ranked])
    user = pl.Series(np.repeat(np.arange(first, last), lengths))
    rank = np.arange(1, lengths.sum() + 1) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    source = pl.Series(sources, dtype=pl.Enum([MODEL, POPULAR])).gather(pl.Series(user - first))
    return pl.DataFrame(
        {
            USER_ID: batch.requests.user_ids.gather(user),
            "rank": rank.astype(np.int32),
            ITEM_ID: batch.item_ids.gather(np.concatenate([best.items for best in ranked]) - 1),
            "score": np.concatenate([best.scores for best in ranked]),
            "source": source.cast(pl.String),
            "model": pl.Series([batch.recommender.checkpoint.sha256[:SHORT_HASH]]).new_from_index(0, len(user)),
        }
    )


def _require_free(out: Path, audience: Audience, options: RecommendOptions) -> None:
    """Refuse to write over an artifact, an input, or in the place of the list of unknown ones what is no such list."""
    listed = _unknown_path(out)
    for path in (out, listed):
        require_free_output(path, inputs=(*audience.files(), options.choice.candidates, options.choice.excluded))
    if listed.exists() and not _is_list_of_unknown(listed):
        raise UsageError(
            f"{listed} is in the way: unknown users and items are listed there", hint="give the name of another file"
        )


def _unknown_path(out: Path) -> Path:
    return out.with_name(f"{out.stem}.unknown.jsonl")


def _is_list_of_unknown(path: Path) -> bool:
    if not path.is_file():
        return False
    try:
        with path.open(encoding="utf-8") as file:
            first = json.loads(file.readline(_LONGEST_ENTRY) or "{}")
    except (OSError, ValueError):
        return False
    return isinstance(first, dict) and first.get("kind") in _KINDS and "id" in first


def _list_unknown(out: Path, requests: Requests, strangers: list[str], without: list[str]) -> Path | None:
    """Write who and what is unknown, and who got no list, beside the file, a JSON object a line; or remove a list."""
    path = _unknown_path(out)
    entries: list[dict[str, object]] = [{"kind": "user", "id": user} for user in requests.unknown_users]
    entries += [{"kind": "user", "id": user, "reason": NOTHING_LEFT} for user in without]
    entries += [{"kind": "item", "id": item, "events": events} for item, events in requests.unknown_items.rows()]
    entries += [{"kind": "candidate", "id": item} for item in strangers]
    if entries:
        write_bytes(path, "".join(f"{json.dumps(entry, ensure_ascii=False)}\n" for entry in entries).encode())
        return path
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise storage_error("remove", path, error) from error
    return None
