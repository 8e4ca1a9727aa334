"""However users are cut into batches and chunks, each has their own history, what they must not get, and its bias."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from adrec_cli.errors import ArtifactError, Stopped
from adrec_cli.layers.repeats import BUCKETS, RepeatBias
from adrec_cli.models.most_popular import MostPopular
from adrec_cli.ranking import scorer, scores
from adrec_cli.ranking.protocols import select_cases
from adrec_cli.ranking.ranks import target_ranks
from adrec_cli.ranking.rivals import Rivals, draw_negatives
from adrec_cli.ranking.samples import Merging
from adrec_cli.ranking.scores import top_k
from tests.examples import tries
from tests.layers.test_repeats import by_hand
from tests.ranking.test_scores import asked, made

ITEMS, WIDTH = 12, 3


class LastItem(MostPopular):
    """A model that looks at the newest item of a history alone, in small whole numbers, so that many scores are equal.

    Attributes:
        broken: the samples, counted over all batches, that hold a NaN.
        modes: whether it was in training, each time it was asked.
    """

    max_length = 50
    sampled_outputs = ("",)

    def __init__(self, *, biased: bool = False, broken: tuple[int, ...] = ()) -> None:
        super().__init__(self.__config(), ITEMS)
        generator = torch.Generator().manual_seed(4)
        self.table_VD = torch.randint(-2, 3, (ITEMS + 1, WIDTH), generator=generator).float()
        self.vectors_VD = torch.randint(-2, 3, (ITEMS + 1, WIDTH), generator=generator).float()
        self.broken, self.asked = broken, 0
        self.modes: list[bool] = []
        if biased:
            self.repeats = RepeatBias(learned=True)
            self.repeats.weight.data = torch.randint(-2, 3, (BUCKETS, 1), generator=generator) / 5

    @staticmethod
    def __config():
        return MostPopular.from_counts(torch.zeros(2)).config

    def represent(self, histories, *, output, sampling, generator):
        self.modes.append(self.training)
        newest = histories.items_BL[torch.arange(len(histories.lengths_B)), histories.lengths_B - 1]
        found = self.table_VD[newest].clone()
        if self.asked in self.broken:
            found[-1, -1] = float("nan")
        self.asked += 1
        return found

    def item_vectors_VD(self):
        return self.vectors_VD

    def scores(self, history: list[int]) -> dict[int, float]:
        """Scores of all items by hand."""
        found = {item: float(self.table_VD[history[-1]] @ self.vectors_VD[item]) for item in range(1, ITEMS + 1)}
        added = {} if self.repeats is None else by_hand(history, self.repeats.weight)
        return {item: round(score + added.get(item, 0.0), 4) for item, score in found.items()}


HISTORIES = st.lists(st.lists(st.integers(1, ITEMS), min_size=3, max_size=7), min_size=1, max_size=14)
CUTS = st.tuples(st.integers(1, 5), st.sampled_from([1, 9, 4096]))


def cut(patch: pytest.MonkeyPatch, cuts: tuple[int, int]) -> None:
    """Set how many rows are computed at once, and how many positions a batch has."""
    rows, tokens = cuts
    patch.setattr(scores, "_MIN_ROWS", rows)
    patch.setattr(scores, "_CHUNK_ENTRIES", {"cpu": 1})
    patch.setattr(scorer, "_MIN_BATCH_TOKENS", 1)
    patch.setattr(scorer, "_BATCH_TOKENS", {"cpu": tokens})


@settings(max_examples=tries(40), deadline=None)
@given(HISTORIES, CUTS, st.booleans(), st.booleans(), st.booleans())
def test_ranks_are_those_by_hand(rows, cuts, biased, mask_seen, sampled):
    model, sequences = LastItem(biased=biased), made(rows, ITEMS)
    cases = select_cases(sequences, "test")
    sampled = sampled and all(len(set(row)) < ITEMS for row in rows)
    negatives = draw_negatives(sequences, cases, 5, seed=1) if sampled else None
    with pytest.MonkeyPatch.context() as patch:
        cut(patch, cuts)
        found = target_ranks(asked(model, ""), sequences, cases, Rivals(negatives=negatives, mask_seen=mask_seen))
    for number, row in enumerate(rows):
        *history, target = row
        known = model.scores(history)
        rivals = list(range(1, ITEMS + 1)) if negatives is None else negatives[number].tolist()
        if mask_seen and negatives is None:
            rivals = [item for item in rivals if item not in history]
        assert found[number] == 1 + sum(known[item] >= known[target] for item in rivals if item != target)


@settings(max_examples=tries(40), deadline=None)
@given(
    HISTORIES, CUTS, st.booleans(), st.integers(1, ITEMS), st.sets(st.integers(1, ITEMS), min_size=1),
    st.sampled_from([0, 1, 10**6]),
)  # fmt: skip
def test_the_best_are_those_by_hand(rows, cuts, biased, k, allowed, users_a_copy):
    """Whether the vectors of what may come back are copied, or all are scored and the others left out."""
    model, sequences = LastItem(biased=biased), made(rows, ITEMS)
    cases = select_cases(sequences, "test")
    candidates = np.array(sorted(allowed)) if len(allowed) < ITEMS else None
    best = {}
    with pytest.MonkeyPatch.context() as patch:
        cut(patch, cuts)
        patch.setattr(scores, "_USERS_A_COPY", users_a_copy)
        for numbers, samples, bias in asked(model, "").represent(sequences, cases.starts, cases.ends):
            seen = [np.unique(rows[n][:-1]).astype(np.int64) for n in numbers]
            found = top_k(samples[0], model.item_vectors_VD(), k, seen, candidates, bias)
            best |= dict(zip(numbers.tolist(), found, strict=True))
    for number, row in enumerate(rows):
        known = model.scores(row[:-1])
        left = [item for item in sorted(allowed) if item not in row[:-1]]
        expected = sorted(left, key=lambda item: (-known[item], item))[:k]
        assert best[number].items.tolist() == expected
        np.testing.assert_allclose(best[number].scores, [known[item] for item in expected], atol=1e-4)


@pytest.mark.parametrize("samples", [1, 2])
def test_whoever_is_told_of_progress_can_stop(samples, monkeypatch):
    cut(monkeypatch, (1, 4))
    sequences = made([[1, 2, 3, 4]] * 10, ITEMS)
    cases = select_cases(sequences, "test")
    several = asked(LastItem(), "", merging=Merging(samples=samples))
    told = []
    assert target_ranks(several, sequences, cases, on_progress=lambda *at: told.append(at)).all()
    assert (told[-1], len(told) > 3) == ((10, 10), True)
    assert [done for done, _ in told] == sorted({done for done, _ in told})
    stopped = []

    def stop_at_the_second(done, _total):
        stopped.append(done)
        if len(stopped) == 2:
            raise Stopped("enough", signal_number=15)

    with pytest.raises(Stopped):
        target_ranks(several, sequences, cases, on_progress=stop_at_the_second)
    assert stopped == [done for done, _ in told[:2]], "it went on"


@pytest.mark.parametrize("broken", range(6))
def test_a_value_that_is_not_finite_is_found_in_every_batch_and_sample(broken, monkeypatch):
    cut(monkeypatch, (1, 1))
    sequences = made([[1, 2, 3], [4, 5, 6]], ITEMS)
    cases = select_cases(sequences, "test")
    model = LastItem(broken=(broken,))
    with pytest.raises(ArtifactError, match="not finite"):
        list(asked(model, "", merging=Merging(samples=3)).represent(sequences, cases.starts, cases.ends))
    assert model.asked == 3 * (broken // 3 + 1), "found where it is, not later"


def test_nobody_is_ranked_with_dropout():
    sequences = made([[1, 2, 3]], ITEMS)
    for training in (True, False):
        model = LastItem().train(training)
        target_ranks(asked(model, ""), sequences, select_cases(sequences, "test"))
        assert model.modes == [False]


def test_where_nothing_may_come_back_nothing_does():
    found = top_k(torch.ones(2, WIDTH), torch.ones(ITEMS + 1, WIDTH), 3, [np.arange(0)] * 2, np.arange(0))
    assert [len(one.items) for one in found] == [len(one.scores) for one in found] == [0, 0]
