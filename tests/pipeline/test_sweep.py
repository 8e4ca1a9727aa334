"""Sweeps: what they try, what runs share, and that sharing changes no byte."""

from __future__ import annotations

import dataclasses
import math
import shlex
import shutil
import sys

import numpy as np
import polars as pl
import pytest
from typer.main import get_command

from adrec_cli.artifacts.checkpoint import load_checkpoint
from adrec_cli.artifacts.lock import exclusive
from adrec_cli.artifacts.sweep_files import read_sweep, sweep_folders
from adrec_cli.cli.app import app
from adrec_cli.cli.options import Computing
from adrec_cli.cli.ranking_options import Candidates, Denoising
from adrec_cli.cli.sweep_options import Trying
from adrec_cli.cli.training_options import Training
from adrec_cli.config import merged
from adrec_cli.errors import ArtifactError, InterruptedRun, LockedError, UsageError
from adrec_cli.models.base import Sampling
from adrec_cli.models.registry import MODELS
from adrec_cli.pipeline.evaluate import EvaluationOptions, evaluate
from adrec_cli.pipeline.experiment import compose, parse_settings
from adrec_cli.pipeline.stage import StageStarted
from adrec_cli.pipeline.sweep import SweepRunDone, sweep
from adrec_cli.pipeline.sweeping.command_line import sweep_command
from adrec_cli.pipeline.sweeping.design import BASE, Design, Varied, parse_varied, planned
from adrec_cli.pipeline.sweeping.option_keys import as_settings, parsed_values, resolved
from adrec_cli.pipeline.sweeping.results import seed_interval, summarized
from adrec_cli.pipeline.sweeping.shared_stages import stage_folder
from adrec_cli.pipeline.train import ExperimentOptions, train, train_first_stage
from adrec_cli.ranking.merging import Merging
from adrec_cli.runtime import StopRequest
from adrec_cli.training.events import StepDone
from adrec_cli.training.stages import STAGES
from tests.conftest import TINY

QUICK = merged(TINY, {"stages": {"pretrain": {"epochs": 2}, "align": {"epochs": 1}, "finetune": {"epochs": 2}}})
ONE_STAGE = {"stages": {"pretrain": {"skip": True}, "align": {"skip": True}, "finetune": {"epochs": 1}}}
STAGES_OF = ("pretrain", "align", "finetune")


def options(*tables):
    return ExperimentOptions(overrides=merged(QUICK, *tables))


def run_sweep(workspace, *vary, events=None, **more):
    design = {name: more.pop(name) for name in ("grid", "base", "seeds", "name", "ablate") if name in more}
    return sweep(
        "tiny",
        workspace=workspace,
        design=Design(vary=tuple(map(parse_varied, vary)), **design),
        experiment=more.pop("experiment", options()),
        picture=more.pop("picture", False),
        on_event=(lambda event: None) if events is None else events.append,
        **more,
    )


def started(events):
    return [event.stage for event in events if isinstance(event, StageStarted)]


def weights(path):
    return {name: tensor.numpy().tobytes() for name, tensor in load_checkpoint(path)[0].items()}


def checkpoint_of(found, run):
    table = pl.read_parquet(found.results).filter(pl.col("run") == run)
    (name,) = table["checkpoint"].unique().to_list()
    return found.folder / name


# Names


@pytest.mark.parametrize(
    ("model", "name", "paths"),
    [
        ("adrec", "steps", ("model.diffusion_steps",)),
        ("adrec", "lambda", ("model.lambda",)),
        ("adrec", "batch_size", ("training.batch_size",)),
        ("adrec", "mse_weight", ("stages.align.mse_weight", "stages.finetune.mse_weight")),
        ("adrec", "eta", ("stages.align.mse_weight", "stages.finetune.mse_weight")),
        ("adrec", "epochs", tuple(f"stages.{stage}.epochs" for stage in STAGES_OF)),
        ("adrec", "stages.align.epochs", ("stages.align.epochs",)),
        ("adrec", "stages.*.keep", tuple(f"stages.{stage}.keep" for stage in STAGES_OF)),
        ("adrec", "sampling.steps", ("sampling.steps",)),
        ("sasrec", "ranking_loss", ("stages.train.ranking_loss",)),
        ("sasrec", "mse_weight", ("stages.train.mse_weight",)),
    ],
)
def test_names_mean_options(model, name, paths):
    assert resolved(name, compose(model)) == paths


