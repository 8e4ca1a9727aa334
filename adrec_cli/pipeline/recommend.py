"""`adrec recommend`: the best items for known users or given histories, with raw ids."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from adrec_cli.data.sequences import item_indices
from adrec_cli.errors import InputError, UsageError
from adrec_cli.loading.current import current_checkpoint
from adrec_cli.loading.making_ready import Opening
from adrec_cli.loading.new_items import NOTHING_NEW, NewItems
from adrec_cli.loading.recommender import MODEL, Histories, Recommender
from adrec_cli.ranking.ranked import Ranked
from adrec_cli.ranking.samples import Merging
from adrec_cli.recommending.diversity import diverse_lists
from adrec_cli.recommending.explaining import Explanation, explain
from adrec_cli.recommending.history_times import Time, read_seconds
from adrec_cli.recommending.options import RecommendOptions
from adrec_cli.schema import ITEM_ID, TITLE
from adrec_cli.wording import inflect, option, say_count

__all__ = ["Merging", "RecommendOptions", "Recommendations", "current_checkpoint", "recommend", "recommend_with"]


@dataclass(frozen=True, kw_only=True)
class RecommendedItem:
    """One recommended item: rank from 1, raw id, title where known, inner product (or count) as score."""

    rank: int
    item_id: str
    title: str | None
    score: float


@dataclass(frozen=True, kw_only=True)
class Recommendation:
    """What one user or history gets.

    Attributes:
        user_id: raw id; None for a given history.
        history: raw ids, oldest first, as used.
        unknown_items: given items that the model does not know; they were left out.
        source: "model", or "popular" where there was no history to ask the model with.
        explanations: of each item, where they were asked for and the model was.
        items: best first; none where all that may come back are in the history.
    """

    user_id: str | None
    history: list[str]
    unknown_items: list[str]
    items: list[RecommendedItem]
    source: str = MODEL
    explanations: list[Explanation] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Recommendations:
    """All results, and the model they come from.

    Attributes:
        promoted: whether the model is the promoted one; otherwise it is the newest finished one.
        unknown_candidates: ids of the files of candidates and excluded items that the model does not know.
        new_items: what became of those of a file.
    """

    dataset: str
    model: str
    checkpoint: str
    checkpoint_sha256: str
    promoted: bool
    results: list[Recommendation]
    unknown_candidates: list[str] = field(default_factory=list)
    new_items: NewItems = NOTHING_NEW


@dataclass(frozen=True)
class _Person:
    user_id: str | None
    known: npt.NDArray[np.int32]
    unknown: list[str]
    seconds: npt.NDArray[np.int64] | None = None


def recommend(
    *,
    users: Sequence[str] = (),
    histories: Sequence[Sequence[str]] = (),
    times: Sequence[Sequence[Time]] = (),
    workspace: Path,
    dataset_name: str | None = None,
    model: str | None = None,
    options: RecommendOptions = RecommendOptions(),
) -> Recommendations:
    """Recommend items to users of the dataset, and to unknown people by their histories.

    Args:
        users: raw user ids.
        histories: raw item ids, oldest first; an empty one gets the popular items.
        times: of the events of each history, as `read_seconds`, for a model that reads them; () where none are given.
        workspace: where datasets are.
        dataset_name: None takes the only one.
        model: a model's name, or path or bare name of a checkpoint; None takes what is current.
        options: how many, and how.

    Raises:
        UsageError: neither users nor histories.
        InputError: an unknown user, or a history of unknown items only.
        ArtifactError: no model, or one that does not belong to the dataset.
    """
    if not users and not histories:
        raise UsageError(
            "nobody to recommend to", hint=f"give {option('user', 'ID')} or {option('history', 'id,id,...')}"
        )
    recommender = Opening.of(workspace, dataset_name, model, options).open()
    return Recommendations(
        dataset=recommender.dataset,
        model=recommender.checkpoint.metadata.model,
        checkpoint=recommender.checkpoint.path.name,
        checkpoint_sha256=recommender.checkpoint.sha256,
        promoted=recommender.promoted,
        results=recommend_with(recommender, users=users, histories=histories, times=times, options=options),
        unknown_candidates=options.choice.indices(recommender.items)[1],
        new_items=recommender.new_items,
    )


def recommend_with(
    recommender: Recommender,
    *,
    users: Sequence[str] = (),
    histories: Sequence[Sequence[str]] = (),
    times: Sequence[Sequence[Time]] = (),
    options: RecommendOptions = RecommendOptions(),
) -> list[Recommendation]:
    """Recommend with an opened model; arguments and errors as `recommend`."""
    people = [_find_user(recommender, user) for user in users]
    people += _read_histories(recommender, histories, times)
    candidates, _ = options.choice.indices(recommender.items)
    together = Histories.join([person.known for person in people], [person.seconds for person in people])
    ranked, sources = diverse_lists(recommender, together, options.restrict_to(candidates))
    ids, titles = recommender.items[ITEM_ID], recommender.items.get_column(TITLE, default=None)
    return [
        Recommendation(
            user_id=person.user_id,
            # One by one, as gathering so few takes Polars longer.
            history=[ids[item - 1] for item in person.known.tolist()],
            unknown_items=person.unknown,
            source=source,
            explanations=_explain(recommender, person, best, source, options),
            items=[
                RecommendedItem(
                    rank=rank,
                    item_id=ids[item - 1],
                    title=None if titles is None else titles[item - 1],
                    score=score,
                )
                for rank, (item, score) in enumerate(
                    zip(best.items.tolist(), best.scores.tolist(), strict=True), start=1
                )
            ],
        )
        for person, best, source in zip(people, ranked, sources, strict=True)
    ]


def _explain(
    recommender: Recommender, person: _Person, best: Ranked, source: str, options: RecommendOptions
) -> list[Explanation]:
    if not options.explain or source != MODEL:
        return []
    return explain(
        recommender, person.known, best.items, seconds=person.seconds, sampling=options.sampling,
        merging=options.merging,
    )  # fmt: skip


def _find_user(recommender: Recommender, user_id: str) -> _Person:
    sequences, seconds = recommender.sequences, recommender.seconds
    row = sequences.find(user_id)
    return _Person(user_id, sequences.history(row), [], None if seconds is None else sequences.of(row, seconds))


def _read_histories(
    recommender: Recommender, histories: Sequence[Sequence[str]], times: Sequence[Sequence[Time]]
) -> list[_Person]:
    if times and len(times) != len(histories):
        raise UsageError(
            f"times of {say_count(len(times), 'history', 'histories')}, "
            f"and {say_count(len(histories), 'history', 'histories')} given",
            hint="give each history its times, in the same order",
        )
    each: Iterable[Sequence[Time] | None] = times or itertools.repeat(None)
    return [_read_history(recommender, list(history), when) for history, when in zip(histories, each, strict=False)]


def _read_history(recommender: Recommender, item_ids: list[str], times: Sequence[Time] | None) -> _Person:
    seconds = read_seconds(recommender, times, len(item_ids))
    indices = item_indices(recommender.item_index, item_ids)
    unknown = [item for item, index in zip(item_ids, indices, strict=True) if index is None]
    known = np.array([index for index in indices if index is not None], dtype=np.int32)
    if unknown and not len(known):
        example = ", ".join(recommender.items[ITEM_ID].head(3).to_list())
        raise InputError(
            f"none of {inflect(len(item_ids), '', 'the ')}{say_count(len(item_ids), 'item')} of the history is known: "
            f"{', '.join(unknown[:5])}",
            hint=f"ids are those of the source data, for example: {example}",
        )
    kept = [index is not None for index in indices]
    return _Person(None, known, unknown, None if seconds is None else seconds[kept])
