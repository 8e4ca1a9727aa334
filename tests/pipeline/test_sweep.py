"""Sweeps: what runs share, that sharing changes no byte, and what is reported in the end."""

from __future__ import annotations

import math
import shutil
import sys

import numpy as np
import polars as pl
import pytest

from adrec_cli.artifacts.checkpoint import load_checkpoint
from adrec_cli.artifacts.lock import exclusive
from adrec_cli.artifacts.sweep_files import read_sweep, sweep_folders
from adrec_cli.config import merge
from adrec_cli.errors import ArtifactError, InterruptedRun, LockedError, UsageError
from adrec_cli.evaluating.options import EvaluationOptions
from adrec_cli.experiments.events import StageStarted
from adrec_cli.experiments.options import ExperimentOptions
from adrec_cli.experiments.work import Work
from adrec_cli.models.registry import MODELS, find_stages
from adrec_cli.pipeline.evaluate import evaluate
from adrec_cli.pipeline.sweep import sweep
from adrec_cli.pipeline.train import train, train_first_stage
from adrec_cli.runtime import StopRequest
from adrec_cli.sweeping.design import BASE
from adrec_cli.sweeping.events import SweepRunDone
from adrec_cli.sweeping.results import seed_interval, summarize_runs
from adrec_cli.sweeping.shared_stages import stage_folder
from adrec_cli.sweeping.sweep_options import Design, SweepOptions
from adrec_cli.sweeping.varied import parse_varied
from adrec_cli.training.events import StepDone
from tests.conftest import TINY

QUICK = merge(TINY, {"stages": {"pretrain": {"epochs": 2}, "align": {"epochs": 1}, "finetune": {"epochs": 2}}})
ONE_STAGE = {"stages": {"pretrain": {"skip": True}, "align": {"skip": True}, "finetune": {"epochs": 1}}}
STAGES_OF = ("pretrain", "align", "finetune")


def options(*tables):
    return ExperimentOptions(overrides=merge(QUICK, *tables))


def run_sweep(workspace, *vary, events=None, **more):
    design = {name: more.pop(name) for name in ("grid", "base", "seeds", "name", "ablate") if name in more}
    computing = {"options": more.pop("options")} if "options" in more else {}
    return sweep(
        "tiny",
        workspace=workspace,
        experiment=more.pop("experiment", options()),
        work=Work(**computing) if events is None else Work(on_event=events.append, **computing),
        options=SweepOptions(
            design=Design(vary=tuple(map(parse_varied, vary)), **design), **{"picture": False, **more}
        ),
    )


def started(events):
    return [event.stage for event in events if isinstance(event, StageStarted)]


def weights(path):
    return {name: tensor.numpy().tobytes() for name, tensor in load_checkpoint(path)[0].items()}


def checkpoint_of(found, run):
    table = pl.read_parquet(found.results).filter(pl.col("run") == run)
    (name,) = table["checkpoint"].unique().to_list()
    return found.folder / name


# Sharing


@pytest.mark.parametrize(
    ("model", "output", "unread"),
    [(name, output, unread) for name, entry in MODELS.items() for output, unread in entry.unread_options.items()],
)
def test_nothing_depends_on_options_declared_unread(workspace, tmp_path, model, output, unread):
    other = {
        "diffusion_steps": 7, "noise_schedule": "linear", "beta_a": 2.0, "beta_b": 2.0, "noise": "geodesic",
        "noise_per": "sequence", "timestep_sampling": "loss_aware", "lambda_": 0.5, "condition_dropout": 0.5,
        "guidance": 1.0,
    }  # fmt: skip
    assert set(unread) <= set(other), "say here what else they could be"
    first = next(iter(find_stages(model)))
    assert find_stages(model)[first].output == output
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


@pytest.mark.thorough
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


@pytest.mark.thorough
@pytest.mark.parametrize(("stop_after", "left"), [(5, 4), pytest.param(13, 1, marks=pytest.mark.slow)])
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
        "dataset_name": "tiny", "workspace": workspace, "experiment": options(),
        "options": SweepOptions(design=Design(vary=(parse_varied("lambda=0.5"),)), picture=False),
    }  # fmt: skip
    with pytest.raises(InterruptedRun):
        sweep(**arguments, work=Work(stop=stop, on_event=interrupt))
    events = []
    found = sweep(**arguments, work=Work(on_event=events.append))
    assert len(started(events)) == left, "what was finished is not begun again"
    assert next(event for event in events if isinstance(event, StageStarted)).resumed_epoch is not None
    for name in (BASE, "lambda=0.5"):
        assert checkpoint_of(found, name).read_bytes() == checkpoint_of(whole, name).read_bytes()
    timeless = ["training_seconds", "ranking_seconds"]
    assert pl.read_parquet(found.results).drop(timeless).equals(pl.read_parquet(whole.results).drop(timeless))
    assert not list(workspace.rglob("*.state.safetensors"))
    again = []
    sweep(**arguments, work=Work(on_event=again.append))
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
    assert summarize_runs(table) == found.summaries
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
