"""The list of trials can be trained, every one; the runner keeps what a trial has when its time is up."""

from __future__ import annotations

import argparse
import csv
import json
import re
import statistics
import sys
import time
from fnmatch import fnmatch
from pathlib import Path

import pytest

from adrec_cli.data.named_datasets import dataset_names
from adrec_cli.experiments.experiment import compose, find_recipe
from adrec_cli.models.stages import require_compatible
from tests.benchmarks import accuracy_differences, accuracy_trials
from tests.conftest import TINY

RESULTS = accuracy_trials.TRIALS.with_name("accuracy_results.csv")
PAGE = accuracy_trials.TRIALS.with_name("accuracy.md")
RECIPES = {
    ("adrec-beauty", "adrec"): "beauty-contrast-s42",
    ("adrec-baby", "adrec"): "baby-contrast-s42",
    ("adrec-beauty", "sasrec"): "beauty-sasrec-s42",
    ("adrec-beauty", "esasrec"): "beauty-esasrec-s42",
    ("adrec-beauty", "bsarec"): "beauty-bsarec-s42",
    ("amazon-beauty", "adrec"): "amazon-one-block-s42",
    ("amazon-beauty", "sasrec"): "amazon-sasrec-s42",
    ("amazon-beauty", "bsarec"): "bsarec-s42",
    ("ml-1m", "adrec"): "ml-42",
    ("grocery", "adrec"): "grocery-positions-s42",
    ("grocery", "sasrec"): "grocery-sasrec-item-s42",
    ("grocery", "esasrec"): "grocery-esasrec-s42",
    ("grocery", "bsarec"): "grocery-bsarec-s42",
}
"""The trials that measured the recipes of data sets, by data set and model."""
LISTS = ("trials", "recipes", "positions", "cosines", "cpu")
"""What the files of trials are called."""
MACHINES = {"cpu": "CPU", "fifth": "H200"}
"""What runs were on, but for those on an H100."""
SEEDS = {"one seed": 1, "two seeds": 2}
"""How the page says that there were fewer than three."""
FAMILIES = {"adrec-beauty": "adrec-*", "amazon-beauty": "*-s3rec|amazon-*"}
"""Data sets that were cut by the same people, whose recipes are those of the first."""


def known_trials() -> dict[str, dict]:
    lists = [accuracy_trials.TRIALS.with_name(f"accuracy_{name}.toml") for name in LISTS]
    return {name: trial for path in lists for name, trial in accuracy_trials.read_trials(path).items()}


def test_every_trial_is_an_experiment_on_a_named_data_set():
    trials = known_trials()
    assert len(trials) > 60
    for name, trial in trials.items():
        experiment = accuracy_trials.experiment_of(trial)
        assert trial["data"] in dataset_names(), name
        assert set(trial) <= {"data", "model_name", "seconds", "model", "training", "stages"}, name
        for stage in experiment.planned:
            require_compatible(stage, experiment.stages[stage], experiment.training)


def test_a_trial_stands_for_one_with_each_of_its_seeds(tmp_path):
    path = tmp_path / "trials.toml"
    path.write_text(
        '[[trial]]\nname = "few"\n[trial.training]\nbatch_size = 8\n'
        '[[trial]]\nname = "many"\nlike = "few"\nseeds = [3, 5]\n'
    )
    found = accuracy_trials.read_trials(path)
    few = {"batch_size": 8}
    assert {name: trial["training"] for name, trial in found.items()} == {
        "few": few, "many-s3": few | {"seed": 3}, "many-s5": few | {"seed": 5},
    }  # fmt: skip
    assert not any("seeds" in trial for trial in found.values())


def listed(folder: Path, epochs: int) -> Path:
    """A list of three trials, of which one is wrong."""
    tables = {"model": TINY["model"], "training": {**TINY["training"], "monitor": "ndcg@10"}}
    text = '[[trial]]\nname = "first"\ndata = "tiny"\nmodel_name = "adrec"\n'
    for table, values in tables.items():
        text += f"[trial.{table}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items())
    for stage in TINY["stages"]:
        text += f"[trial.stages.{stage}]\nepochs = {epochs}\npatience = 0\n"
    text += '[[trial]]\nname = "wrong"\nlike = "first"\n[trial.model]\nrepeats = "sometimes"\n'
    text += '[[trial]]\nname = "other"\nlike = "first"\n[trial.model]\nrepeats = "learned"\n'
    (folder / "trials.toml").write_text(text)
    return folder / "trials.toml"


@pytest.mark.thorough
def test_trials_run_side_by_side_are_ranked_each_once(workspace, tmp_path, monkeypatch, capsys):
    flags = ["--data", str(workspace), "--device", "cpu", "--out", str(tmp_path / "out"), "--seconds", "120"]
    monkeypatch.setattr(sys, "argv", ["", *flags, "--trials", str(listed(tmp_path, 2)), "--parallel", "2"])
    # The two that train are processes of their own, which find the package where they are started.
    monkeypatch.chdir(Path(__file__).parents[1])
    accuracy_trials.main()
    shown = capsys.readouterr().out
    told = {one["trial"]: one for one in lines(tmp_path / "out/results.jsonl")}
    assert told.keys() == {"first", "wrong", "other"}
    assert "unknown model.repeats" in told["wrong"]["error"]
    for name in ("first", "other"):
        assert not told[name]["cut_short"]
        assert told[name]["epochs"] == {"pretrain": 2, "align": 2, "finetune": 2}
        assert told[name]["best_epochs"]["align"] == 2
        assert name in shown
    assert len(lines(tmp_path / "out/epochs.jsonl")) == 12


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def left_ranks(folder: Path, **ranks: list[int]) -> Path:
    folder.mkdir()
    told = [json.dumps({"trial": name.replace("_", "-"), "ranks": of_users}) for name, of_users in ranks.items()]
    (folder / accuracy_trials.RANKS).write_text("\n".join(told) + "\n")
    return folder


