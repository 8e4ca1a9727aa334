"""Runs of a sweep against its base, on the same users."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from adrec_cli.artifacts.evaluation import read_ranks
from adrec_cli.artifacts.json_files import content_sha256
from adrec_cli.artifacts.sweep_files import read_sweep
from adrec_cli.comparing.side_by_side import of_users
from adrec_cli.config import merge
from adrec_cli.errors import ArtifactError
from adrec_cli.evaluating.options import EvaluationOptions
from adrec_cli.experiments.options import ExperimentOptions
from adrec_cli.pipeline.evaluate import evaluate
from adrec_cli.pipeline.preprocess import preprocess
from adrec_cli.pipeline.sweep import sweep
from adrec_cli.ranking.metrics import METRICS
from adrec_cli.ranking.significance import differences_to
from adrec_cli.sweeping.differences import differences_to_base
from adrec_cli.sweeping.sweep_options import Design, SweepOptions
from adrec_cli.sweeping.varied import parse_varied
from tests.conftest import TINY, write_interactions

QUICK = ExperimentOptions(
    overrides=merge(TINY, {"stages": {"pretrain": {"skip": True}, "align": {"skip": True}, "finetune": {"epochs": 1}}})
)
USERS = {"valid": np.array([0, 0, 1, 2])}


def outcome(run, seed, *ranks, part="valid"):
    measured = SimpleNamespace(part=part, ranks=list(ranks))
    return SimpleNamespace(run=SimpleNamespace(name=run, seed=seed), measured=[measured])


def run_sweep(workspace, *vary, **more):
    design = Design(vary=tuple(map(parse_varied, vary)), **more)
    return sweep("tiny", workspace=workspace, experiment=QUICK, options=SweepOptions(design=design, picture=False))


def test_users_are_averaged_over_cases_and_over_the_seeds_both_have():
    outcomes = [
        outcome("base", 1, 1, 9, 9, 9),
        outcome("base", 2, 9, 9, 9, 9),
        outcome("base", 3, 1, 1, 1, 1),
        outcome("a", 1, 1, 1, 9, 1),
        outcome("a", 2, 9, 9, 9, 1),
        outcome("b", 3, 1, 1, 1, 1),
    ]
    a, b = differences_to_base(outcomes, USERS, "hr@5")
    # Of a's users: (1 - 1/2 + 0) / 2, 0, and 1 in both seeds.
    assert (a.run, a.part, a.metric, a.seeds) == ("a", "valid", "hr@5", 2)
    assert a.value == pytest.approx((0.25 + 0 + 1) / 3)
    assert a.low <= a.value <= a.high
    assert (b.run, b.seeds, b.value, b.p, b.p_holm) == ("b", 1, 0.0, 1.0, 1.0)
    assert a.p_holm == min(1.0, 2 * a.p)


def test_parts_are_apart_and_without_a_base_nothing_is_told():
    users = {"valid": np.arange(2), "test": np.arange(2)}
    outcomes = [
        outcome(run, 1, *ranks, part=part)
        for run, part, ranks in [("base", "valid", (9, 9)), ("a", "valid", (1, 9)), ("base", "test", (1, 1)),
                                 ("a", "test", (1, 9))]
    ]  # fmt: skip
    found = differences_to_base(outcomes, users, "hr@5")
    assert [(one.part, one.value) for one in found] == [("valid", 0.5), ("test", -0.5)]
    assert differences_to_base(outcomes[1:2], users, "hr@5") == []
    assert differences_to_base(outcomes[:1], users, "hr@5") == []


def test_they_equal_those_of_evaluating_the_checkpoints(workspace):
    found = run_sweep(workspace, "learning_rate=0.02")
    (told,) = found.differences
    stages = sorted({row["checkpoint"] for row in read_sweep(found.folder)[1].iter_rows(named=True)})
    values = {}
    for name in stages:
        report = evaluate(str(found.folder / name), workspace=workspace, options=EvaluationOptions(part="valid"))
        values[report.metrics["ndcg@10"]] = of_users(read_ranks(Path(report.path)), "ndcg@10")
    means = {one.run: one.mean for one in found.summaries if one.metric == "ndcg@10"}
    (expected,) = differences_to(values[means["base"]], [values[means["learning_rate=0.02"]]])
    assert expected.value != 0
    for name, value in dataclasses.asdict(expected).items():
        assert getattr(told, name) == pytest.approx(value, abs=1e-12), name
    assert read_sweep(found.folder)[0].differences == found.differences
    assert run_sweep(workspace, "learning_rate=0.02").differences == found.differences, "from what was measured"


def test_they_are_those_of_a_metric_that_looks_beyond_every_cut_off(tmp_path, monkeypatch):
    monkeypatch.setitem(METRICS.own, "whole", lambda ranks, k: -np.log(ranks))
    write_interactions(tmp_path / "tiny.csv", items=200)
    preprocess(str(tmp_path / "tiny.csv"), workspace=tmp_path)
    overrides = merge(QUICK.overrides, {"training": {"monitor": "whole@10"}})
    found = sweep(
        "tiny", workspace=tmp_path, experiment=ExperimentOptions(overrides=overrides),
        options=SweepOptions(design=Design(vary=(parse_varied("learning_rate=0.02"),)), picture=False),
    )  # fmt: skip
    (told,) = found.differences
    means = {one.run: one.mean for one in found.summaries if one.metric == "whole@10"}
    assert told.metric == "whole@10"
    assert told.value == pytest.approx(means["learning_rate=0.02"] - means["base"], abs=1e-12)


def test_a_difference_that_is_no_number_is_refused(workspace):
    found = run_sweep(workspace, "learning_rate=0.02")
    path = found.folder / "sweep.json"
    told = json.loads(path.read_text())
    del told["sweep_sha256"]
    told["differences"][0]["value"] = "<b>"
    path.write_text(json.dumps({**told, "sweep_sha256": content_sha256(told)}))
    with pytest.raises(ArtifactError, match="a difference is not a number"):
        read_sweep(found.folder)