@pytest.mark.parametrize(
    ("model", "name", "message", "hint"),
    [
        ("adrec", "embedding_decay", "several", "stages.align.embedding_decay"),
        ("adrec", "keep", "several", "stages.*.keep"),
        ("adrec", "lamda", "'lamda'", "lambda"),
        ("adrec", "stages.align.epoch", "called", "stages.align.epochs"),
        ("sasrec", "sampling.steps", "no option of sasrec", ""),
        ("sasrec", "steps", "no option of sasrec", ""),
    ],
)
def test_names_that_mean_nothing_or_too_much(model, name, message, hint):
    with pytest.raises(UsageError, match=message) as refused:
        resolved(name, compose(model))
    assert hint in refused.value.hint


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("5,10", [5, 10]),
        ("0.1, 1e-3", [0.1, 1e-3]),
        ("linear,cosine", ["linear", "cosine"]),
        ("true,false", [True, False]),
        ('["cam","adm"],["adm"]', [["cam", "adm"], ["adm"]]),
    ],
)
def test_values(text, values):
    assert parsed_values(text) == values


@pytest.mark.parametrize("text", ["lambda", "lambda=", "=1,2", "lambda=1,,2"])
def test_what_is_no_variation(text):
    with pytest.raises(UsageError, match="--vary"):
        parse_varied(text)


def test_settings_give_their_tables_back():
    tables = {"model": {"lambda": 0.01, "noise_schedule": "linear"}, "stages": {"align": {"fresh": ["cam", "adm"]}}}
    assert parse_settings(as_settings(tables)) == tables


# Designs


def plan(*vary, **more):
    return planned(
        Design(vary=tuple(map(parse_varied, vary)), **more), model_name="adrec", dataset_name="tiny",
        experiment=options(), sampling=Sampling(), ablations={"none": {"model": {"lambda": 0.0}}},
    )  # fmt: skip


def test_one_option_at_a_time_around_the_base():
    runs = plan("steps=5,10", "lambda=0.1", ablate=("none",))
    assert [run.name for run in runs] == [BASE, "steps=5", "steps=10", "lambda=0.1", "none"]
    assert [(run.experiment.model.diffusion_steps, run.experiment.model.lambda_) for run in runs] == [
        (4, 0.001), (5, 0.001), (10, 0.001), (4, 0.1), (4, 0.0)
    ]  # fmt: skip
    assert [(run.key, run.value) for run in runs][2:] == [("steps", "10"), ("lambda", "0.1"), ("ablation", "none")]


def test_a_grid_is_the_product():
    runs = plan("steps=5,10", "lambda=0.1,0.2", grid=True)
    assert [run.name for run in runs] == [f"steps={t},lambda={x}" for t in (5, 10) for x in (0.1, 0.2)]
    assert (runs[3].experiment.model.diffusion_steps, runs[3].experiment.model.lambda_) == (10, 0.2)


def test_seeds_follow_the_experiments_own():
    assert [(run.name, run.seed) for run in plan("lambda=0.1", seeds=2)] == [
        (BASE, 1), ("lambda=0.1", 1), (BASE, 2), ("lambda=0.1", 2)
    ]  # fmt: skip


def test_sampling_is_varied_apart_from_training():
    (run,) = plan("sampling.steps=1", base=False)
    assert run.sampling.steps == 1
    assert run.experiment == options().on_dataset("adrec", "tiny")


@pytest.mark.parametrize(
    ("vary", "more", "message"),
    [
        ((), {}, "something to try"),
        (("lambda=1",), {"seeds": 0}, "--seeds"),
        (("lambda=1",), {"name": "../x"}, "--name"),
        (("lambda=1", "lambda=2"), {}, "twice"),
        (("seed=1,2",), {"seeds": 2}, "seeds are varied twice"),
        (("hidden_size=0",), {}, "at least 1"),
        (("steps=a",), {}, "expected int"),
        ((), {"ablate": ("everything",)}, "unknown ablation"),
        ((), {"ablate": ("none",), "grid": True}, "combine"),
    ],
)
def test_designs_that_cannot_be(vary, more, message):
    with pytest.raises(UsageError, match=message):
        plan(*vary, **more)


@pytest.mark.parametrize("model", STAGES)
def test_a_long_name_and_strange_keys_make_a_folder(model):
    keys = [f"stages.train.option_{number}" for number in range(9)] + ["a/../b"]
    name = Design(vary=tuple(Varied(key=key, values=(1,)) for key in keys)).folder_name(model)
    assert len(name) < 80
    assert "/" not in name
    assert name[0] != "."


