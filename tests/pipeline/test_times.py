"""A model that reads when events were, from raw files to answers: whose times are not known is not answered."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from adrec_cli.api import LoadedRecommender
from adrec_cli.errors import AdrecError, UsageError
from adrec_cli.evaluating.options import EvaluationOptions
from adrec_cli.experiments.events import Warned
from adrec_cli.experiments.options import ExperimentOptions
from adrec_cli.experiments.work import ComputeOptions, Work
from adrec_cli.loading.making_ready import Opening
from adrec_cli.loading.recommender import Recommender
from adrec_cli.models.sampling import FAST_SAMPLING
from adrec_cli.pipeline.evaluate import evaluate
from adrec_cli.pipeline.export import export
from adrec_cli.pipeline.preprocess import PreprocessOptions, preprocess
from adrec_cli.pipeline.recommend import recommend_with
from adrec_cli.pipeline.train import train
from adrec_cli.recommending.audience import collect_audience
from adrec_cli.recommending.batch_options import AudienceOptions
from adrec_cli.recommending.options import RecommendOptions
from adrec_cli.serving.served_model import Answer, Question, ServedModel
from tests.conftest import write_interactions

pytestmark = pytest.mark.usefixtures("in_shell")

TIMED = {
    "model": {"hidden_size": 16, "heads": 2, "max_length": 6, "times": "gaps"},
    "stages": {"train": {"epochs": 3, "learning_rate": 0.05}},
}
OPTIONS = RecommendOptions(k=7, threads=1, sampling=FAST_SAMPLING)


EVERYTHING = replace(OPTIONS, k=40, include_seen=True)


def write_at_random_times(path: Path) -> None:
    write_interactions(path)
    table = pl.read_csv(path)
    gaps = 2 ** np.random.default_rng(3).integers(0, 20, table.height)
    table.with_columns(timestamp=pl.lit(1_600_000_000) + pl.Series(gaps).cum_sum()).write_csv(path)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[object]]:
    """A workspace with SASRec that reads times, and what was said on the way."""
    folder, said = tmp_path_factory.mktemp("timed"), []
    write_at_random_times(folder / "shop.csv")
    preprocess(str(folder / "shop.csv"), workspace=folder / "ws")
    work = Work(options=ComputeOptions(threads=1), on_event=said.append)
    train("shop", model_name="sasrec", workspace=folder / "ws", work=work,
          experiment=ExperimentOptions(overrides=TIMED))  # fmt: skip
    return folder / "ws", said


@pytest.fixture(scope="module")
def recommender(trained: tuple[Path, list[object]]) -> Recommender:
    return Opening(workspace=trained[0], dataset_name="shop", model="sasrec", device="cpu", threads=1).open()


def history_of(recommender: Recommender, user: str) -> tuple[list[str], list[float]]:
    row = recommender.sequences.find(user)
    items = recommender.items["item_id"].gather(recommender.sequences.history(row) - 1).to_list()
    return items, recommender.sequences.of(row, recommender.sequences.seconds).tolist()


def test_a_history_with_its_times_is_answered_as_the_user_who_has_it(recommender):
    users = recommender.sequences.user_ids.to_list()[:20]
    known = [history_of(recommender, user) for user in users]
    items, times = [list(part) for part in zip(*known, strict=True)]
    as_users = recommend_with(recommender, users=users, options=OPTIONS)
    as_histories = recommend_with(recommender, histories=items, times=times, options=OPTIONS)
    at_once = recommend_with(recommender, histories=items, times=[[2 * 10**9] * len(one) for one in items],
                             options=OPTIONS)  # fmt: skip
    assert [one.items for one in as_users] == [one.items for one in as_histories]
    assert sum(a.items != b.items for a, b in zip(as_users, at_once, strict=True)) > 10
    texts = [[datetime.fromtimestamp(time, UTC).isoformat() for time in one] for one in times]
    assert [one.items for one in recommend_with(recommender, histories=items, times=texts, options=OPTIONS)] == [
        one.items for one in as_users
    ]
    served = ServedModel(recommender, FAST_SAMPLING)
    by_user = Question(user=users[3], history=None, k=7, explain=True)
    by_history = Question(user=None, history=tuple(items[3]), times=tuple(times[3]), k=7, explain=True)
    answers = served.answer([by_user, by_history])
    assert answers[0] == answers[1]
    assert isinstance(answers[0], Answer)
    assert [item["item_id"] for item in answers[0].items] == [item.item_id for item in as_users[3].items]
    loaded = LoadedRecommender(recommender)
    found = loaded.recommend(history=items[3], times=times[3], k=7, sampling=FAST_SAMPLING)
    assert [item.item_id for item in found] == [item.item_id for item in as_users[3].items]
    audience = collect_audience(recommender, AudienceOptions(all_users=True))
    ranked, _ = recommender.rank(audience.histories, 7, include_seen=False, sampling=FAST_SAMPLING)
    assert [recommender.items["item_id"][int(item) - 1] for item in ranked[3].items] == [
        item.item_id for item in as_users[3].items
    ]


def test_the_time_of_an_unknown_item_leaves_with_it(recommender):
    items, times = history_of(recommender, "u3")
    (plain,) = recommend_with(recommender, histories=[items], times=[times], options=OPTIONS)
    (found,) = recommend_with(
        recommender, histories=[["nobody's", *items]], times=[[times[0] - 5, *times]], options=OPTIONS
    )
    assert found.items == plain.items
    assert found.unknown_items == ["nobody's"]


@pytest.mark.parametrize("events", [5, 9])
def test_an_item_leaves_with_its_time_where_its_influence_is_measured(recommender, events):
    """Of a history that is longer than the model reads, its newest events count."""
    longest = recommender.sequences.user_ids[int(recommender.sequences.lengths.argmax())]
    items, times = [part[-events:] for part in history_of(recommender, longest)]
    first = max(0, events - recommender.model.max_length)

    def scores(items: list[str], times: list[float], options: RecommendOptions = EVERYTHING):
        (found,) = recommend_with(recommender, histories=[items], times=[times], options=options)
        return found, {item.item_id: item.score for item in found.items}

    found, whole = scores(items, times, replace(EVERYTHING, explain=True))
    for explanation in found.explanations[:5]:
        for influence in explanation.influences:
            at = influence.position - 1
            _, without = scores([*items[first:at], *items[at + 1 :]], [*times[first:at], *times[at + 1 :]])
            expected = whole[explanation.item_id] - without[explanation.item_id]
            assert influence.influence == pytest.approx(expected, abs=1e-4)


def test_of_an_empty_history_no_times_are_asked(recommender):
    (found,) = recommend_with(recommender, histories=[[]], options=OPTIONS)
    assert found.source == "popular"


@pytest.mark.parametrize(
    ("times", "message"),
    [
        (None, "a history needs a time for each item"),
        ([1_700_000_000], "has 2 items and 1 time"),
        ([1_700_000_000, 1_600_000_000], "go backwards"),
        ([1_700_000_000, "soon"], "not a date or time"),
        ([20260130, 20260131], "not in seconds since 1970"),
        (["20260130", "20260131"], "not in seconds since 1970"),
        ([1_700_000_000_000, 1_700_000_000_001], "not in seconds since 1970"),
        ([1_700_000_000, float("nan")], "nan is not a date or time"),
        ([1_700_000_000, "inf"], "not in seconds since 1970"),
        ([1_700_000_000, "9999-01-01"], "9999-01-01 is not between 1970 and 2100"),
        (["0226-01-30", 1_700_000_000], "0226-01-30 is not between 1970 and 2100"),
        ([1_700_000_000, datetime(2100, 1, 1, tzinfo=UTC)], "2100-01-01 .* is not between 1970 and 2100"),
    ],
)
def test_what_times_are_refused(recommender, times, message):
    history = [["i1", "i2"]]
    with pytest.raises(UsageError, match=message):
        recommend_with(recommender, histories=history, times=[] if times is None else [times], options=OPTIONS)
    asked = Question(user=None, history=("i1", "i2"), times=None if times is None else tuple(times), k=3)
    (answer,) = ServedModel(recommender, FAST_SAMPLING).answer([asked])
    assert isinstance(answer, UsageError)


def test_each_history_has_its_times(recommender):
    with pytest.raises(UsageError, match="times of 1 history, and 2 histories given"):
        recommend_with(recommender, histories=[["i1"], ["i2"]], times=[[1_700_000_000]], options=OPTIONS)
    with pytest.raises(UsageError, match="times are those of a history"):
        LoadedRecommender(recommender).recommend(user="u3", times=[1_700_000_000])


def test_what_has_no_times_is_refused(trained, recommender, tmp_path):
    (tmp_path / "people.jsonl").write_text('{"user_id": "new", "history": ["i1", "i2"]}\n')
    for options in (
        AudienceOptions(histories=tmp_path / "people.jsonl"),
        AudienceOptions(all_users=True, events=tmp_path / "today.csv"),
    ):
        with pytest.raises(UsageError, match="takes no history of a file"):
            collect_audience(recommender, options)
    with pytest.raises(UsageError, match="which a graph has no input for"):
        export(tmp_path / "model.onnx", workspace=trained[0], dataset_name="shop", model="sasrec")


def test_data_without_times_are_refused_before_anything_is_learned(tmp_path):
    write_interactions(tmp_path / "shop.csv")
    pl.read_csv(tmp_path / "shop.csv").drop("timestamp").write_csv(tmp_path / "plain.csv")
    preprocess(str(tmp_path / "plain.csv"), workspace=tmp_path / "ws",
               options=PreprocessOptions(timestamp_unit="order"))  # fmt: skip
    with pytest.raises(AdrecError, match="do not say when events were") as caught:
        train("plain", model_name="sasrec", workspace=tmp_path / "ws", work=Work(options=ComputeOptions(threads=1)),
              experiment=ExperimentOptions(overrides=TIMED))  # fmt: skip
    assert caught.value.exit_code == 3
    assert not list(tmp_path.rglob("*.safetensors"))


def test_a_model_of_none_takes_times_and_reads_none(trained, tmp_path):
    shutil.copytree(trained[0], tmp_path, dirs_exist_ok=True)
    tables = {**TIMED, "model": {**TIMED["model"], "times": "none"}}
    train("shop", model_name="sasrec", workspace=tmp_path, work=Work(options=ComputeOptions(threads=1)),
          experiment=ExperimentOptions(overrides=tables))  # fmt: skip
    plain = Opening(workspace=tmp_path, dataset_name="shop", model="sasrec", device="cpu", threads=1).open()
    asked = {"histories": [["i1", "i2"]], "options": OPTIONS}
    assert recommend_with(plain, **asked, times=[["2026-01-01", "2026-01-02"]]) == recommend_with(plain, **asked)
    plain = replace(plain, sequences=replace(plain.sequences, read_seconds=None))
    assert recommend_with(plain, users=["u3"], options=OPTIONS), "nobody reads times"


def test_times_are_evaluated_by_and_doubts_are_said_once(trained):
    workspace, said = trained
    assert [event.message for event in said if isinstance(event, Warned)] == []
    found = evaluate("train", workspace=workspace, dataset_name="shop", options=EvaluationOptions(threads=1))
    assert found.metrics