def test_differences_are_of_the_means_over_seeds_user_by_user(tmp_path, monkeypatch, capsys):
    few = left_ranks(tmp_path / "third", ours_s42=[1, 30, 2, 30], theirs_s42=[30, 30, 2, 30], ours_wide_s42=[30] * 4)
    more = left_ranks(tmp_path / "fourth", ours_s43=[1, 30, 30, 30])
    ranks = accuracy_differences.read_ranks([few, more])
    assert accuracy_differences.of_users("ours", "hr@20", ranks).tolist() == [1, 0, 0.5, 0]
    found = accuracy_differences.compare("ours", ["theirs", "ours-wide"], "hr@20", ranks)
    assert [round(one.value, 6) for one in found.values()] == [-0.125, -0.375]
    assert all(one.p <= one.p_holm for one in found.values())
    monkeypatch.setattr(
        sys, "argv", ["", str(few), str(more), "--metric", "hr@20", "--to", "ours", "--trials", "theirs"]
    )
    accuracy_differences.main()
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == "hr@20 of ours: 37.500"
    assert shown[1].startswith("theirs (1 seeds): -12.500 [")
    with pytest.raises(SystemExit, match="no trial is called other"):
        accuracy_differences.compare("ours", ["other"], "hr@20", ranks)


def test_a_trial_whose_time_is_up_is_ranked_by_its_best_weights(workspace, tmp_path, monkeypatch):
    trials = accuracy_trials.read_trials(listed(tmp_path, 100_000))
    options = argparse.Namespace(data=workspace, device="cpu", out=tmp_path, stepping="auto", until=time.time() + 1000)
    trial = accuracy_trials.Trial("other", trials["other"], options)
    asked = iter(range(1, 1000))
    monkeypatch.setattr(trial, "over", lambda: next(asked) > 40)
    told = trial.run()
    assert told["cut_short"]
    assert list(told["epochs"]) == ["pretrain"]
    best = max(one["valid"]["ndcg@10"] for one in lines(tmp_path / "epochs.jsonl"))
    assert told["valid"]["ndcg@10"] == pytest.approx(best, abs=1e-4)
    assert set(told["test"]) == set(told["test_masked"]) == set(accuracy_trials.METRICS)
    assert len(told["repeats"]) == 21


@pytest.mark.parametrize(("dataset", "model"), RECIPES)
def test_a_recipe_is_what_was_trained(dataset, model):
    trial = known_trials()[RECIPES[dataset, model]]
    assert (trial["data"], trial["model_name"]) == (dataset, model)
    recipe = compose(model, inherited=find_recipe(dataset, model))
    assert recipe.tables() == accuracy_trials.experiment_of(trial).tables()


@pytest.mark.parametrize("measured", FAMILIES)
def test_data_sets_of_one_family_share_their_recipes(measured):
    family = [name for name in dataset_names() if any(fnmatch(name, part) for part in FAMILIES[measured].split("|"))]
    assert len(family) > 3
    models = {model for known, model in RECIPES if known == measured}
    for name in family:
        for model in models:
            assert find_recipe(name, model) == find_recipe(measured, model), (name, model)


def trainings() -> list[dict[str, str]]:
    with RESULTS.open(newline="") as file:
        return list(csv.DictReader(file))


def test_every_training_is_of_a_known_trial():
    trials = known_trials()
    for one in trainings():
        trial = trials[one["trial"]]
        assert (one["data"], one["model"]) == (trial["data"], trial["model_name"]), one["trial"]
        assert one["machine"] == MACHINES.get(one["run"], "H100")


def page_rows() -> list[tuple[str, str, str, list[str]]]:
    """Data and protocol, model, trial and cells of the table of all figures."""
    section = PAGE.read_text().split("## All figures", 1)[1].split("\n## ", 1)[0]
    rows, protocol = [], ""
    for line in section.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 8 and (named := re.search(r"`(\S+)`", cells[1])):
            protocol = cells[0] or protocol
            rows.append((protocol, cells[1], named[1], cells[2:]))
    return rows


@pytest.mark.parametrize(("protocol", "model", "trial", "cells"), page_rows())
def test_the_figures_of_the_page_are_those_of_the_trainings(protocol, model, trial, cells):
    seeds = [one for one in trainings() if re.fullmatch(rf"{re.escape(trial)}(-s?\d\d)?", one["trial"])]
    assert len(seeds) == next((count for said, count in SEEDS.items() if said in model), 3)
    assert {one["data"] for one in seeds} == {protocol.split(",")[0]}
    assert ("*" in model) == any(one["cut_short"] == "yes" for one in seeds)
    part = "masked" if ", masked" in protocol else "test"
    for metric, cell in zip(accuracy_trials.METRICS, cells, strict=True):
        values = [float(one[f"{part}_{metric}"]) for one in seeds]
        mean, _, spread = cell.partition(" ±")
        assert float(mean) == pytest.approx(statistics.mean(values), abs=0.006)
        assert bool(spread) == (len(values) > 1)
        assert not spread or float(spread) == pytest.approx(statistics.stdev(values), abs=0.006)


def test_the_table_of_all_figures_is_read():
    assert len(page_rows()) > 12
