"""Answers for many questions at once: each what its question would get alone, and what the command says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace

import polars as pl
import pytest

from adrec_cli.errors import InputError
from adrec_cli.experiments.options import ExperimentOptions
from adrec_cli.experiments.work import ComputeOptions, Work
from adrec_cli.loading.making_ready import Opening
from adrec_cli.loading.recommender import Recommender
from adrec_cli.models.sampling import FAST_SAMPLING, Sampling
from adrec_cli.pipeline.preprocess import PreprocessOptions, preprocess
from adrec_cli.pipeline.recommend import recommend_with
from adrec_cli.pipeline.train import train
from adrec_cli.ranking import samples
from adrec_cli.ranking.samples import MERGES, Merging
from adrec_cli.recommending import diversity
from adrec_cli.recommending.options import Diversity, RecommendOptions
from adrec_cli.serving.choice import Choice
from adrec_cli.serving.served_model import Answer, Question, ServedModel
from tests.conftest import TINY, write_interactions

ITEMS = 40
WISHES = (
    Diversity(), Diversity(weight=0.6), Diversity(most=(("category", 1),)), Diversity(weight=0.3, most=(("brand", 2),)),
)  # fmt: skip


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> ServedModel:
    """SASRec on items with categories and brands."""
    folder = tmp_path_factory.mktemp("served")
    write_interactions(folder / "shop.csv")
    rows = [{"item_id": f"i{n}", "title": f"Item {n}", "category": f"c{n % 4}|d{n % 3}", "brand": f"b{n % 5}"}
            for n in range(ITEMS)]  # fmt: skip
    pl.DataFrame(rows).write_csv(folder / "items.csv")
    preprocess(str(folder / "shop.csv"), workspace=folder / "ws", options=PreprocessOptions(items=folder / "items.csv"))
    tables = {"model": {"hidden_size": 16, "heads": 2, "max_length": 6}, "stages": {"train": {"epochs": 2}}}
    train("shop", model_name="sasrec", workspace=folder / "ws", work=Work(options=ComputeOptions(threads=1)),
          experiment=ExperimentOptions(overrides=tables))  # fmt: skip
    recommender = Opening(workspace=folder / "ws", dataset_name="shop", model="sasrec", device="cpu", threads=1).open()
    return ServedModel(recommender, FAST_SAMPLING)


@pytest.fixture
def small_pools(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Pools that hold a part of so few items, as others do of many."""
    monkeypatch.setattr(diversity, "_LEAST_POOL", 4)
    monkeypatch.setattr(diversity, "_POOL", 2)
    return


QUESTIONS = [
    Question(user=None, history=history, k=k, diversity=wish, explain=explain)
    for wish in WISHES
    for history in (("i1", "i2", "i3"), ("i9", "i8"))
    for k, explain in ((3, True), (9, False))
]


def ids_of(answer: Answer) -> list[object]:
    return [item["item_id"] for item in answer.items]


@pytest.mark.usefixtures("small_pools")
def test_each_gets_together_what_it_gets_alone_and_what_the_command_says(served: ServedModel) -> None:
    together = served.answer(QUESTIONS)
    for question, found in zip(QUESTIONS, together, strict=True):
        assert isinstance(found, Answer)
        (alone,) = served.answer([question])
        assert isinstance(alone, Answer)
        assert ids_of(alone) == ids_of(found)
        options = RecommendOptions(
            k=question.k, threads=1, diversity=question.diversity, explain=question.explain, sampling=FAST_SAMPLING
        )
        (said,) = recommend_with(served.recommender, histories=[list(question.history or ())], options=options)
        assert ids_of(found) == [item.item_id for item in said.items]
        if not question.explain:
            assert found.explanations is None
            continue
        assert found.explanations is not None
        for one, other in zip(found.explanations, said.explanations, strict=True):
            assert one.nearest == other.nearest
            assert [replace(i, influence=0.0) for i in one.influences] == [
                replace(i, influence=0.0) for i in other.influences
            ]
    lists = {tuple(ids_of(found)) for found in together if isinstance(found, Answer)}
    assert len(lists) > 4, "wishes change what comes"


def test_who_has_no_history_gets_no_reasons_and_unknown_columns_spoil_nothing(served: ServedModel) -> None:
    popular = Question(user=None, history=(), k=2, explain=True)
    odd = Question(user=None, history=("i1",), k=2, diversity=Diversity(most=(("colour", 1),)))
    first, second, third = served.answer([popular, odd, replace(odd, diversity=Diversity())])
    assert isinstance(first, Answer)
    assert first.explanations == []
    assert isinstance(second, InputError)
    assert "no column 'colour'" in second.message
    assert isinstance(third, Answer)
    assert asdict(third)["explanations"] is None


@pytest.fixture(scope="module")
def sampled(served: ServedModel) -> Recommender:
    """ADRec on the same items, which draws much noise."""
    workspace = served.recommender.dataset_folder.parent
    stages = {stage: {"epochs": 1} for stage in TINY["stages"]}
    tables = {"model": {**TINY["model"], "hidden_size": 8, "lambda": 0.5}, "stages": stages}
    train("shop", workspace=workspace, work=Work(options=ComputeOptions(threads=1)),
          experiment=ExperimentOptions(overrides=tables))  # fmt: skip
    return Opening(workspace=workspace, dataset_name="shop", model="adrec", device="cpu", threads=1).open()


@pytest.mark.parametrize("merge", MERGES)
def test_lists_of_several_samples_do_not_hang_on_how_long_others_are(
    merge: str, sampled: Recommender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(samples, "MIN_CANDIDATES", 4)
    sampling, merging = Sampling(temperature=3.0), Merging(samples=3, merge=merge)
    model = ServedModel(sampled, sampling, merging)
    histories = [("i1", "i2", "i3"), ("i9", "i8"), ("i4",)]
    questions = [Question(user=None, history=history, k=k) for history in histories for k in (2, 4, 7, ITEMS)]
    for question, found in zip(questions, model.answer(questions), strict=True):
        options = RecommendOptions(k=question.k, sampling=sampling, merging=merging)
        assert question.history is not None
        (alone,) = recommend_with(sampled, histories=[question.history], options=options)
        assert isinstance(found, Answer)
        assert ids_of(found) == [item.item_id for item in alone.items]
        assert [item["score"] for item in found.items] == pytest.approx([item.score for item in alone.items], abs=1e-5)


def test_where_nothing_is_left_to_recommend_nothing_is_explained(served: ServedModel) -> None:
    nothing = Question(user=None, history=("i1", "i2"), k=3, explain=True, choice=Choice(candidates=("i2",)))
    other = Question(user=None, history=("i1", "i2"), k=3)
    empty, found = served.answer([nothing, other])
    assert isinstance(empty, Answer)
    assert (empty.items, empty.explanations) == ([], [])
    assert isinstance(found, Answer)
    assert len(found.items) == 3
