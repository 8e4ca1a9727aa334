"""Searching options: what is proposed, given up and kept, and that a stopped search goes on the same way."""

from __future__ import annotations

import dataclasses
import json
import math
import shlex
import shutil

import numpy as np
import pytest
from typer.main import get_command

from adrec_cli.artifacts.checkpoint import load_checkpoint
from adrec_cli.choices import build_options
from adrec_cli.cli.app import app
from adrec_cli.config import merge, read_toml
from adrec_cli.errors import ArtifactError, InterruptedRun, UsageError
from adrec_cli.experiments.events import StageStarted
from adrec_cli.experiments.experiment import compose
from adrec_cli.experiments.options import ExperimentOptions, TrainingOptions
from adrec_cli.experiments.work import Work
from adrec_cli.models.registry import find_stages, list_trainable
from adrec_cli.pipeline.train import train
from adrec_cli.pipeline.tune import tune
from adrec_cli.runtime import StopRequest
from adrec_cli.sweeping.command_line import tune_command
from adrec_cli.sweeping.events import TrialDone
from adrec_cli.sweeping.optuna_study import propose
from adrec_cli.sweeping.search_space import Searched, parse_searched, search_space
from adrec_cli.sweeping.toml_text import toml_text
from adrec_cli.sweeping.trials import DIVERGED, DONE, PRUNED, Trial, best_of, read_trials, write_trials
from adrec_cli.sweeping.tune_options import TuneOptions, parse_seconds
from adrec_cli.training.events import StepDone
from tests.conftest import TINY

pytest.importorskip("optuna")

QUICK = merge(TINY, {"stages": {"pretrain": {"epochs": 2}, "align": {"epochs": 1}, "finetune": {"epochs": 2}}})
SASREC = {
    "model": {"hidden_size": 8, "max_length": 10},
    "training": {"batch_size": 64},
    "stages": {"train": {"epochs": 3}},
}


def space_of(*searched, model="adrec"):
    return search_space(tuple(map(parse_searched, searched)), compose(model))


def run_tune(workspace, *searched, model="adrec", events=None, tables=None, **more):
    arguments = {name: more.pop(name) for name in ("stop", "on_event") if name in more}
    if events is not None:
        arguments["on_event"] = events.append
    return tune(
        "tiny",
        model_name=model,
        workspace=workspace,
        tuning=TuneOptions(search=tuple(map(parse_searched, searched)), **more),
        experiment=ExperimentOptions(overrides=tables or (QUICK if model == "adrec" else SASREC)),
        work=Work(**arguments),
    )


# The space


@pytest.mark.parametrize(
    ("text", "searched"),
    [
        ("learning_rate=1e-4..1e-2:log", Searched(key="learning_rate", low=1e-4, high=1e-2, log=True)),
        ("model.dropout=0.1..0.6", Searched(key="model.dropout", low=0.1, high=0.6)),
        ("dropout=0..0.6:step=0.2", Searched(key="dropout", low=0, high=0.6, step=0.2)),
        ("cam_blocks=1..4", Searched(key="cam_blocks", low=1, high=4)),
        ("heads=1,2,4", Searched(key="heads", choices=(1, 2, 4))),
        ("noise_schedule=linear,cosine", Searched(key="noise_schedule", choices=("linear", "cosine"))),
        ("weight_decay=-1.5..2", Searched(key="weight_decay", low=-1.5, high=2)),
    ],
)
def test_what_is_typed_is_searched(text, searched):
    assert parse_searched(text) == searched
    assert parse_searched(searched.typed) == searched


@pytest.mark.parametrize(
    "text",
    ["lambda", "lambda=", "lambda=1", "lambda=2..1", "lambda=0..1:log", "lambda=1..x", "lambda=1..2..3",
     "lambda=1..2:lin", "lambda=1..inf", "lambda=1..2:step=0", "lambda=1..2:log:step=1", "heads=1,,2",
     "dropout=0.1..0.6:step=0.15", "heads=1..8:step=3", "dropout=0..0.1:step=0.2"],
)  # fmt: skip
def test_what_is_no_search(text):
    with pytest.raises(UsageError, match="search="):
        parse_searched(text)


