"""The list of trials can be trained, every one; the runner keeps what a trial has when its time is up."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from adrec_cli.data.datasets import dataset_names
from adrec_cli.training.stages import require_compatible
from tests.benchmarks import accuracy_trials
from tests.conftest import TINY


def test_every_trial_is_an_experiment_on_a_named_data_set():
    trials = accuracy_trials.read_trials(accuracy_trials.TRIALS)
    assert len(trials) > 30
    for name, trial in trials.items():
        experiment = accuracy_trials.experiment_of(trial)
        assert trial["data"] in dataset_names(), name
        assert set(trial) <= {"data", "model_name", "seconds", "model", "training", "stages"}, name
        for stage in experiment.planned:
            require_compatible(stage, experiment.stages[stage], experiment.training)


def test_trials_run_side_by_side_are_ranked_and_keep_what_they_have(workspace, tmp_path):
    tables = {"model": TINY["model"], "training": {**TINY["training"], "monitor": "ndcg@10"}}
    text = '[[trial]]\nname = "short"\ndata = "tiny"\nmodel_name = "adrec"\nseconds = 6\n'
    for table, values in tables.items():
        text += f"[trial.{table}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items())
    text += "[trial.stages.pretrain]\nepochs = 100000\npatience = 0\n"
    text += '[[trial]]\nname = "wrong"\nlike = "short"\n[trial.model]\nrepeats = "sometimes"\n'
    text += '[[trial]]\nname = "other"\nlike = "short"\n[trial.model]\nrepeats = "learned"\n'
    (tmp_path / "trials.toml").write_text(text)
    command = [sys.executable, "-m", "tests.benchmarks.accuracy_trials", "--data", str(workspace), "--device", "cpu"]
    command += ["--out", str(tmp_path / "out"), "--trials", str(tmp_path / "trials.toml"), "--seconds", "60"]
    root = Path(__file__).parents[1]
    done = subprocess.run([*command, "--parallel", "2"], cwd=root, capture_output=True, text=True, check=True)
    told = {one["trial"]: one for one in map(json.loads, (tmp_path / "out/results.jsonl").read_text().splitlines())}
    assert told.keys() == {"short", "wrong", "other"}
    assert "unknown model.repeats" in told["wrong"]["error"]
    for name in ("short", "other"):
        assert told[name]["cut_short"]
        assert list(told[name]["epochs"]) == ["pretrain"]
        assert 0 < told[name]["valid"]["ndcg@10"] <= 1
        assert set(told[name]["test"]) == set(told[name]["test_masked"]) == set(accuracy_trials.METRICS)
    epochs = [json.loads(line) for line in (tmp_path / "out/epochs.jsonl").read_text().splitlines()]
    best = {one["trial"]: max(e["valid"]["ndcg@10"] for e in epochs if e["trial"] == one["trial"])
            for one in told.values() if "error" not in one}  # fmt: skip
    assert all(abs(told[name]["valid"]["ndcg@10"] - value) < 1e-4 for name, value in best.items())
    assert "short" in done.stdout
