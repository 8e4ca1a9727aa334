"""Status, recommendations, trainings and sweeps as commands show them: each figure in the cell it belongs to."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from adrec_cli.artifacts.nights import Drift
from adrec_cli.artifacts.sweep_files import RunDifference
from adrec_cli.cli import (
    recommend,
    recommend_many,
    run,
    status,
    sweep,
    tune,
)
from adrec_cli.cli.show.drift import describe_drift
from adrec_cli.cli.show.evaluation import describe
from adrec_cli.cli.show.stages import show_stages
from adrec_cli.experiments.stage import StageResult
from adrec_cli.inspecting.dataset_status import DatasetStatus
from adrec_cli.inspecting.model_status import ModelStatus, NextStep, PromotedStatus, StageStatus
from adrec_cli.loading.new_items import NewItems
from adrec_cli.pipeline.recommend import Recommendation, Recommendations, RecommendedItem
from adrec_cli.pipeline.run import RunStep, RunSummary
from adrec_cli.pipeline.status import WorkspaceStatus
from adrec_cli.pipeline.sweep import FailedRun, Sweep
from adrec_cli.pipeline.tune import Search
from adrec_cli.recommending.explaining import Explanation, Influence
from adrec_cli.recommending.summary import BatchSummary
from adrec_cli.sweeping.results import Summary
from adrec_cli.sweeping.trials import Trial
from tests.cli.recorded import Recorded, shown_by
from tests.made_up import made_up
from tests.reporting.made_up import a_stage, an_evaluation

# Status


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "just now"), (58, "just now"), (61, "1 minute ago"), (121, "2 minutes ago"), (3598, "59 minutes ago"),
        (3601, "1 hour ago"), (7201, "2 hours ago"), (86_398, "23 hours ago"), (86_401, "1 day ago"),
        (10 * 86_401, "10 days ago"),
    ],
)  # fmt: skip
def test_how_long_ago_is_said_in_one_unit(seconds: int, words: str) -> None:
    assert status._ago((datetime.now(UTC) - timedelta(seconds=seconds)).isoformat()) == words


@pytest.mark.parametrize("moment", ["", "yesterday", "2026-01-01T00:00:00"])
def test_of_no_moment_nothing_is_said(moment: str) -> None:
    assert status._ago(moment) == ""


def test_a_workspace_has_a_row_for_every_data_set_and_model() -> None:
    now = (datetime.now(UTC) - timedelta(hours=2, seconds=1)).isoformat()
    stages = [
        made_up(StageStatus, name="pretrain", finished=True, metric="ndcg@10", value=0.1),
        made_up(StageStatus, name="align", finished=True, metric="ndcg@10", value=0.25),
        made_up(StageStatus, name="finetune", finished=False, metric="ndcg@10", value=0.3),
    ]
    promoted = made_up(PromotedStatus, metric="hr@10", value=0.5, protocol="loo/full/test", promoted_at=now)
    models = [
        made_up(ModelStatus, name="adrec", state="unfinished", detail="stopped", stages=stages, missing=["later"]),
        made_up(ModelStatus, name="sasrec", state="up to date", detail="", missing=["train"], promoted=promoted),
        made_up(ModelStatus, name="gru4rec", detail="", stages=[made_up(StageStatus, finished=True, metric="")]),
    ]
    shop = made_up(
        DatasetStatus, name="shop", state="up to date", detail="", users=1234, items=56_789, interactions=9_876_543,
        last_event="2026-11-27T03:00:00", made_at=now, models=models,
    )  # fmt: skip
    other = made_up(DatasetStatus, name="other", detail="changed")
    step = NextStep(command="adrec train shop", why="to go on")
    found = WorkspaceStatus(workspace=Path("here"), note="", datasets=[shop, other], next=[step])
    terminal = Recorded()
    status._show(terminal, found)
    shown = terminal.shown
    data, trained = shown.tables
    assert data.title == "here"
    assert data.rows[0] == {
        "data set": "shop", "users": "1,234", "items": "56,789", "interactions": "9,876,543",
        "last event": "2026-11-27", "changed": "2 hours ago", "state": "up to date",
    }  # fmt: skip
    assert data.column("state") == ["up to date", "state: changed"]
    assert data.optional == ["changed", "last event", "items", "users"]
    assert trained.rows == [
        {"data set": "shop", "model": "adrec", "stages": "2 of 4: pretrain, align", "validation": "ndcg@10 0.2500",
         "promoted": "no", "state": "unfinished: stopped"},
        {"data set": "shop", "model": "sasrec", "stages": "0 of 1", "validation": "",
         "promoted": "hr@10 0.5000 (loo/full/test), 2 hours ago", "state": "up to date"},
        {"data set": "shop", "model": "gru4rec", "stages": "1 of 1: name", "validation": "", "promoted": "no",
         "state": "state"},
    ]  # fmt: skip
    assert shown.lines == ["What to type next:", "  adrec train shop  # to go on"]
    terminal = Recorded()
    status._show(terminal, WorkspaceStatus(workspace=Path("here"), note="nothing is here", datasets=[], next=[]))
    assert (terminal.shown.tables, terminal.shown.lines) == ([], ["nothing is here"])


# Recommendations


def an_item(rank: int, title: str | None = None) -> RecommendedItem:
    return RecommendedItem(rank=rank, item_id=f"i{rank}", title=title, score=1.5 / rank)


@pytest.mark.parametrize("draws", [True, False])
def test_recommendations_stand_under_who_they_are_for(monkeypatch: pytest.MonkeyPatch, draws: bool) -> None:
    def influence(item: str, by: float, *shared: str) -> Influence:
        return made_up(Influence, item_id=item, influence=by, shared=list(shared))

    explanations = [
        Explanation(item_id="i1", influences=[influence("a", 0.25, "tea", "red"), influence("b", -0.5)], nearest=[]),
        Explanation(item_id="i2", influences=[influence("b", 0.125)], nearest=[]),
    ]
    results = [
        made_up(Recommendation, user_id="u1", items=[an_item(1, "Tea"), an_item(2)], explanations=explanations),
        made_up(Recommendation, history=["x", "y"], items=[an_item(1), an_item(2)], explanations=explanations),
    ]  # fmt: skip
    monkeypatch.setattr(Recorded, "draws", draws)
    shown = shown_by(recommend._show, made_up(Recommendations, promoted=True, results=results, new_items=NewItems()))
    first = [
        {"rank": "1", "item": "i1", "title": "Tea", "score": "1.5000",
         "what moved the score most": "a +0.2500 (tea, red); b -0.5000"},
        {"rank": "2", "item": "i2", "title": "", "score": "0.7500", "what moved the score most": "b +0.1250"},
    ]  # fmt: skip
    second = [{**row, "title": ""} for row in first]
    if draws:
        assert [(table.title, table.rows) for table in shown.tables] == [("user u1", first), ("history x,y", second)]
    else:
        assert shown.tables[0].rows == [
            *({"for": "user u1", **row} for row in first), *({"for": "history x,y", **row} for row in second),
        ]  # fmt: skip
    assert shown.said == []
    results = [made_up(Recommendation, user_id="u1", items=[an_item(1)])]
    (table,) = shown_by(
        recommend._show, made_up(Recommendations, promoted=True, results=results, new_items=NewItems())
    ).tables
    assert list(table.rows[0])[-3:] == ["rank", "item", "score"]


def test_what_is_unusual_about_recommendations_is_said() -> None:
    results = [
        made_up(Recommendation, user_id="u1", items=[], source="model"),
        made_up(Recommendation, user_id="u2", items=[an_item(1)], source="popular"),
        made_up(Recommendation, history=["x"], items=[an_item(1)], source="model", unknown_items=["q", "r"]),
    ]
    found = made_up(
        Recommendations, results=results, unknown_candidates=["c1", "c2"],
        new_items=NewItems(sha256="s", added=1234, known=5678, silent=("n1", "n2")),
    )  # fmt: skip
    assert shown_by(recommend._show, found).said == [
        "dataset has no promoted model model; checkpoint is used (adrec run promotes)",
        "1,234 new items may be recommended; known already: 5,678",
        "warning: left out: 2 new items that nothing is known about, such as 'n1'",
        "warning: the item files have 2 unknown ids, for example 'c1'",
        "warning: user u1: nothing is left, as all items that may come back are in the history; --include-seen lets "
        "them come back",
        "user u2: the model knows no item of the history, so these are the most popular items",
        "history x: unknown items are left out: q, r",
    ]


@pytest.mark.parametrize("listed", [None, Path("unknown.csv")])
def test_a_batch_says_what_it_wrote_and_what_it_could_not(tmp_path: Path, listed: Path | None) -> None:
    counts = {"users": 1234, "rows": 5678, "seconds": 1.26}
    nothing = dict.fromkeys(
        ("popular", "without_list", "unknown_users", "unknown_items", "unknown_candidates", "resumed"), 0
    )
    whole = made_up(BatchSummary, path=Path("recs.csv"), **counts, **nothing)
    shown = shown_by(recommend_many._show, whole)
    assert (shown.said, shown.lines) == ([], ["5,678 rows for 1,234 users in 1.3 s, stored in recs.csv"])
    for files, words in ((1, "1 file"), (2, "2 files"), (0, "0 files"), (1200, "1,200 files")):
        made = made_up(BatchSummary, path=tmp_path, files=files, **counts, **nothing)
        assert shown_by(recommend_many._show, made).lines[0].endswith(f"stored in {words} in {tmp_path}")
    odd = made_up(
        BatchSummary, path=Path("recs.csv"), **counts, unknown_path=listed, popular=1001, without_list=1002,
        unknown_users=1003, unknown_items=3009, unknown_candidates=1005, resumed=1006,
    )  # fmt: skip
    where = f", listed in {listed}" if listed else ""
    assert shown_by(recommend_many._show, odd).said == [
        f"warning: unknown: users 1,003, items of histories 2,004, candidates or excluded items 1,005{where}",
        f"warning: users without a list: 1,002{where}: all that may come back is in their history; --include-seen lets "
        "them come back",
        "1,001 users without a history that the model knows: these get the most popular items",
        "1,006 users done by an earlier, interrupted run",
    ]
    terminal = Recorded()
    recommend_many._show(terminal, made_up(BatchSummary, path=None, **counts, **nothing))
    assert (terminal.shown.said, terminal.shown.lines) == (["5,678 rows for 1,234 users in 1.3 s"], [])


# Trainings


def test_stages_say_what_was_done_and_where_it_lies() -> None:
    told = {"monitor": "hr@10", "protocol": "p"}
    done = a_stage("adrec", "align", metrics={**told, "values": {"ndcg@10": 0.1, "hr@10": 0.9}}).metadata
    bare = a_stage("adrec", "finetune", metrics={**told, "values": {"ndcg@10": 0.1}})
    results = [
        StageResult(stage="align", path=Path("ws/align.safetensors"), metadata=done, skipped=False, seconds=2.34),
        StageResult(stage="finetune", path=Path("ws/f.safetensors"), metadata=bare.metadata, skipped=True, seconds=9.0),
    ]
    shown = shown_by(show_stages, results)
    assert shown.tables[0].rows == [
        {"stage": "align", "status": "done in 2.3 s", "epoch": "7", "valid hr@10": "0.9000",
         "checkpoint": "align.safetensors"},
        {"stage": "finetune", "status": "up to date", "epoch": "7", "valid hr@10": "none",
         "checkpoint": "f.safetensors"},
    ]  # fmt: skip
    assert shown.said == ["finetune is up to date; --force trains it again"]
    assert shown.lines == ["stored in ws"]


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        ({}, "5.0% of the users and 10.0% of the items are new"),
        ({"popularity_shift": 0.25, "expected_shift": 0.125},
         "5.0% of the users and 10.0% of the items are new, popularity shifted by 0.25 (by chance 0.12)"),
        ({"metric_change": -0.02, "nights": 1},
         "5.0% of the users and 10.0% of the items are new, validation -2.0% against the mean of 1 night"),
        ({"metric_change": 0.0, "nights": 2},
         "5.0% of the users and 10.0% of the items are new, validation +0.0% against the mean of 2 nights"),
    ],
)  # fmt: skip
def test_what_a_night_has_changed_is_one_line(changed: dict[str, Any], line: str) -> None:
    assert describe_drift(made_up(Drift, new_users=0.05, new_items=0.1, **changed)) == f"since the last night: {line}"


def test_a_run_shows_its_steps_and_its_model_beside_the_baseline() -> None:
    steps = [
        RunStep(name="preprocess", status="up to date", seconds=0.04, detail="d1"),
        RunStep(name="align", status="up to date", seconds=1.26, detail="d2"),
        RunStep(name="finetune", status="done", seconds=2.0, detail=""),
    ]
    ours, popular = an_evaluation("adrec", 0.5), an_evaluation("mostpop", 0.1)
    drift = made_up(Drift, new_users=0.05, new_items=0.1)
    found = made_up(RunSummary, steps=steps, evaluation=ours, baseline=popular, drift=drift)
    shown = shown_by(run._show, found)
    made, metrics = shown.tables
    assert made.title == "model on dataset"
    assert [tuple(row.values()) for row in made.rows] == [
        ("preprocess", "up to date", "0.0", "d1"), ("align", "up to date", "1.3", "d2"),
        ("finetune", "done", "2.0", ""),
    ]  # fmt: skip
    assert metrics.rows == [
        {"metric": name, "model": f"{ours.metrics[name]:.4f}", "MostPopular": f"{popular.metrics[name]:.4f}"}
        for name in ours.metrics
    ]
    assert metrics.title == "On loo/full/test"
    assert shown.said == ["up to date: align; --force trains again"]
    assert shown.lines == [describe_drift(drift), *describe(ours)]


# Sweeps


@pytest.mark.parametrize("seeds", [1, 3])
@pytest.mark.parametrize("tested", [0, 1, 2])
def test_a_sweep_has_a_row_for_every_run_of_each_part(seeds: int, tested: int) -> None:
    def summary(run: str, part: str, metric: str, mean: float) -> Summary:
        return made_up(
            Summary, run=run, part=part, metric=metric, protocol=f"loo/full/{part}", seeds=seeds, mean=mean,
            lower=mean - 0.01, upper=mean + 0.02, training_seconds=600 * mean,
        )  # fmt: skip

    level = {"base": 0.1, "a=1": 0.2, "a=2": 0.3}
    summaries = [
        summary(run, part, metric, value + more + extra)
        for run, value in level.items()
        for part, more in (("valid", 0), ("test", 0.3))
        for metric, extra in (("ndcg@10", 0), ("hr@10", 0.01), ("hr@20", 0.02), ("ndcg@20", 0.03), ("mrr@5", 0.04))
    ]
    differences = [
        made_up(RunDifference, run=run, part="valid", value=by, p_holm=p)
        for run, by, p in (("a=1", 0.1, 0.04), ("a=2", -0.2, 0.0004))[:tested]
    ]
    failed = [FailedRun(run="a=3", seed=4, error="loss is NaN")]
    found = made_up(
        Sweep, monitor="ndcg@10", summaries=summaries, differences=differences, failed=failed, picture=None,
        without_picture="no matplotlib",
    )  # fmt: skip
    shown = shown_by(sweep.show_sweep, found)
    for table, (part, more) in zip(shown.tables, (("valid", 0.0), ("test", 0.3)), strict=True):
        assert table.title == f"model on dataset, loo/full/{part}"
        told = {one.run: (f"{one.value:+.4f}", "<0.001" if one.p_holm < 0.001 else f"{one.p_holm:.3f}")
                for one in differences if part == "valid"}  # fmt: skip
        assert table.rows == [
            {
                "run": run, "ndcg@10": f"{value + more:.4f}",
                "95% interval": f"[{value + more - 0.01:.4f}, {value + more + 0.02:.4f}]",
                **(dict(zip(("to base", "p"), told.get(run, ("", "")), strict=True)) if told else {}),
                "hr@10": f"{value + more + 0.01:.4f}", "hr@20": f"{value + more + 0.02:.4f}",
                "ndcg@20": f"{value + more + 0.03:.4f}", "trained": f"{round(600 * (value + more)) // 60}:00",
            }
            for run, value in level.items()
        ]  # fmt: skip
        assert table.right == list(table.rows[0])[1:]
        assert table.optional == ["ndcg@20", "hr@20", "hr@10", "trained", "95% interval"]
    lines = "\n".join(shown.lines)
    assert ("means of 3 seeds, intervals over seeds" in lines) == (seeds == 3)
    assert ("one seed, intervals over users" in lines) == (seeds == 1)
    assert re.findall(r"corrected for (\w+ runs?) ", lines) == [[], ["1 run"], ["2 runs"]][tested]
    assert shown.lines[-1] == "stored in results"
    assert shown.said == ["warning: a=3 seed 4 has no result: loss is NaN", "no picture: no matplotlib"]
    drawn = made_up(Sweep, monitor="ndcg@10", picture=Path("sweep.png"), without_picture="")
    assert shown_by(sweep.show_sweep, drawn).lines == ["stored in results, drawn in sweep.png"]


def test_a_sweep_marks_runs_of_which_some_seeds_diverged() -> None:
    summaries = [
        made_up(Summary, run=run, part="valid", metric=metric, seeds=seeds)
        for run, seeds in (("base", 1), ("a=1", 3), ("a=2", 2))
        for metric in ("ndcg@10", "hr@10", "hr@20", "ndcg@20")
    ]
    shown = shown_by(sweep.show_sweep, made_up(Sweep, monitor="ndcg@10", summaries=summaries))
    (table,) = shown.tables
    assert [row["run"] for row in table.rows] == ["base (1 of 3 seeds)", "a=1", "a=2 (2 of 3 seeds)"]
    assert "means of 3 seeds, intervals over seeds" in "\n".join(shown.lines)


def test_a_search_shows_the_best_trials_and_how_to_train_with_them() -> None:
    def trial(number: int, value: float | None, state: str = "done") -> Trial:
        chosen = {"lr": 0.00123456 * number, "size": number}
        return Trial(number=number, chosen=chosen, state=state, value=value, epochs={}, seconds=60.0 * number)

    trials = [trial(1, 0.9, "pruned"), trial(2, None, "diverged"), *(trial(n, 0.01 * n) for n in range(3, 14))]
    found = made_up(
        Search, model="sasrec", dataset="shop", metric="hr@10", trials=trials, config=Path("best.toml"), timed_out=True
    )
    shown = shown_by(tune._show, found)
    (table,) = shown.tables
    assert table.title == "sasrec on shop, protocol, the best of 13 trials"
    assert table.rows == [
        {"trial": str(n), "hr@10": f"{0.01 * n:.4f}", "state": "done", "lr": f"{0.00123456 * n:.4g}", "size": str(n),
         "trained": f"{n}:00"}
        for n in range(13, 3, -1)
    ]  # fmt: skip
    assert table.right == ["trial", "hr@10", "lr", "size", "trained"]
    assert shown.lines == [
        "the time is up; the same command continues the search",
        "the best options are in best.toml; train with them:",
        "adrec train shop --model sasrec --config best.toml",
    ]
    found = made_up(Search, model="adrec", dataset="shop", trials=trials[:2], config=Path("best.toml"))
    shown = shown_by(tune._show, found)
    assert shown.tables[0].column("metric") == ["0.9000", "none"]
    assert shown.lines[-1] == "adrec train shop --config best.toml"