# Sharing


@pytest.mark.parametrize(
    ("model", "output", "unread"),
    [(name, output, unread) for name, entry in MODELS.items() for output, unread in entry.build.unread_options.items()],
)
def test_nothing_depends_on_options_declared_unread(workspace, tmp_path, model, output, unread):
    other = {
        "diffusion_steps": 7, "noise_schedule": "linear", "beta_a": 2.0, "beta_b": 2.0, "noise": "geodesic",
        "noise_per": "sequence", "timestep_sampling": "loss_aware", "lambda_": 0.5, "condition_dropout": 0.5,
        "guidance": 1.0,
    }  # fmt: skip
    assert set(unread) <= set(other), "say here what else they could be"
    first = next(iter(STAGES[model]))
    assert STAGES[model][first].output == output
    shutil.copytree(workspace, tmp_path / "other")
    changed = {"model": {name.rstrip("_"): other[name] for name in unread}}
    one, two = (
        train_first_stage("tiny", model_name=model, workspace=space, experiment=options(tables))
        for space, tables in ((workspace, {}), (tmp_path / "other", changed))
    )
    assert weights(one.path) == weights(two.path)
    assert one.metadata.metrics == two.metadata.metrics


def test_shared_stages_are_trained_once_and_equal_those_of_separate_trainings(workspace, tmp_path):
    shutil.copytree(workspace, tmp_path / "fresh")
    events = []
    found = run_sweep(workspace, "lambda=0.5", "stages.finetune.mse_weight=0.3", events=events)
    assert started(events).count("pretrain") == 1
    assert started(events).count("align") == 2, "the base's align serves the run that differs in finetune alone"
    assert started(events).count("finetune") == 3
    changes = {
        BASE: {},
        "lambda=0.5": {"model": {"lambda": 0.5}},
        "stages.finetune.mse_weight=0.3": {"stages": {"finetune": {"mse_weight": 0.3}}},
    }
    for number, (run, tables) in enumerate(changes.items()):
        alone = tmp_path / str(number)
        shutil.copytree(tmp_path / "fresh", alone)
        last = train("tiny", workspace=alone, experiment=options(tables))[-1]
        assert weights(checkpoint_of(found, run)) == weights(last.path), run
        report = evaluate("finetune", workspace=alone, options=EvaluationOptions(part="valid"))
        row = pl.read_parquet(found.results).filter(run=run, metric="ndcg@10")
        assert row["metric_value"].to_list() == [report.metrics["ndcg@10"]]
        assert row["protocol"].to_list() == [report.protocol]
    base = load_checkpoint(checkpoint_of(found, BASE))[1]
    other = load_checkpoint(checkpoint_of(found, "lambda=0.5"))[1]
    assert other.config == {**base.config, "lambda": 0.5}, "the checkpoint says what it is"


def test_the_base_has_the_very_bytes_of_a_plain_training_and_is_taken_from_it(workspace):
    train("tiny", workspace=workspace, experiment=options())
    before = {path: path.read_bytes() for path in workspace.rglob("*") if path.is_file()}
    events = []
    found = run_sweep(workspace, "lambda=0.5", events=events)
    assert started(events) == ["align", "finetune"]
    own = {path.parent.name.split("-")[1]: path for path in found.folder.glob("stages/*/*.safetensors")}
    assert own.keys() == set(STAGES_OF)
    for stage in STAGES_OF:
        there = stage_folder(found.folder, *[options().on_dataset("adrec", "tiny")] * 2, stage)
        assert (there / f"{stage}.safetensors").read_bytes() == before[workspace / f"tiny/adrec/{stage}.safetensors"]
    assert {path: path.read_bytes() for path in before} == before, "nothing outside the sweep is touched"


def test_ablations_leave_parts_out(workspace):
    events = []
    found = run_sweep(workspace, ablate=("three-stage", "token-level", "pretrain", "align"), events=events)
    assert started(events).count("pretrain") == 1, "shared by the base, token-level and align"
    outcomes = {summary.run for summary in found.summaries}
    assert outcomes == {BASE, "three-stage", "token-level", "pretrain", "align"}
    metadata = {run: load_checkpoint(checkpoint_of(found, run))[1] for run in outcomes}
    assert metadata["three-stage"].parent_sha256 == ""
    assert metadata["token-level"].config["noise_per"] == "sequence"
    assert len({entry.parent_sha256 for entry in metadata.values()}) == 5
    assert {entry.stage for entry in metadata.values()} == {"finetune"}


