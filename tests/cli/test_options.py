"""Flags become the options of the pipeline."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any, get_args

import pytest
import typer.main

from adrec_cli.choices import choice, choices_of
from adrec_cli.cli.app import app
from adrec_cli.cli.options.common import Computing
from adrec_cli.cli.options.compare import Comparing, Seeds
from adrec_cli.cli.options.declared import Asked, Declared, Offer, declare_parameters
from adrec_cli.cli.options.preprocess import preprocess_options
from adrec_cli.cli.options.promotion import Promotion
from adrec_cli.cli.options.ranking import Candidates, Denoising
from adrec_cli.cli.options.recommend import Choice
from adrec_cli.cli.options.sweep import Trying
from adrec_cli.cli.options.training import Training
from adrec_cli.cli.options.tune import Searching
from adrec_cli.cli.serve import RequestLimits
from adrec_cli.experiments.work import ComputeOptions
from adrec_cli.models.sampling import Sampling
from adrec_cli.pipeline.compare import CompareOptions
from adrec_cli.pipeline.preprocess import PreprocessOptions
from adrec_cli.pipeline.serve import ServeOptions
from adrec_cli.promotion.promote import PromotionOptions
from adrec_cli.ranking.samples import Merging
from adrec_cli.recommending.item_choice import ItemChoice
from adrec_cli.serving.questions import Limits
from adrec_cli.sweeping.design import Design
from adrec_cli.sweeping.tune_options import TuneOptions
from adrec_cli.wording import flag


def parameters_of(command: str) -> dict[str, Any]:
    return {parameter.name: parameter for parameter in typer.main.get_command(app).commands[command].params}  # type: ignore[attr-defined]


def test_every_option_of_preprocessing_can_be_typed_and_has_its_default() -> None:
    declared = {name: default for name, default, _ in choices_of(PreprocessOptions)}
    assert declared == {field.name: field.default for field in fields(PreprocessOptions)}
    for command in ("preprocess", "run"):
        typed = parameters_of(command)
        assert declared.items() <= {name: parameter.default for name, parameter in typed.items()}.items()
    # The length of histories that a model sees has this name where there is a model.
    assert parameters_of("preprocess")["max_length"].help != parameters_of("run")["max_length"].help


def test_what_is_declared_becomes_a_flag_with_all_that_is_said_of_it() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Kind:
        on: bool = choice(False, bool, "Turn it on.", panel="Panel", can_be_off=True)
        size: int | None = choice(None, int, f"Size of {flag('join')}.", metavar="N", environment="SIZE")
        taken: str = choice("x", str, "Left to the command.")

    on, size = declare_parameters([Asked(Kind, Offer(without=("taken",)), built=True)])
    (on_type, on_flag), (size_type, size_flag) = get_args(on.annotation), get_args(size.annotation)
    assert (on.name, on.default, on_type, on_flag.default) == ("on", False, bool, "--on/--no-on")
    assert (on_flag.help, on_flag.rich_help_panel) == ("Turn it on.", "Panel")
    assert (size.name, size.default, size_type, size_flag.default) == ("size", None, int | None, "--size")
    assert (size_flag.help, size_flag.metavar, size_flag.envvar) == ("Size of --join.", "N", "SIZE")
    assert Declared(Kind, {"on": True, "size": 3}).options(size=4) == Kind(on=True, size=4)


def test_the_dataset_to_update_is_looked_for_in_the_workspace() -> None:
    def update(name: str) -> Path | None:
        return preprocess_options(Declared(PreprocessOptions, {"update": name}), Path("ws")).update

    assert update("shop") == Path("ws/shop")
    assert update("./elsewhere/shop") == Path("elsewhere/shop")


def test_flags_of_one_stage_are_for_that_stage() -> None:
    training = Training(epochs=3, mse_weight=0.5, batch_size=8, max_length=9, set=["model.lambda=0.1"])
    assert training.experiment("adrec", ["align"]).overrides == {
        "model": {"lambda": 0.1, "max_length": 9},
        "training": {"batch_size": 8},
        "stages": {"align": {"epochs": 3, "mse_weight": 0.5}},
    }


def test_flags_of_a_whole_training_are_for_all_stages_and_the_weight_for_those_with_that_loss() -> None:
    stages = Training(epochs=3, mse_weight=0.5).experiment("adrec").overrides["stages"]
    assert stages == {
        "pretrain": {"epochs": 3},
        "align": {"epochs": 3, "mse_weight": 0.5},
        "finetune": {"epochs": 3, "mse_weight": 0.5},
    }


def test_a_flag_lies_over_set() -> None:
    training = Training(epochs=3, set=["stages.pretrain.epochs=9", "stages.pretrain.patience=2"])
    overrides = training.experiment("adrec", ["pretrain"]).overrides
    assert overrides == {"stages": {"pretrain": {"epochs": 3, "patience": 2}}}


@pytest.mark.parametrize(("flag", "resume"), [(None, "auto"), (True, "require"), (False, "never")])
def test_resuming(flag: bool | None, resume: str) -> None:
    assert Training(resume=flag).compute_options(Computing(), force=False).resume == resume


@pytest.mark.parametrize(
    ("text", "count", "file"),
    [(None, 0, None), ("99", 99, None), ("dev/test.csv", 0, Path("dev/test.csv")), ("0", 0, None)],
)
def test_negatives_are_a_number_or_a_file(text: str | None, count: int, file: Path | None) -> None:
    options = Candidates(negatives=text).evaluation(Computing(), Denoising(steps="1"), part="test", seed=4)
    assert (options.negatives, options.negatives_file) == (count, file)
    assert (options.sampling.steps, options.sampling.seed, options.seed) == (1, 4, 4)


@pytest.mark.parametrize(
    ("flags", "read", "names"),
    [
        (Computing, ComputeOptions, {}),
        (Denoising, Sampling, {"steps": "steps"}),
        (Denoising, Merging, {}),
        (Promotion, PromotionOptions, {}),
        (Comparing, CompareOptions, {}),
        (Seeds, CompareOptions, {}),
        (Trying, Design, {}),
        (Searching, TuneOptions, {"search_seed": "seed"}),
        (Choice, ItemChoice, {"exclude_items": "excluded"}),
        (
            RequestLimits,
            Limits,
            {f"max_{field.name}": field.name for field in fields(Limits)},
        ),
        (RequestLimits, ServeOptions, {"max_connections": "connections"}),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_flags_that_are_declared_apart_have_the_defaults_of_what_they_become(
    flags: type[Any], read: type[Any], names: dict[str, str]
) -> None:
    """What is parsed from text has its flag in another type; both say the same where nothing is typed."""
    defaults = {field.name: field.default for field in fields(read) if field.default is not MISSING}
    shared = {field.name: field for field in fields(flags) if names.get(field.name, field.name) in defaults}
    assert shared
    for name, field in shared.items():
        expected = defaults[names.get(name, name)]
        if isinstance(expected, tuple):
            expected = ",".join(expected)
        assert field.default == expected or (field.default in (None, "") and expected in (None, "")), name
