"""The main job on real data: a short budget always, the full length by hand (pytest -m slow)."""

from __future__ import annotations

import polars as pl
import pytest

from adrec_cli.config import merge
from adrec_cli.evaluating.options import EvaluationOptions
from adrec_cli.experiments.options import ExperimentOptions
from adrec_cli.pipeline.evaluate import evaluate
from adrec_cli.pipeline.recommend import recommend
from adrec_cli.pipeline.run import RunOptions, run
from adrec_cli.recommending.item_choice import ItemChoice
from adrec_cli.recommending.options import RecommendOptions

REPORT_SASREC = {"hr@5": 0.3841, "ndcg@5": 0.2846}
REPORT_ADREC = {
    "hr@5": 0.2393,
    "ndcg@5": 0.1661,
    "hr@10": 0.3319,
    "ndcg@10": 0.1960,
    "hr@20": 0.4373,
    "ndcg@20": 0.2226,
}


def sampled(workspace, shared_data):
    """Test metrics against the 99 negatives that ReChorus drew."""
    options = EvaluationOptions(negatives_file=shared_data / "grocery/splits/test.parquet")
    return evaluate("finetune", workspace=workspace, options=options)


@pytest.mark.thorough
def test_a_short_run_on_grocery(shared_data, tmp_path):
    # A loss over all items would take most of the time.
    losses = {"ranking_loss": "sampled_softmax", "negatives": 100}
    small = {"model": {"hidden_size": 16, "max_length": 10, "diffusion_steps": 4}, "training": {"batch_size": 256}}
    rates = {"pretrain": 0.005, "align": 0.001, "finetune": 0.002}
    stages = {name: {"epochs": 1, "learning_rate": rate, **losses} for name, rate in rates.items()}
    # The defaults: grocery's recipe is regularised for sixty epochs, and has learned little after three.
    short = ExperimentOptions(preset="paper", overrides=merge(small, {"stages": stages}))
    summary = run("grocery", workspace=tmp_path, options=RunOptions(raw=shared_data, experiment=short))
    assert summary.warnings == []
    assert (summary.evaluation.users, summary.evaluation.protocol) == (14_681, "loo/full/test")
    assert summary.evaluation.metrics["ndcg@10"] > 1.5 * summary.baseline.metrics["ndcg@10"]
    found = sampled(tmp_path, shared_data)
    assert found.protocol == "loo/sampled-99/test"
    assert found.metrics["hr@5"] > 0.2065, "MostPop of the ReChorus README"
    assert len(recommend(workspace=tmp_path, users=["42"]).results[0].items) == 10
    meta = pl.read_parquet(shared_data / "grocery/item_meta.parquet")
    options = RecommendOptions(k=50, include_seen=True, choice=ItemChoice(categories=("31",)))
    of_31 = recommend(workspace=tmp_path, users=["42"], options=options).results[0].items
    assert sorted(int(item.item_id) for item in of_31) == sorted(meta.filter(category=31)["item_id"])


@pytest.mark.slow
def test_a_full_run_on_grocery_beats_the_report(shared_data, tmp_path):
    run("grocery", workspace=tmp_path, options=RunOptions(raw=shared_data))
    metrics = sampled(tmp_path, shared_data).metrics
    print(metrics)
    for name, value in (*REPORT_SASREC.items(), *REPORT_ADREC.items()):
        assert metrics[name] > value, name
