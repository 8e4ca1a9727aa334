"""Lists with less of the same, and why an item is in a list: both against plain computations."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from adrec_cli.choices import build_options
from adrec_cli.data.cell_values import split_values
from adrec_cli.data.item_values import ItemValues
from adrec_cli.errors import InputError, UsageError
from adrec_cli.experiments.options import ExperimentOptions
from adrec_cli.experiments.work import ComputeOptions, Work
from adrec_cli.loading.making_ready import Opening
from adrec_cli.loading.recommender import Histories, Recommender
from adrec_cli.models.batch import HistoryBatch
from adrec_cli.models.sampling import FAST_SAMPLING, Sampling
from adrec_cli.pipeline.preprocess import PreprocessOptions, preprocess
from adrec_cli.pipeline.recommend import recommend_with
from adrec_cli.pipeline.train import train
from adrec_cli.ranking.ranked import Ranked
from adrec_cli.recommending.diversity import _Rules, diverse_lists
from adrec_cli.recommending.explaining import MOST_INFLUENCES, _find_nearest, explain
from adrec_cli.recommending.options import Diversity, RecommendOptions, Wanted
from tests.conftest import TINY, write_interactions
from tests.examples import tries
from tests.robustness.processes import typed_here

ITEMS = 40


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with SASRec and ADRec on items with one or two categories, one without."""
    folder = tmp_path_factory.mktemp("diverse")
    write_interactions(folder / "shop.csv")
    rows = [{"item_id": f"i{n}", "category": f"c{n % 4}" + ("|d" if n % 3 == 0 else ""), "brand": f"b{n % 2}"}
            for n in range(ITEMS) if n != 5]  # fmt: skip
    pl.DataFrame(rows).write_csv(folder / "items.csv")
    options = PreprocessOptions(items=folder / "items.csv")
    preprocess(str(folder / "shop.csv"), workspace=folder / "ws", options=options)
    sasrec = {"model": {"hidden_size": 16, "heads": 2, "max_length": 6, "repeats": "learned"},
              "training": {"batch_size": 32}, "stages": {"train": {"epochs": 3}}}  # fmt: skip
    for model, tables in (("sasrec", sasrec), ("adrec", TINY)):
        train("shop", model_name=model, workspace=folder / "ws", work=Work(options=ComputeOptions(threads=1)),
              experiment=ExperimentOptions(overrides=tables))  # fmt: skip
    return folder / "ws"


@pytest.fixture(scope="module")
def sasrec(workspace: Path) -> Recommender:
    return Opening(workspace=workspace, dataset_name="shop", model="sasrec", device="cpu", threads=1).open()


def of(*histories: list[int]) -> Histories:
    ends = np.cumsum([len(history) for history in histories])
    items = np.array([item for history in histories for item in history], dtype=np.int32)
    return Histories(items=items, starts=ends - [len(history) for history in histories], ends=ends)


def lists(recommender: Recommender, diversity: Diversity, k: int = 8, **more: Any) -> list[Any]:
    wanted = Wanted(k=k, include_seen=False, sampling=FAST_SAMPLING, diversity=diversity, **more)
    return diverse_lists(recommender, of([1, 2, 3], [7, 8, 9, 10]), wanted)[0]


def slow_mmr(recommender: Recommender, pool: Any, weight: float, k: int) -> list[int]:
    """Maximal marginal relevance, one pair at a time."""
    vectors = recommender.model.item_vectors_VD().detach().double()
    low, high = pool.scores.min(), pool.scores.max()
    chosen: list[int] = []
    while len(chosen) < k:
        worth = {}
        for item, score in zip(pool.items.tolist(), pool.scores.tolist(), strict=True):
            if item in chosen:
                continue
            likeness = [torch.cosine_similarity(vectors[item], vectors[other], dim=0).item() for other in chosen]
            worth[item] = (1 - weight) * (score - low) / (high - low) - weight * max(likeness, default=0.0)
        chosen.append(max(worth, key=lambda item: worth[item]))
    return chosen


@pytest.mark.parametrize("weight", [0.1, 0.5, 0.9])
def test_marginal_relevance_is_the_plain_one(weight: float, sasrec: Recommender) -> None:
    pools, _ = sasrec.rank(of([1, 2, 3], [7, 8, 9, 10]), ITEMS, include_seen=False, sampling=FAST_SAMPLING)
    for found, pool in zip(lists(sasrec, Diversity(weight=weight)), pools, strict=True):
        assert found.items.tolist() == slow_mmr(sasrec, pool, weight, 8)
        assert found.items[0] == pool.items[0], "the best stays the best"
        scores = dict(zip(pool.items.tolist(), pool.scores.tolist(), strict=True))
        assert found.scores.tolist() == [scores[item] for item in found.items.tolist()], "scores stay what they are"


def test_without_a_wish_lists_are_as_scored(sasrec: Recommender) -> None:
    pools, _ = sasrec.rank(of([1, 2, 3], [7, 8, 9, 10]), 8, include_seen=False, sampling=FAST_SAMPLING)
    for wish in (Diversity(), Diversity(most=(("category", 40),))):
        assert [best.items.tolist() for best in lists(sasrec, wish)] == [best.items.tolist() for best in pools]


