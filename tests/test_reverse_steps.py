"""The study of reverse steps has the figures of `adrec evaluate`, and says how each differs from the first."""

from __future__ import annotations

import csv
import io
import sys

import pytest

from adrec_cli.config import merge
from adrec_cli.evaluating.options import EvaluationOptions
from adrec_cli.experiments.options import ExperimentOptions
from adrec_cli.models.sampling import FAST_SAMPLING, Sampling
from adrec_cli.pipeline.evaluate import evaluate
from adrec_cli.pipeline.train import train
from tests.benchmarks import reverse_steps
from tests.conftest import TINY


def test_rows_are_what_evaluate_says_and_differ_from_the_first(workspace, monkeypatch, capsys):
    guided = merge(TINY, {"model": {"lambda": 1.0, "condition_dropout": 0.3}})
    train("tiny", workspace=workspace, experiment=ExperimentOptions(overrides=guided))
    asked = ["--steps", "1", "3", "--guidance", "0", "4", "--noise", "zero", "seeded", "--part", "valid"]
    monkeypatch.setattr(sys, "argv", ["", "finetune", "--workspace", str(workspace), "--dataset", "tiny", *asked])
    reverse_steps.main()
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert len(rows) == 2 * 2 * 2
    assert (rows[0]["steps"], rows[0]["noise"], rows[0]["guidance"], rows[0]["p"]) == ("1", "zero", "0", "")
    assert len({row["ndcg@20"] for row in rows}) > 4
    for row in rows:
        sampling = Sampling(steps=int(row["steps"]), noise=row["noise"], guidance=float(row["guidance"]))
        metrics = evaluate(
            "finetune", workspace=workspace, options=EvaluationOptions(part="valid", sampling=sampling)
        ).metrics
        for name in reverse_steps.METRICS:
            assert float(row[name]) == pytest.approx(100 * metrics[name], abs=1e-3), row
    for row in rows[1:]:
        assert float(row["difference"]) == pytest.approx(float(row["ndcg@20"]) - float(rows[0]["ndcg@20"]), abs=2e-3)
        assert float(row["low"]) <= float(row["difference"]) <= float(row["high"])
        assert 0 < float(row["p"]) <= 1


def test_another_model_can_be_what_all_are_compared_with(workspace, monkeypatch, capsys):
    train("tiny", workspace=workspace, experiment=ExperimentOptions(overrides=TINY))
    monkeypatch.setattr(
        sys,
        "argv",
        ["", "finetune", "--beside", "align", "--workspace", str(workspace), "--dataset", "tiny", "--steps", "1", "2"],
    )
    reverse_steps.main()
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    first = evaluate("align", workspace=workspace, options=EvaluationOptions(sampling=FAST_SAMPLING)).metrics
    assert float(rows[0]["ndcg@20"]) == pytest.approx(100 * first["ndcg@20"], abs=1e-3)
    assert [(row["steps"], row["noise"]) for row in rows[1:]] == [
        ("1", "zero"), ("2", "zero"), ("1", "seeded"), ("2", "seeded")
    ]  # fmt: skip
    for row in rows[1:]:
        assert float(row["difference"]) == pytest.approx(float(row["ndcg@20"]) - float(rows[0]["ndcg@20"]), abs=2e-3)