@pytest.mark.parametrize(
    ("searched", "message"),
    [
        ((), "nothing to search"),
        (("embedding_decay=0..0.5",), "several"),
        (("dropout=0.1..0.2", "model.dropout=0..0.5"), "searched twice"),
        (("monitor=ndcg@10,hr@10",), "what is measured"),
        (("seed=1..9",), "what is measured"),
        (("sampling.steps=1..9",), "what is measured"),
        (("heads=1..4.5",), "whole numbers"),
    ],
)
def test_searches_that_cannot_be(searched, message):
    with pytest.raises(UsageError, match=message):
        space_of(*searched)


def test_proposals_keep_to_the_space_and_depend_on_the_trials_alone():
    space = space_of("learning_rate=1e-4..1e-2:log", "heads=1,2,4", "cam_blocks=1..3", "dropout=0..0.6:step=0.2")
    trials = []
    for number in range(1, 16):
        one, two = (propose(space, trials, seed=3, pruner="median", max_epochs=9).chosen for _ in range(2))
        assert one == two
        assert 1e-4 <= one["learning_rate"] <= 1e-2
        assert one["heads"] in (1, 2, 4)
        assert one["cam_blocks"] in (1, 2, 3)
        assert isinstance(one["cam_blocks"], int)
        assert min(abs(one["dropout"] - x) for x in (0, 0.2, 0.4, 0.6)) < 1e-9
        trials.append(_trial(number, one, value=one["dropout"]))
    assert len({trial.chosen["learning_rate"] for trial in trials}) == 15
    late = [trial.chosen["dropout"] for trial in trials[10:]]
    assert sum(late) / len(late) > 0.3, "the sampler follows what went well"


def test_a_value_for_every_stage_becomes_tables():
    space = space_of("learning_rate=1e-4..1e-2")
    stages = {name: {"learning_rate": 0.001} for name in find_stages("adrec")}
    assert space.tables({"learning_rate": 0.001}) == {"stages": stages}


def _trial(number, chosen, *, value=None, state=DONE, epochs=None):
    return Trial(number=number, chosen=chosen, state=state, value=value, epochs=epochs or {}, seconds=1.0)


def test_what_is_clearly_worse_is_given_up():
    space = space_of("lambda=0.0..1.0")
    trials = [_trial(n, {"lambda": n / 10}, value=0.5, epochs={e: 0.1 * e for e in range(1, 6)}) for n in range(1, 7)]
    worse = propose(space, trials, seed=0, pruner="median", max_epochs=5)
    for epoch in range(1, 4):
        worse.report(epoch, 0.01)
        assert not worse.hopeless, "not in its first epochs"
    worse.report(4, 0.01)
    assert worse.hopeless
    better = propose(space, trials, seed=0, pruner="median", max_epochs=5)
    for epoch in range(1, 6):
        better.report(epoch, 0.2 * epoch)
        assert not better.hopeless
    early = propose(space, trials[:3], seed=0, pruner="median", max_epochs=5)
    early.report(4, 0.01)
    assert not early.hopeless, "too few trials to compare with"


def test_what_diverged_counts_as_bad_and_is_never_the_best():
    space = space_of("lambda=0.0..1.0")
    trials = [_trial(n, {"lambda": n / 20}, value=None, state=DIVERGED) for n in range(1, 7)]
    trials += [_trial(n, {"lambda": n / 20}, value=0.3) for n in range(7, 15)]
    assert best_of(trials).number == 7, "the earliest of equals"
    assert best_of(trials[:6]) is None
    assert 0 <= propose(space, trials, seed=0, pruner="hyperband", max_epochs=9).chosen["lambda"] <= 1


@pytest.mark.parametrize("best", [1.0, 0.0, -3.0])
def test_proposals_do_not_depend_on_where_a_metric_has_its_zero(best):
    """Some of a plugin's are below it always, and what diverged must be worse all the same."""

    def search(shift: float) -> list[float]:
        space, trials = space_of("lambda=0.0..1.0"), []
        for number in range(1, 31):
            chosen = propose(space, trials, seed=3, pruner="none", max_epochs=9).chosen
            good = best + shift - chosen["lambda"]
            diverged = {"value": good} if chosen["lambda"] < 0.6 else {"state": DIVERGED}
            trials.append(_trial(number, chosen, **diverged))
        return [trial.chosen["lambda"] for trial in trials]

    found = search(0.0)
    assert found == search(5.0)
    assert np.mean(found[20:]) < 0.3, "what diverged is kept away from"


# Files


