"""What a batch of recommendations wrote, and who got none."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from adrec_cli.artifacts.atomic import storage_error, write_bytes
from adrec_cli.recommending.batch import Batch

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


@dataclass(frozen=True, kw_only=True)
class Written:
    """What writing left; its attributes are those of `BatchSummary`, but for the ids of who got no list."""

    rows: int
    without_list: list[str]
    unknown_path: Path | None = None
    resumed: int = 0


def summarize(batch: Batch, unknown: list[str], written: Written, seconds: float) -> BatchSummary:
    """Put together what a batch wrote.

    Args:
        batch: that was written.
        unknown: candidates that the model does not know.
        written: what writing left.
        seconds: that it took.
    """
    recommender, people, destination = batch.recommender, batch.audience, batch.destination
    return BatchSummary(
        dataset=recommender.dataset,
        model=recommender.checkpoint.metadata.model,
        checkpoint_sha256=recommender.checkpoint.sha256,
        promoted=recommender.promoted,
        path=None if destination.is_stdout else destination.path,
        unknown_path=written.unknown_path,
        files=0 if destination.is_stdout else len(batch.files),
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


def list_unknown(batch: Batch, candidates: list[str], without: list[str]) -> Path | None:
    """Write who and what is unknown, and who got no list, a JSON object per line; or remove a list.

    Args:
        batch: whose audience, and where to.
        candidates: that the model does not know.
        without: users who got no list.

    Raises:
        StorageError: the file system refused.
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