@settings(max_examples=tries(60))
@given(
    st.sampled_from([0.0, 0.4, 0.9]),
    st.lists(st.integers(1, ITEMS), min_size=1, max_size=ITEMS, unique=True),
    st.integers(1, 3),
    st.integers(1, 12),
)
def test_caps_and_marginal_relevance_together_are_the_plain_ones(
    sasrec: Recommender, weight: float, items: list[int], most: int, k: int
) -> None:
    pool = Ranked(items=np.array(items), scores=np.linspace(3, 1, len(items), dtype=np.float32))
    wish = Diversity(weight=weight, most=(("category", most), ("brand", most + 1)))
    columns = [split_values(sasrec.items[name]).to_list() for name in ("category", "brand")]
    vectors = sasrec.model.item_vectors_VD().detach()
    chosen: list[int] = []

    def may_come(item: int) -> bool:
        return all(
            sum(value in values[other - 1] for other in chosen) < cap
            for values, (_, cap) in zip(columns, wish.most, strict=True)
            for value in values[item - 1]
        )

    while len(chosen) < k:
        worth = {}
        for item, score in zip(items, pool.scores.tolist(), strict=True):
            if item not in chosen and may_come(item):
                likeness = [torch.cosine_similarity(vectors[item], vectors[one], dim=0).item() for one in chosen]
                worth[item] = (1 - weight) * (score - 1) / 2 - weight * max(likeness, default=0.0)
        if not worth:
            break
        chosen.append(max(worth, key=lambda item: worth[item]))
    assert _Rules.of(sasrec, wish).choose(pool, k).items.tolist() == chosen


def test_what_belongs_to_the_catalogue_is_made_once(sasrec: Recommender, monkeypatch: pytest.MonkeyPatch) -> None:
    recommender = dataclasses.replace(sasrec)
    split: list[str] = []
    split_column = ItemValues.split
    monkeypatch.setattr(ItemValues, "split", lambda items, column: split.append(column) or split_column(items, column))
    for _ in range(2):
        lists(recommender, Diversity(weight=0.3, most=(("category", 2),)))
        explain(recommender, np.array([3, 5], dtype=np.int32), np.array([9]), sampling=FAST_SAMPLING)
    assert sorted(split) == ["brand", "category"]
    assert recommender.lengths_V is recommender.lengths_V
    lengths = sasrec.model.item_vectors_VD().detach().norm(dim=1)
    assert torch.equal(recommender.lengths_V, lengths)


def test_of_each_value_there_are_at_most_so_many(sasrec: Recommender) -> None:
    values = split_values(sasrec.items["category"]).to_list()
    pools, _ = sasrec.rank(of([1, 2, 3], [7, 8, 9, 10]), ITEMS, include_seen=False, sampling=FAST_SAMPLING)
    for found, pool in zip(lists(sasrec, Diversity(most=(("category", 2),))), pools, strict=True):
        expected: list[int] = []
        for item in pool.items.tolist():
            listed = [value for other in expected for value in values[other - 1]]
            if all(listed.count(value) < 2 for value in values[item - 1]) and len(expected) < 8:
                expected.append(item)
        assert found.items.tolist() == expected
    assert values[sasrec.items["item_id"].to_list().index("i5")] == [], "what says nothing is of no value"


def test_what_a_few_values_would_fill_is_looked_for_further_down(sasrec: Recommender, monkeypatch: Any) -> None:
    monkeypatch.setattr("adrec_cli.recommending.diversity._LEAST_POOL", 1)
    monkeypatch.setattr("adrec_cli.recommending.diversity._POOL", 1)
    wish = Diversity(most=(("brand", 2),))
    assert [len(best.items) for best in lists(sasrec, wish, k=4)] == [4, 4]


@pytest.mark.parametrize("text", ["category", "=3", "category=", "category=x", "category=0", "category=-1"])
def test_what_is_no_maximum_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="max_per"):
        build_options(Diversity, {"diversify": 0.0, "max_per": [text]})


def test_weights_and_columns_that_are_none(sasrec: Recommender) -> None:
    for weight in (1.0, -0.1, float("nan")):
        with pytest.raises(UsageError, match="diversify"):
            Diversity(weight=weight)
    with pytest.raises(InputError, match="no column 'colour'"):
        lists(sasrec, Diversity(most=(("colour", 1),)))


def plain_score(recommender: Recommender, history: list[int], item: int) -> float:
    """The score of an item after a history, which is ranked alone."""
    model = recommender.model
    batch = HistoryBatch(items_BL=torch.tensor([history]), lengths_B=torch.tensor([len(history)]))
    with torch.no_grad():
        output = recommender.checkpoint.metadata.output
        vector = model.represent(batch, output=output, sampling=FAST_SAMPLING, generator=torch.Generator())
        score = vector @ model.item_vectors_VD()[item]
        bias = model.history_bias(batch)
        return float(score if bias is None else score + bias.of(torch.tensor([[item]])).squeeze())


