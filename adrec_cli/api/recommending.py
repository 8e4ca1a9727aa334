"""`recommend` as a function, for one person or for many, with the options of the command by keyword."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack, cast, overload

from adrec_cli.api.frames import ArrowFrame, as_files, is_frame
from adrec_cli.api.ids import list_ids
from adrec_cli.api.keywords import WantedAnew
from adrec_cli.api.places import Place, locate_by_checkpoint
from adrec_cli.api.recommender import OF_LOADING, load_recommender, take_wanted
from adrec_cli.api.results import RecommendedItems, RecommendedLists
from adrec_cli.errors import UsageError
from adrec_cli.recommending.batch_options import AudienceOptions, BatchOutput
from adrec_cli.schema import USER_ID
from adrec_cli.wording import option

if TYPE_CHECKING:
    from adrec_cli.recommending.history_times import Time


@overload
def recommend(
    dataset: Place | None = None,
    *,
    user: str,
    model: Place | None = None,
    workspace: Place | None = None,
    **wanted: Unpack[WantedAnew],
) -> RecommendedItems: ...


@overload
def recommend(
    dataset: Place | None = None,
    *,
    history: Sequence[str],
    times: Sequence[Time] | None = None,
    model: Place | None = None,
    workspace: Place | None = None,
    **wanted: Unpack[WantedAnew],
) -> RecommendedItems: ...


@overload
def recommend(
    dataset: Place | None = None,
    *,
    users: Place | ArrowFrame | Iterable[str] | None = None,
    histories: Place | ArrowFrame | Iterable[Sequence[str]] | None = None,
    all: bool = False,
    events: Place | ArrowFrame | None = None,
    model: Place | None = None,
    workspace: Place | None = None,
    **wanted: Unpack[WantedAnew],
) -> RecommendedLists: ...


def recommend(
    dataset: Place | None = None,
    *,
    user: str | None = None,
    history: Sequence[str] | None = None,
    times: Sequence[Time] | None = None,
    users: Place | ArrowFrame | Iterable[str] | None = None,
    histories: Place | ArrowFrame | Iterable[Sequence[str]] | None = None,
    all: bool = False,
    events: Place | ArrowFrame | None = None,
    model: Place | None = None,
    workspace: Place | None = None,
    **wanted: Unpack[WantedAnew],
) -> RecommendedItems | RecommendedLists:
    """Return the best items for one person or for many: `recommend("shop", user="42", k=5)`.

    `load_recommender` keeps the model in memory, where it is asked again and again.

    Args:
        dataset: as for `train`.
        user, history: one person: a raw user id, or raw item ids, oldest first.
        times: when each item of the history was, as for `LoadedRecommender.recommend`.
        users: many users: ids, a frame with `user_id`, or a file of them.
        histories: of many people: lists of item ids, who are then called "0", "1" and so on; a frame or a Parquet file
            with `user_id` and `history`, or a CSV file with an event per row.
        all: all users of the data set.
        events: the newest events, appended to the histories: a frame or a file with `user_id` and `item_id`.
        model: a model's name, or path or bare name of a checkpoint; None takes what is current.
        workspace: where names are looked up; None takes $ADREC_WORKSPACE, else ./workspace.
        wanted: how many, and how, as `adrec recommend` has them: k=10, include_seen=False and so on.

    Returns:
        of one person the items; of many a table, and who and what is unknown, as `adrec recommend --out` tells it.

    Raises:
        UsageError: not exactly one of the five ways to name people, or an option is wrong.
        InputError: nobody is known, or a file or frame is bad.
        ArtifactError: no model, or one that does not belong to the dataset.
    """
    ways = [user is not None, history is not None, users is not None, histories is not None, all]
    if sum(ways) != 1:
        raise UsageError(
            "say in one way who is recommended to",
            hint=f"{option('user', 'ID')}, or history=, users=, histories= or {option('all', True)}",
        )
    given: dict[str, Any] = dict(wanted)
    if times is not None and history is None:
        raise UsageError("times are those of a history", hint="recommend(history=[...], times=[...])")
    if user is None and history is None:
        return _recommend_many(
            dataset, model, workspace, given, all=all, events=events,
            people={"users": _name_users(users), "histories": _number_histories(histories)},
        )  # fmt: skip
    if events is not None:
        raise UsageError(f"{option('events', 'FILE')} belongs to many people", hint=f"put {user!r} into users=")
    loading = {key: given.pop(key) for key in OF_LOADING & given.keys()}
    take_wanted(dict(given))  # Before a model is loaded.
    loaded = load_recommender(dataset, model=model, workspace=workspace, **loading)
    return loaded.recommend(user=user, history=history, times=times, **cast(Any, given))


def _recommend_many(
    dataset: Place | None,
    model: Place | None,
    workspace: Place | None,
    given: dict[str, Any],
    *,
    all: bool,
    events: Place | ArrowFrame | None,
    people: dict[str, Any],
) -> RecommendedLists:
    """Do in a folder of its own what the command does with files."""
    options = take_wanted(given)
    if options.explain:
        raise UsageError(f"{option('explain')} is for one person", hint=option("user", "ID"))
    root, name = locate_by_checkpoint(model, dataset, workspace)
    from adrec_cli.pipeline.recommend_batch import recommend_batch

    with tempfile.TemporaryDirectory(prefix="adrec-") as folder, as_files(**people, events=events) as files:
        paths = {key: Path(path) for key, path in files.items()}
        output = BatchOutput(path=Path(folder) / "lists.parquet")
        done = recommend_batch(
            AudienceOptions(all_users=all, **paths),
            output=output,
            workspace=root,
            dataset_name=name,
            model=None if model is None else os.fspath(model),
            options=options,
            titled=True,
        )
        left_out = _read_left_out(None if done.unknown_path is None else Path(done.unknown_path))
        import polars as pl

        table = pl.read_parquet(output.path, memory_map=False)
    return RecommendedLists(
        dataset=done.dataset,
        model=done.model,
        checkpoint_sha256=done.checkpoint_sha256,
        promoted=done.promoted,
        unknown_users=tuple(one["id"] for one in left_out if one["kind"] == "user" and "reason" not in one),
        unknown_items=tuple(one["id"] for one in left_out if one["kind"] != "user"),
        without_list=tuple(one["id"] for one in left_out if "reason" in one),
        table=table,
    )


def _read_left_out(path: Path | None) -> list[dict[str, Any]]:
    return [] if path is None else [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def _name_users(users: Place | ArrowFrame | Iterable[str] | None) -> Place | ArrowFrame | None:
    """Return users as a path or a frame, which they may be already."""
    if users is None or isinstance(users, str | os.PathLike) or is_frame(users):
        return users
    import polars as pl

    return pl.DataFrame({USER_ID: list_ids(cast(Iterable[str], users), option("users"))}, schema={USER_ID: pl.String})


def _number_histories(histories: Place | ArrowFrame | Iterable[Sequence[str]] | None) -> Place | ArrowFrame | None:
    """Return histories as a path or a frame, which they may be already; else people are called by their positions."""
    if histories is None or isinstance(histories, str | os.PathLike) or is_frame(histories):
        return histories
    import polars as pl

    lists = [list_ids(one, f"each of {option('histories')}") for one in cast(Iterable[Sequence[str]], histories)]
    numbers = [str(number) for number in range(len(lists))]
    return pl.DataFrame(
        {USER_ID: numbers, "history": lists}, schema={USER_ID: pl.String, "history": pl.List(pl.String)}
    )
