"""What a sweep is asked for: names of options and values, the runs they make, and the command that asks again."""

from __future__ import annotations

import shlex

import pytest
from typer.main import get_command

from adrec_cli.choices import build_options
from adrec_cli.cli.app import app
from adrec_cli.cli.options.declared import Declared
from adrec_cli.cli.options.evaluation import build_evaluation
from adrec_cli.config import merge, parse_settings
from adrec_cli.errors import UsageError
from adrec_cli.evaluating.given_negatives import Looking
from adrec_cli.evaluating.options import EvaluationOptions
from adrec_cli.experiments.experiment import compose
from adrec_cli.experiments.options import ExperimentOptions, TrainingOptions
from adrec_cli.models.registry import list_trainable
from adrec_cli.models.sampling import Sampling
from adrec_cli.ranking.samples import Merging
from adrec_cli.sweeping.command_line import sweep_command
from adrec_cli.sweeping.design import BASE, plan
from adrec_cli.sweeping.option_keys import as_settings, parse_values, resolve_option
from adrec_cli.sweeping.sweep_options import Design, SweepOptions
from adrec_cli.sweeping.varied import Varied, parse_varied
from tests.conftest import TINY

QUICK = merge(TINY, {"stages": {"pretrain": {"epochs": 2}, "align": {"epochs": 1}, "finetune": {"epochs": 2}}})
STAGES_OF = ("pretrain", "align", "finetune")


def options(*tables):
    return ExperimentOptions(overrides=merge(QUICK, *tables))


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
    assert resolve_option(name, compose(model)) == paths


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
        resolve_option(name, compose(model))
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
    assert parse_values(text) == values


@pytest.mark.parametrize("text", ["lambda", "lambda=", "=1,2", "lambda=1,,2"])
def test_what_is_no_variation(text):
    with pytest.raises(UsageError, match="vary="):
        parse_varied(text)


def test_settings_give_their_tables_back():
    tables = {"model": {"lambda": 0.01, "noise_schedule": "linear"}, "stages": {"align": {"fresh": ["cam", "adm"]}}}
    assert parse_settings(as_settings(tables)) == tables


# Designs


def planned(*vary, **more):
    return plan(
        Design(vary=tuple(map(parse_varied, vary)), **more), model_name="adrec", dataset_name="tiny",
        experiment=options(), evaluation=EvaluationOptions(), ablations={"none": {"model": {"lambda": 0.0}}},
    )  # fmt: skip


def test_one_option_at_a_time_around_the_base():
    runs = planned("steps=5,10", "lambda=0.1", ablate=("none",))
    assert [run.name for run in runs] == [BASE, "steps=5", "steps=10", "lambda=0.1", "none"]
    assert [(run.experiment.model.diffusion_steps, run.experiment.model.lambda_) for run in runs] == [
        (4, 0.001), (5, 0.001), (10, 0.001), (4, 0.1), (4, 0.0)
    ]  # fmt: skip
    assert [(run.key, run.value) for run in runs][2:] == [("steps", "10"), ("lambda", "0.1"), ("ablation", "none")]


def test_a_grid_is_the_product():
    runs = planned("steps=5,10", "lambda=0.1,0.2", grid=True)
    assert [run.name for run in runs] == [f"steps={t},lambda={x}" for t in (5, 10) for x in (0.1, 0.2)]
    assert (runs[3].experiment.model.diffusion_steps, runs[3].experiment.model.lambda_) == (10, 0.2)


def test_seeds_follow_the_experiments_own():
    assert [(run.name, run.seed) for run in planned("lambda=0.1", seeds=2)] == [
        (BASE, 1), ("lambda=0.1", 1), (BASE, 2), ("lambda=0.1", 2)
    ]  # fmt: skip


def test_sampling_is_varied_apart_from_training():
    (run,) = planned("sampling.steps=1", base=False)
    assert run.sampling.steps == 1
    assert run.experiment == options().on_dataset("adrec", "tiny")


@pytest.mark.parametrize(
    ("vary", "more", "message"),
    [
        ((), {}, "something to try"),
        (("lambda=1",), {"seeds": 0}, "seeds="),
        (("lambda=1",), {"name": "../x"}, "name="),
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
        planned(*vary, **more)


@pytest.mark.parametrize("model", list_trainable())
def test_a_long_name_and_strange_keys_make_a_folder(model):
    keys = [f"stages.train.option_{number}" for number in range(9)] + ["a/../b"]
    name = Design(vary=tuple(Varied(key=key, values=(1,)) for key in keys)).folder_name(model)
    assert len(name) < 80
    assert "/" not in name
    assert name[0] != "."


# Command lines


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
    asked = SweepOptions(design=design, evaluation=evaluation, test=True)
    typed = sweep_command("tiny", "adrec", asked, options())
    words = shlex.split(typed)
    assert words[:3] == ["adrec", "sweep", "tiny"]
    given = get_command(app).commands["sweep"].make_context("sweep", words[2:]).params

    assert build_options(Design, given) == design
    assert build_options(SweepOptions, given, design=design).test
    assert build_options(TrainingOptions, given).experiment("adrec").overrides == QUICK
    typed = Declared(EvaluationOptions, given).leave_out("seed")
    assert build_evaluation(typed, Looking()) == evaluation