def test_trials_come_back_as_they_were(tmp_path):
    trials = [_trial(1, {"lambda": 0.1 + 0.2}, value=1 / 3, epochs={3: 0.1}), _trial(2, {"lambda": 1e-9}, state=PRUNED)]
    write_trials(tmp_path / "trials.jsonl", trials)
    assert read_trials(tmp_path / "trials.jsonl") == trials
    assert read_trials(tmp_path / "none.jsonl") == []


@pytest.mark.parametrize(
    "damage", [lambda text: text[:-9], lambda text: "[]\n", lambda text: text.replace("2", "3", 1)]
)
def test_damaged_trials_are_noticed(tmp_path, damage):
    path = tmp_path / "trials.jsonl"
    write_trials(path, [_trial(2, {"lambda": 0.5})])
    path.write_text(damage(path.read_text()))
    with pytest.raises(ArtifactError, match="damaged"):
        read_trials(path)


@pytest.mark.parametrize("model", list_trainable())
def test_options_as_toml_compose_to_the_same(model, tmp_path):
    experiment = compose(model)
    path = tmp_path / "options.toml"
    path.write_text(toml_text(experiment.tables(), comments=["a comment"]))
    assert compose(model, config=path) == experiment
    assert compose(model, preset=None, config=path, inherited={"training": {"seed": 9}}) == experiment


def test_texts_survive_toml(tmp_path):
    tables = {"a": {"text": 'quote " back \\ é \x07 \n', "on": True, "list": ["x", 'y"'], "small": 1e-300}}
    (tmp_path / "t.toml").write_text(toml_text(tables), encoding="utf-8")
    assert read_toml(tmp_path / "t.toml") == tables


# Searching


def test_the_best_options_give_the_very_checkpoint(workspace, tmp_path):
    shutil.copytree(workspace, tmp_path / "alone")
    events = []
    found = run_tune(
        workspace, "stages.finetune.learning_rate=1e-3..1e-2:log", "lambda=0.001,1.0", trials=3, events=events
    )
    assert [event.stage for event in events if isinstance(event, StageStarted)].count("pretrain") == 1, "shared"
    assert len(found.trials) == 3
    assert found.best.value == max(trial.value for trial in found.trials)
    assert found.best.value == max(trial.value for trial in found.trials if trial.state == DONE)
    last = train("tiny", workspace=tmp_path / "alone", experiment=ExperimentOptions(config=found.config))[-1]
    (kept,) = found.folder.glob("stages/adrec-finetune-*/finetune.safetensors")
    alone, tuned = (load_checkpoint(path)[0] for path in (last.path, kept))
    assert {name: tensor.numpy().tobytes() for name, tensor in alone.items()} == {
        name: tensor.numpy().tobytes() for name, tensor in tuned.items()
    }
    assert last.metadata.metrics["values"][found.metric] == found.best.value
    assert found.protocol == "loo/full/valid"
    assert not (workspace / "tiny/adrec").exists()


@pytest.mark.parametrize("stop_after", [pytest.param(3, marks=pytest.mark.slow), 13])
def test_a_stopped_search_goes_on_the_same_way(workspace, tmp_path, stop_after):
    typed = ("stages.finetune.learning_rate=1e-4..1e-2:log", "lambda=0.001..1.0:log")
    shutil.copytree(workspace, tmp_path / "whole")
    whole = run_tune(tmp_path / "whole", *typed, trials=3)
    stop, steps = StopRequest(), 0

    def interrupt(event):
        nonlocal steps
        steps += isinstance(event, StepDone)
        if steps == stop_after:
            stop.signal_number = 15

    with pytest.raises(InterruptedRun):
        run_tune(workspace, *typed, trials=3, stop=stop, on_event=interrupt)
    found = run_tune(workspace, *typed, trials=3)
    assert [dataclasses.replace(trial, seconds=0.0) for trial in found.trials] == [
        dataclasses.replace(trial, seconds=0.0) for trial in whole.trials
    ]
    assert found.config.read_bytes() == whole.config.read_bytes()


def test_more_trials_are_added_to_those_there_are(workspace):
    typed = ("learning_rate=1e-4..1e-2:log",)
    first = run_tune(workspace, *typed, model="sasrec", trials=2)
    events = []
    more = run_tune(workspace, *typed, model="sasrec", trials=3, events=events)
    assert more.trials[:2] == first.trials
    assert [event.trial.number for event in events if isinstance(event, TrialDone)] == [3]
    other = run_tune(workspace, "learning_rate=1e-4..1e-1:log", model="sasrec", trials=1, name=more.name)
    assert len(other.trials) == 1, "another search has trials of its own"
    assert len(run_tune(workspace, *typed, model="sasrec", trials=3).trials) == 3, "and forgets none of the first"
    assert len(run_tune(workspace, *typed, model="sasrec", trials=1, fresh=True).trials) == 1


