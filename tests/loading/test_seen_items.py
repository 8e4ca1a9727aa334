"""What a bias says of items that do not come back is not asked for, and changes no list."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from adrec_cli.loading.recommender import Histories, Recommender
from adrec_cli.models.sampling import FAST_SAMPLING
from adrec_cli.ranking.merging import merge_top_k
from adrec_cli.ranking.samples import MERGES, SINGLE, Merging
from adrec_cli.ranking.scorer import Scorer
from tests.models.test_repeats import ITEMS, NAMES, made

HISTORIES = [[1], [3, 3, 5], [2, 4, 2, 7, 1, 2], [*range(1, ITEMS)]]


def scorer_of(name: str, merging: Merging) -> Scorer:
    model = made(name)
    return Scorer(
        model=model, output=model.outputs[-1], sampling=FAST_SAMPLING, merging=merging, device=torch.device("cpu")
    )


def rank(
    scorer: Scorer, merging: Merging, *, include_seen: bool, index: object = None
) -> list[list[tuple[int, float]]]:
    known = SimpleNamespace(scorer=lambda *_: scorer, index=index)
    histories = Histories.join([np.array(one, dtype=np.int32) for one in HISTORIES], [None] * len(HISTORIES))
    found, sources = Recommender.rank(  # type: ignore[misc]
        known,
        histories,
        5,
        include_seen=include_seen,
        sampling=FAST_SAMPLING,
        merging=merging,  # type: ignore[arg-type]
    )
    assert set(sources) == {"model"}
    return [list(zip(one.items.tolist(), one.scores.tolist(), strict=True)) for one in found]


@pytest.mark.parametrize("name", NAMES)
def test_lists_without_seen_items_are_those_with_the_bias_to_the_byte(name: str) -> None:
    scorer = scorer_of(name, SINGLE)
    expected = {}
    items = np.concatenate(HISTORIES).astype(np.int32)
    ends = np.cumsum([len(one) for one in HISTORIES])
    for cases, samples, bias in scorer.represent(
        SimpleNamespace(items=items, seconds=None),
        ends - [len(one) for one in HISTORIES],
        ends,  # type: ignore[arg-type]
    ):
        assert bias is not None
        seen = [np.unique(HISTORIES[case]).astype(np.int64) for case in cases.tolist()]
        for case, best in zip(cases.tolist(), merge_top_k(samples, scorer.vectors_VD, 5, seen, bias=bias), strict=True):
            expected[case] = list(zip(best.items.tolist(), best.scores.tolist(), strict=True))
    assert rank(scorer, SINGLE, include_seen=False) == [expected[case] for case in range(len(HISTORIES))]


@pytest.mark.parametrize("merge", MERGES)
def test_the_bias_is_asked_for_where_seen_items_come_back(merge: str, monkeypatch: pytest.MonkeyPatch) -> None:
    merging = Merging(samples=1, merge=merge)
    scorer = scorer_of("sasrec", merging)
    plain = rank(scorer, merging, include_seen=False)
    biased = rank(scorer, merging, include_seen=True)
    monkeypatch.setattr(type(scorer.model), "history_bias", lambda self, histories: None)
    assert rank(scorer, merging, include_seen=True) != biased
    monkeypatch.setattr(type(scorer.model), "history_bias", lambda self, histories: pytest.fail("it was asked for"))
    assert rank(scorer, merging, include_seen=False) == plain