def test_another_sweep_takes_what_is_there(workspace):
    first, second = [], []
    run_sweep(workspace, "lambda=0.5", events=first)
    found = run_sweep(workspace, "steps=2", "lambda=0.5", events=second)
    assert started(first).count("pretrain") == 1
    assert started(second) == ["align", "finetune"]
    assert found.folder.name == "steps+lambda"


def test_a_sweep_of_sampling_trains_nothing_more(workspace):
    events = []
    found = run_sweep(
        workspace,
        "sampling.steps=1,2,4",
        "sampling.samples=3",
        events=events,
        experiment=options({"model": {"lambda": 1.0}}),
    )
    assert started(events) == list(STAGES_OF)
    table = pl.read_parquet(found.results).filter(metric="ndcg@10")
    assert table["checkpoint_sha256"].n_unique() == 1
    assert table["run"].to_list() == [
        BASE,
        "sampling.steps=1",
        "sampling.steps=2",
        "sampling.steps=4",
        "sampling.samples=3",
    ]
    assert table["metric_value"][0] == table["metric_value"][3], "the base takes as many steps as it was trained with"


# Resuming


@pytest.mark.parametrize(("stop_after", "left"), [(9, 4), pytest.param(26, 1, marks=pytest.mark.slow)])
def test_a_killed_sweep_goes_on_to_the_same_results(workspace, tmp_path, stop_after, left):
    shutil.copytree(workspace, tmp_path / "whole")
    whole = run_sweep(tmp_path / "whole", "lambda=0.5")
    stop, steps = StopRequest(), 0

    def interrupt(event):
        nonlocal steps
        steps += isinstance(event, StepDone)
        if steps == stop_after:
            stop.signal_number = 15

    arguments = {
        "dataset_name": "tiny", "workspace": workspace, "design": Design(vary=(parse_varied("lambda=0.5"),)),
        "experiment": options(), "picture": False,
    }  # fmt: skip
    with pytest.raises(InterruptedRun):
        sweep(**arguments, stop=stop, on_event=interrupt)
    events = []
    found = sweep(**arguments, on_event=events.append)
    assert len(started(events)) == left, "what was finished is not begun again"
    assert next(event for event in events if isinstance(event, StageStarted)).resumed_epoch is not None
    for name in (BASE, "lambda=0.5"):
        assert checkpoint_of(found, name).read_bytes() == checkpoint_of(whole, name).read_bytes()
    timeless = ["training_seconds", "ranking_seconds"]
    assert pl.read_parquet(found.results).drop(timeless).equals(pl.read_parquet(whole.results).drop(timeless))
    assert not list(workspace.rglob("*.state.safetensors"))
    again = []
    sweep(**arguments, on_event=again.append)
    assert not started(again)
    assert not [event for event in again if type(event).__name__ == "RankingProgress"], "measured once"


def test_a_second_sweep_of_the_same_name_is_locked_out(workspace):
    folder = workspace / "tiny/sweeps/lambda"
    with exclusive(folder, "test"), pytest.raises(LockedError):
        run_sweep(workspace, "lambda=0.5")
    assert not (folder / "sweep.json").exists()


def test_a_run_that_diverges_is_noted_and_the_others_go_on(workspace):
    events = []
    rates, experiment = "stages.finetune.learning_rate=1e30,0.002", options(ONE_STAGE)
    found = run_sweep(workspace, rates, base=False, events=events, experiment=experiment)
    assert [failed.run for failed in found.failed] == ["stages.finetune.learning_rate=1e+30"]
    assert {summary.run for summary in found.summaries} == {"stages.finetune.learning_rate=0.002"}
    done = [event for event in events if isinstance(event, SweepRunDone)]
    assert [event.value is None for event in done] == [True, False]
    assert read_sweep(found.folder)[0].failed[0]["run"] == found.failed[0].run


# Results