def test_time_ends_a_search(workspace):
    found = run_tune(workspace, "learning_rate=1e-4..1e-2:log", model="sasrec", trials=9, timeout=1e-6)
    assert len(found.trials) == 1
    assert found.timed_out


def test_trials_that_diverge_or_cannot_be_do_not_end_a_search(workspace):
    found = run_tune(
        workspace, "learning_rate=1e-3..1e38:log", "hidden_size=6,8", "heads=1,4", model="sasrec", trials=8, seed=2
    )
    states = {trial.state for trial in found.trials}
    assert states >= {"diverged", "impossible"}
    assert all(math.isfinite(trial.value) for trial in found.trials if trial.state == DONE)
    assert (found.best is None) == (found.config is None)


def test_a_space_of_a_file_is_searched_as_if_typed_but_for_what_is_typed(workspace, tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('search = ["learning_rate=1e-3..1e-2:log", "model.dropout=0.1,0.2,0.3"]')
    found = run_tune(workspace, "dropout=0.4,0.5", model="sasrec", space=str(path), trials=2, pruner="none")
    assert found.name == "sasrec+tune+mine"
    assert "--search dropout=0.4,0.5 --search learning_rate=0.001..0.01:log" in found.command
    assert "0.1,0.2" not in found.command
    assert all(set(trial.chosen) == {"dropout", "learning_rate"} for trial in found.trials)
    assert all(trial.chosen["dropout"] in (0.4, 0.5) for trial in found.trials)
    again = run_tune(workspace, "dropout=0.4,0.5", "learning_rate=1e-3..1e-2:log", model="sasrec", name=found.name,
                     trials=2, pruner="none")  # fmt: skip
    assert again.trials == found.trials
    with pytest.raises(UsageError, match="unknown search space"):
        run_tune(workspace, model="sasrec", space="broad")


def test_an_end_that_can_never_be_is_refused_before_any_trial(workspace):
    with pytest.raises(UsageError, match="dropout"):
        run_tune(workspace, "dropout=0.1..1.5", trials=2)
    assert not (workspace / "tiny/sweeps").exists()


def test_no_test_item_is_looked_at(workspace, monkeypatch):
    from adrec_cli.experiments import validation

    looked_at = []
    real = validation.select_cases
    monkeypatch.setattr(validation, "select_cases", lambda *a: looked_at.append(a[1]) or real(*a))
    run_tune(workspace, "learning_rate=1e-4..1e-2:log", model="sasrec", trials=1)
    assert set(looked_at) == {"valid"}


def test_the_command_searches_the_same_again():
    search = tuple(map(parse_searched, ("learning_rate=1e-4..1e-2:log", "heads=1,2", "dropout=0..0.6:step=0.2")))
    tuning = TuneOptions(search=search, trials=7, pruner="hyperband", seed=3, name="mine")
    words = shlex.split(tune_command("tiny", "adrec", tuning, ExperimentOptions(overrides=QUICK)))
    given = get_command(app).commands["tune"].make_context("tune", words[2:]).params
    assert build_options(TuneOptions, given) == tuning
    assert build_options(TrainingOptions, {**given, "resume": None}).experiment("adrec").overrides == QUICK


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("90s", 90), ("30m", 1800), ("1.5h", 5400), ("1h30m", 5400)])
def test_times(text, seconds):
    assert parse_seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "1d", "-5", "5 m 3"])
def test_no_times(text):
    with pytest.raises(UsageError, match="timeout"):
        parse_seconds(text)


def test_nothing_is_pickled(workspace):
    run_tune(workspace, "learning_rate=1e-4..1e-2:log", model="sasrec", trials=1)
    written = [path for path in (workspace / "tiny/sweeps").rglob("*") if path.is_file() and path.name[0] != "."]
    assert {path.suffix for path in written} == {".json", ".jsonl", ".toml", ".safetensors"}
    for path in written:
        if path.suffix == ".jsonl":
            assert all(json.loads(line) for line in path.read_text().splitlines())
