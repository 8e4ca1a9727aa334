"""The benchmarks of content and of diversity have the figures of `adrec evaluate`, and say how each differs."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from adrec_cli.evaluating.options import EvaluationOptions
from adrec_cli.experiments.experiment import compose, find_recipe
from adrec_cli.experiments.options import ExperimentOptions
from adrec_cli.pipeline.evaluate import evaluate
from adrec_cli.pipeline.preprocess import PreprocessOptions, preprocess
from adrec_cli.pipeline.train import train
from tests.benchmarks import diversity, large_content, neighbours, paired
from tests.conftest import TINY
from tests.pipeline.test_new_items import write_groups


def rows_of(shown: str) -> dict[str, list[str]]:
    """Return the cells of each row of a table in Markdown, by its first one."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in shown.splitlines() if line[:2] == "| "]
    return {first: rest for first, *rest in rows}


@pytest.mark.parametrize("model", ["adrec", "sasrec"])
def test_what_was_measured_does_not_depend_on_a_recipe(model):
    path = Path(paired.__file__).with_name(f"content_{model}.toml")
    recipe = find_recipe("amazon-beauty", model)
    assert recipe
    assert compose(model, config=path, inherited=recipe).tables() == compose(model, config=path).tables()


@pytest.fixture
def trained(workspace, tmp_path):
    """Two evaluations of a model that was trained with two seeds, in files of their own."""
    files = []
    for seed in (1, 2):
        overrides = {**TINY, "training": {**TINY["training"], "seed": seed}}
        train("tiny", workspace=workspace, experiment=ExperimentOptions(overrides=overrides))
        done = evaluate("finetune", workspace=workspace, options=EvaluationOptions(mask_seen=True))
        files.append((done, tmp_path / f"seed-{seed}.json"))
        for suffix in (".json", ".ranks.parquet"):
            written = next((workspace / "tiny/reports").glob(f"*mask-seen{suffix}"))
            files[-1][1].with_suffix(suffix).write_bytes(written.read_bytes())
    return files


def test_seeds_are_averaged_and_compared_user_by_user(trained, monkeypatch, capsys):
    (one, first), (other, second) = trained
    asked = ["--of", "one", str(first), "--of", "other", str(second), "--of", "both", str(second), str(first)]
    monkeypatch.setattr(sys, "argv", ["", *asked, "--of", "again", str(first)])
    paired.main()
    rows = rows_of(capsys.readouterr().out)
    assert list(rows)[1:] == ["one", "other", "both", "again"]
    metrics = [evaluation.metrics["ndcg@10"] for evaluation in (one, other)]
    assert rows["one"][:2] == [f"{metrics[0]:.4f}", ""]
    assert rows["other"][1].startswith(f"{metrics[1] - metrics[0]:+.4f} [")
    assert rows["both"][0] == f"{np.mean(metrics):.4f} ±{np.std(metrics, ddof=1):.4f}"
    assert rows["again"][1].startswith("+0.0000 [+0.0000, +0.0000], +0.0%, p 1.0000")


def test_lists_of_best_scores_have_the_figures_of_evaluate(tmp_path, monkeypatch, capsys):
    events, items = write_groups(tmp_path, 60)
    folder = tmp_path / "ws"
    # A target that the history holds is not recommended, though `evaluate` ranks it.
    pl.read_csv(events).unique(["user_id", "item_id"], maintain_order=True).write_csv(events)
    preprocess(str(events), workspace=folder, options=PreprocessOptions(items=items))
    model = {"hidden_size": 16, "heads": 2, "max_length": 8}
    overrides = {
        "model": model,
        "training": {"batch_size": 32},
        "stages": {"train": {"epochs": 15, "learning_rate": 5e-3}},
    }
    train("shop", model_name="sasrec", workspace=folder, experiment=ExperimentOptions(overrides=overrides))
    asked = ["--workspace", str(folder), "--users", "1000000", "--weights", "0.6", "--most", "1"]
    monkeypatch.setattr(sys, "argv", ["", "sasrec", *asked])
    monkeypatch.setattr(diversity, "_AT_ONCE", 40)
    diversity.main()
    best, weighted, capped = list(rows_of(capsys.readouterr().out).values())[1:]
    done = evaluate("train", workspace=folder, options=EvaluationOptions(mask_seen=True, beyond_accuracy=True))
    expected = {**done.metrics, **done.beyond_accuracy}
    for name, cell in zip(("ndcg@10", "hr@10", *diversity.FIGURES), best, strict=True):
        assert float(cell) == pytest.approx(expected[name], rel=2e-3), name
    assert float(best[2]) < float(weighted[2])
    assert float(capped[2]) == 1


def test_a_large_catalogue_has_every_item_once_and_a_vector_for_each(tmp_path):
    log, vectors = large_content.write_shop(tmp_path, items=1200, entries=5)
    events, ids = pl.read_parquet(log), vectors.with_suffix(".ids.txt").read_text().splitlines()
    assert sorted(events["item_id"]) == sorted(ids)
    assert events["user_id"].value_counts()["count"].to_list().count(500) == 2
    written = np.load(vectors)
    assert written.shape == (1200, 5)
    assert np.abs(written).max(axis=1).min() > 0


@pytest.mark.slow
def test_a_fiftieth_of_the_target_fits(tmp_path):
    steps = list(large_content.go_through(tmp_path, items=20_000, entries=256, kinds=("sum", "adapter"), epochs=1))
    assert [step.name for step in steps] == ["preprocess", "encode", "train sum", "train adapter"]
    assert max(step.gigabytes for step in steps) < 1.0


def test_a_log_of_neighbours_has_every_item_and_popular_ones_often(tmp_path):
    neighbours.write_log(tmp_path / "log.parquet", items=50, events=2000, users=30)
    log = pl.read_parquet(tmp_path / "log.parquet")
    counts = log["item_id"].value_counts().sort("item_id")["count"].to_list()
    assert (len(counts), sum(counts), log["user_id"].n_unique()) == (50, 2000, 30)
    assert counts[0] > 3 * counts[5] > 3 * counts[40]
    assert log["timestamp"].is_sorted()