def test_results_have_a_row_a_metric_part_and_seed(workspace):
    asked = {"seeds": 2, "test": True, "evaluation": EvaluationOptions(negatives=9)}
    found = run_sweep(workspace, "lambda=0.5", experiment=options(ONE_STAGE), **asked)
    table = pl.read_parquet(found.results)
    assert len(table) == 2 * 2 * 2 * 12
    assert table["protocol"].unique().sort().to_list() == ["loo/sampled-9/test", "loo/sampled-9/valid"]
    assert table["seed"].unique().sort().to_list() == [1, 2]
    assert table.filter(pl.col("lower") > pl.col("metric_value")).is_empty()
    assert table.filter(pl.col("upper") < pl.col("metric_value")).is_empty()
    values = table.filter(run=BASE, part="valid", metric="ndcg@10")["metric_value"].to_numpy()
    (summary,) = [s for s in found.summaries if (s.run, s.part, s.metric) == (BASE, "valid", "ndcg@10")]
    assert summary.seeds == 2
    assert summary.mean == pytest.approx(values.mean())
    assert summary.upper - summary.mean == pytest.approx(12.706 * abs(values[0] - values[1]) / 2)


def test_a_sweep_is_read_as_it_was_written(workspace):
    found = run_sweep(workspace, "lambda=0.5", "mse_weight=0.3", experiment=options(ONE_STAGE))
    record, table = read_sweep(found.folder)
    assert table.equals(pl.read_parquet(found.results))
    assert summarized(table) == found.summaries
    assert record.base_values == {"lambda": "0.001", "mse_weight": "1.0"}
    assert (record.command, record.monitor) == (found.command, "ndcg@10")
    assert sweep_folders(workspace / "tiny") == [found.folder]


def test_a_sweep_is_drawn(workspace, monkeypatch):
    pytest.importorskip("matplotlib")
    arguments = {"experiment": options(ONE_STAGE), "picture": True}
    found = run_sweep(workspace, "sampling.steps=1,2", **arguments)
    assert found.picture == found.folder / "sweep.svg"
    assert found.picture.read_bytes().startswith(b"<?xml")
    assert found.picture.with_suffix(".png").is_file()
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    without = run_sweep(workspace, "sampling.steps=1,2", **arguments)
    assert (without.picture, without.without_picture) == (
        None, "pictures need matplotlib: pip install 'adrec-cli[plots]'"
    )  # fmt: skip


@pytest.mark.parametrize("name", ["sweep.json", "results.parquet"])
def test_damage_to_a_sweep_is_noticed(workspace, name):
    experiment = options(ONE_STAGE)
    found = run_sweep(workspace, "sampling.steps=1", base=False, experiment=experiment)
    path = found.folder / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ArtifactError, match="damaged"):
        read_sweep(found.folder)
    path.unlink()
    with pytest.raises(ArtifactError, match="does not exist"):
        read_sweep(found.folder)


def test_test_items_are_ranked_only_when_asked(workspace):
    found = run_sweep(workspace, "lambda=0.5", experiment=options(ONE_STAGE))
    assert pl.read_parquet(found.results)["part"].unique().to_list() == ["valid"]
    with pytest.raises(UsageError, match="negatives of one part"):
        run_sweep(workspace, "lambda=0.5", test=True, evaluation=EvaluationOptions(negatives_file=workspace / "n.csv"))


def test_the_interval_over_seeds_is_students():
    low, high = seed_interval(np.array([1.0, 2.0, 3.0]))
    assert (low, high) == pytest.approx((2 - 4.303 / math.sqrt(3), 2 + 4.303 / math.sqrt(3)))


@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(steps=1, noise="common", temperature=0.5),
        Sampling(steps=4, sampler="ddim", eta=0.5, guidance=1.5),
        Sampling(sampler="ddim", guidance=0.0),
    ],
    ids=str,
)
def test_the_command_makes_the_same_sweep_again(sampling):
    vary = (Varied(key="noise_schedule", values=("linear", "cosine")), Varied(key="lambda", values=(0.5,)))
    design = Design(vary=vary, ablate=("none",), seeds=2, base=False, name="my-sweep")
    evaluation = EvaluationOptions(negatives=99, sampling=sampling, merging=Merging(samples=3))
    typed = sweep_command("tiny", "adrec", design, options(), evaluation, test=True)
    words = shlex.split(typed)
    assert words[:3] == ["adrec", "sweep", "tiny"]
    given = get_command(app).commands["sweep"].make_context("sweep", words[2:]).params

    def group(kind):
        return kind(**{field.name: given[field.name] for field in dataclasses.fields(kind)})

    trying = group(Trying)
    assert (trying.design(), trying.test) == (design, True)
    assert group(Training).experiment("adrec").overrides == QUICK
    assert group(Candidates).evaluation(Computing(), group(Denoising), part="test", seed=0) == evaluation