@pytest.mark.parametrize("name", ["sasrec", "adrec"])
def test_influence_is_the_score_less_that_without_the_item(name: str, workspace: Path) -> None:
    recommender = Opening(workspace=workspace, dataset_name="shop", model=name, device="cpu", threads=1).open()
    used = [4, 9, 4, 2, 7]
    history = np.array([1] * 20 + used if recommender.model.max_length == 5 else used, dtype=np.int32)
    for explained in explain(recommender, history, np.array([11, 4]), sampling=FAST_SAMPLING):
        item = recommender.items["item_id"].to_list().index(explained.item_id) + 1
        whole = plain_score(recommender, used, item)
        expected = {
            place + 1: whole - plain_score(recommender, used[:place] + used[place + 1 :], item)
            for place in range(len(used))
        }
        strongest = sorted(expected, key=lambda place: -abs(expected[place]))[:3]
        assert [one.position for one in explained.influences] == strongest
        for one in explained.influences:
            assert one.influence == pytest.approx(expected[one.position], abs=2e-4)
            assert one.item_id == recommender.items["item_id"][used[one.position - 1] - 1]
            ours, theirs = ({row["brand"], *(row["category"] or "").split("|")} - {"", None}
                            for row in (recommender.items.row(used[one.position - 1] - 1, named=True),
                                        recommender.items.row(item - 1, named=True)))  # fmt: skip
            assert set(one.shared) == ours & theirs
        vectors = recommender.model.item_vectors_VD().detach()
        cosines = torch.cosine_similarity(vectors, vectors[item], dim=1)
        cosines[[0, item]] = -2
        best = cosines.argsort(descending=True)[:3] - 1
        assert explained.nearest == recommender.items["item_id"].gather(best.numpy()).to_list()


@pytest.mark.parametrize("values", [[0, 1], [0, 1, 1], [0, 1, 2, 2, 2, 1, 2, 2], [0, *range(8, 0, -1)], [0] * 6])
def test_the_nearest_are_those_of_a_whole_sort(values: list[float]) -> None:
    cosines = np.array(values, dtype=np.float32)
    for item in range(1, len(values)):
        others = [other for other in range(1, len(values)) if other != item]
        nearest = sorted(others, key=lambda other: -cosines[other])[:MOST_INFLUENCES]
        assert _find_nearest(cosines, item).tolist() == nearest


def test_drawn_noise_is_no_influence(workspace: Path) -> None:
    recommender = Opening(workspace=workspace, dataset_name="shop", model="adrec", device="cpu", threads=1).open()
    history = np.array([4, 9, 2, 7], dtype=np.int32)
    seeded, common = (
        explain(recommender, history, np.array([11]), sampling=Sampling(noise=noise, temperature=3.0))
        for noise in ("seeded", "common")
    )
    assert seeded == common


def test_of_one_item_nothing_is_said_and_long_histories_are_cut(sasrec: Recommender) -> None:
    (one,) = explain(sasrec, np.array([3], dtype=np.int32), np.array([9]), sampling=FAST_SAMPLING)
    assert one.influences == []
    assert len(one.nearest) == 3
    long = np.arange(1, 31, dtype=np.int32)
    (cut,) = explain(sasrec, long, np.array([35]), sampling=FAST_SAMPLING)
    assert all(one.position > 30 - sasrec.model.max_length for one in cut.influences)


def test_typed(workspace: Path) -> None:
    common = [
        "recommend",
        "--history",
        "i1,i2,i3",
        "-k",
        4,
        "--workspace",
        workspace,
        "--model",
        "sasrec",
        "--threads",
        1,
    ]
    done = typed_here([*common, "--explain", "--json", "--max-per", "category=1", "--diversify", 0.3])
    assert done.exit_code == 0, done.stderr
    (result,) = json.loads(done.stdout)["results"]
    assert [one["item_id"] for one in result["explanations"]] == [item["item_id"] for item in result["items"]]
    done = typed_here([*common, "--explain"])
    assert "what moved the score most" in done.stdout
    assert all("i" in line.split("\t")[-1] for line in done.stdout.splitlines()[1:])
    assert "explanations" in json.loads(typed_here([*common, "--json"]).stdout)["results"][0]
    batch = [
        "recommend",
        "--all",
        "--out",
        workspace.parent / "recs.csv",
        "--workspace",
        workspace,
        "--model",
        "sasrec",
    ]
    assert "one or a few users" in typed_here([*batch, "--explain"]).require_one_error(2)
    done = typed_here([*batch, "-k", 3, "--max-per", "brand=1"])
    assert done.exit_code == 0, done.stderr
    listed = pl.read_csv(workspace.parent / "recs.csv").join(
        pl.read_parquet(workspace / "shop/items.parquet"), on="item_id"
    )
    assert (listed.drop_nulls("brand").group_by("user_id", "brand").len()["len"] == 1).all()


def test_asked_from_python(sasrec: Recommender) -> None:
    options = RecommendOptions(k=3, threads=1, explain=True, diversity=Diversity(weight=0.2))
    (found,) = recommend_with(sasrec, histories=[["i1", "i2"]], options=options)
    assert [one.item_id for one in found.explanations] == [item.item_id for item in found.items]
