"""Recommending from Python."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from adrec_cli import load_recommender
from adrec_cli.api import Sampling
from adrec_cli.errors import ArtifactError, InputError, UsageError
from adrec_cli.pipeline.recommend import recommend


def test_it_recommends_what_the_command_does(workspace):
    loaded = load_recommender(str(workspace / "shop"), threads=1)
    expected = recommend(users=["u1"], histories=[["i1", "i2"]], workspace=workspace)
    alone = recommend(users=["u1"], workspace=workspace).results[0]
    assert loaded.recommend(user="u1") == alone.items
    alone = recommend(histories=[["i1", "i2"]], workspace=workspace).results[0]
    assert loaded.recommend(history=["i1", "i2"]) == alone.items
    assert loaded.recommend(history=["i1", "nothing", "i2"]) == loaded.recommend(history=["i1", "i2"])
    assert loaded.recommend_many(users=["u1"], histories=[["i1", "i2"]]) == expected.results
    assert loaded.checkpoint_sha256 == expected.checkpoint_sha256
    assert "shop: 120 users" in repr(loaded)
    assert load_recommender(workspace).recommend(user="u1") == loaded.recommend(user="u1")


@pytest.mark.parametrize("history", [[], ["i1"], ["i1", "i2"] * 5000])
def test_histories_of_any_length(workspace, history):
    assert len(load_recommender(workspace).recommend(history=history, k=7)) == 7


def test_k_larger_than_the_catalogue(workspace):
    loaded = load_recommender(workspace)
    found = loaded.recommend(history=["i1"], k=10_000)
    assert len(found) == loaded.recommender.items.height - 1


def test_what_cannot_be_asked(workspace, tmp_path):
    loaded = load_recommender(workspace)
    assert loaded.recommend_many() == []
    for wrong in ({}, {"user": "u1", "history": []}, {"history": "i1"}, {"user": "u1", "k": 0}):
        with pytest.raises(UsageError):
            loaded.recommend(**wrong)
    with pytest.raises(TypeError, match="unexpected keyword argument 'top'"):
        loaded.recommend(user="u1", top=5)
    with pytest.raises(InputError):
        loaded.recommend(user="nobody")
    with pytest.raises(InputError):
        loaded.recommend(history=["x", "y\n,"])
    with pytest.raises(ArtifactError):
        load_recommender(tmp_path)


def test_several_samples_of_a_temperature(workspace):
    loaded = load_recommender(workspace)
    one, hot = loaded.recommend(user="u1"), loaded.recommend(user="u1", samples=4, temperature=3.0)
    assert loaded.recommend(user="u1", samples=1, temperature=1.0) == one
    assert loaded.recommend(user="u1", samples=4, temperature=3.0) == hot
    # By reciprocal rank no score is above that of four first ranks.
    assert all(0 < item.score <= 4 / 61 + 1e-6 for item in hot)
    still = loaded.recommend(user="u1", sampling=Sampling(noise="zero"))
    assert loaded.recommend(user="u1", temperature=0) == still
    ids = [item.item_id for item in still]
    assert [item.item_id for item in loaded.recommend(user="u1", samples=3, temperature=0)] == ids
    mean = loaded.recommend(user="u1", samples=3, temperature=0, merge="mean-score")
    assert [item.score for item in mean] == pytest.approx([item.score for item in still], abs=1e-5)
    for wrong in ({"samples": 0}, {"temperature": -1}, {"samples": 2, "merge": "vote"}):
        with pytest.raises(UsageError):
            loaded.recommend(user="u1", **wrong)


def test_threads_may_ask_at_once(workspace):
    loaded = load_recommender(workspace)
    alone = [loaded.recommend(user=f"u{user}") for user in range(20)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda user: loaded.recommend(user=f"u{user}"), range(20))) == alone
