"""A model made ready for requests: ids looked up in dictionaries, answers for many requests computed at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from adrec_cli.data.ids import normal_id
from adrec_cli.errors import AdrecError, InputError, UsageError
from adrec_cli.loading.recommender import MODEL, Histories, Recommender
from adrec_cli.models.sampling import Sampling
from adrec_cli.ranking.ranked import Ranked
from adrec_cli.ranking.samples import SINGLE, Merging, choose_depth
from adrec_cli.recommending.diversity import diverse_lists
from adrec_cli.recommending.explaining import Explanation, explain
from adrec_cli.recommending.history_times import read_seconds
from adrec_cli.recommending.options import AS_SCORED, Diversity, Wanted
from adrec_cli.schema import ITEM_ID, TITLE
from adrec_cli.serving.choice import ALL_ITEMS, Catalogue, Choice


@dataclass(frozen=True)
class _Kind:
    """What questions share that are answered in one pass; how deep is looked for their lists where it shows in them."""

    include_seen: bool
    choice: Choice
    diversity: Diversity
    depth: int | None


@dataclass(frozen=True, kw_only=True)
class Question:
    """One request: a user of the data set, or a history.

    Attributes:
        user: raw id, or None.
        history: raw item ids, oldest first, or None.
        times: of the events of the history, as `read_seconds`; None where they were not given.
        k: items at most.
        include_seen: items of the history may come back.
        choice: which items may come back at all.
        diversity: what the list is to have besides high scores.
        explain: say of each item what moved its score.
    """

    user: str | None
    history: tuple[str, ...] | None
    k: int
    include_seen: bool = False
    choice: Choice = ALL_ITEMS
    diversity: Diversity = AS_SCORED
    explain: bool = False
    times: tuple[str | float, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a question gets.

    Attributes:
        items: rank, item_id, title and score of each, best first.
        source: "model", or "popular" where there was no history to ask the model with.
        unknown_items: of the history, the candidates and what is excluded: no item has such an id.
        model: the first 16 characters of the checkpoint's hash.
        explanations: of each item, where they were asked for; none where there was no history to ask the model with.
    """

    items: list[dict[str, str | int | float | None]]
    source: str
    unknown_items: list[str]
    model: str
    explanations: list[Explanation] | None = None


@dataclass(frozen=True)
class _Known:
    """A history in the model's numbers, the ids that it does not know, and when it was, if the model reads that."""

    history: npt.NDArray[np.int32]
    unknown: list[str]
    seconds: npt.NDArray[np.int64] | None


class ServedModel:
    """A recommender with its ids in dictionaries.

    Attributes:
        recommender: the checked model.
        name: the first 16 characters of the checkpoint's hash.
    """

    def __init__(self, recommender: Recommender, sampling: Sampling, merging: Merging = SINGLE) -> None:
        """Take a recommender, and how it samples.

        Raises:
            UsageError: the model does not sample so.
        """
        # Asked before anyone else does: what the model cannot sample is refused at the start, not by every answer.
        seconds = np.zeros(1, np.int64) if recommender.model.reads_times else None
        one = Histories.join([np.ones(1, np.int32)], [seconds])
        recommender.rank(one, 1, include_seen=True, sampling=sampling, merging=merging)
        self.recommender = recommender
        self.name = recommender.checkpoint.sha256[:16]
        self._sampling, self._merging = sampling, merging
        self._item_ids: list[str] = recommender.items[ITEM_ID].to_list()
        titled = TITLE in recommender.items.columns
        self._titles: list[str | None] = recommender.items[TITLE].to_list() if titled else [None] * len(self._item_ids)
        self._catalogue = Catalogue(recommender.items)
        self._row = {user: row for row, user in enumerate(recommender.sequences.user_ids.to_list())}

    def answer(self, questions: Sequence[Question]) -> list[Answer | AdrecError]:
        """Answer questions together; one that cannot be answered gets its error and spoils no other."""
        answers: dict[int, Answer | AdrecError] = {}
        together: dict[_Kind, dict[int, _Known]] = {}
        for number, question in enumerate(questions):
            try:
                known = self._history(question)
            except (InputError, UsageError) as error:
                answers[number] = error
                continue
            together.setdefault(self._kind(question), {})[number] = known
        for kind, known_of in together.items():
            most = max(questions[number].k for number in known_of)
            try:
                candidates, unknown_items = self._catalogue.find_allowed(kind.choice)
                wanted = Wanted(
                    k=most, include_seen=kind.include_seen, sampling=self._sampling, merging=self._merging,
                    candidates=candidates, diversity=kind.diversity,
                )  # fmt: skip
                histories = Histories.join(
                    [known.history for known in known_of.values()], [known.seconds for known in known_of.values()]
                )
                ranked, sources = diverse_lists(self.recommender, histories, wanted)
            except InputError as error:
                answers |= dict.fromkeys(known_of, error)
                continue
            for (number, known), best, source in zip(known_of.items(), ranked, sources, strict=True):
                answer = self._answer(best, questions[number].k, source, known.unknown + unknown_items)
                if questions[number].explain:
                    answer = replace(answer, explanations=self._explain(known, best, questions[number].k, source))
                answers[number] = answer
        return [answers[number] for number in range(len(questions))]

    def _kind(self, question: Question) -> _Kind:
        """Return what it shares with the questions that are answered in the same pass."""
        depth = None
        if question.diversity.asked:
            # What a diverse list is chosen from depends on its length: it is never the beginning of a longer one.
            depth = question.k
        elif not self._merging.ranks_once:
            depth = choose_depth(question.k)
        return _Kind(question.include_seen, question.choice, question.diversity, depth)

    def _history(self, question: Question) -> _Known:
        if question.user is not None:
            row = self._row.get(question.user)
            if row is None:
                row = self._row.get(normal_id(question.user) or "")
            if row is None:
                raise InputError("unknown user", hint="give a history")
            sequences, seconds = self.recommender.sequences, self.recommender.seconds
            return _Known(sequences.history(row), [], None if seconds is None else sequences.of(row, seconds))
        asked = question.history or ()
        seconds = read_seconds(self.recommender, question.times, len(asked))
        indices = self._catalogue.numbers(asked)
        unknown = [item for item, index in zip(asked, indices, strict=True) if not index]
        if asked and len(unknown) == len(asked):
            raise InputError("none of the items of the history is known", hint="ids are those of the source data")
        known = np.array([index for index in indices if index], dtype=np.int32)
        return _Known(known, unknown, None if seconds is None else seconds[[bool(index) for index in indices]])

    def _explain(self, known: _Known, best: Ranked, k: int, source: str) -> list[Explanation]:
        if source != MODEL:
            return []
        return explain(
            self.recommender, known.history, best.items[:k], seconds=known.seconds, sampling=self._sampling,
            merging=self._merging,
        )  # fmt: skip

    def _answer(self, best: Ranked, k: int, source: str, unknown: list[str]) -> Answer:
        items: list[dict[str, str | int | float | None]] = [
            {
                "rank": rank,
                "item_id": self._item_ids[item - 1],
                "title": self._titles[item - 1],
                "score": score,
            }
            for rank, (item, score) in enumerate(
                zip(best.items[:k].tolist(), best.scores[:k].tolist(), strict=True), start=1
            )
        ]
        return Answer(items=items, source=source or MODEL, unknown_items=unknown, model=self.name)
