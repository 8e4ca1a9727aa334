"""Flags become the options of the pipeline."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from adrec_cli.cli.options.common import Computing
from adrec_cli.cli.options.preprocess import Columns, Cut, preprocess_options
from adrec_cli.cli.options.ranking import Candidates, Denoising
from adrec_cli.cli.options.training import Training
from adrec_cli.pipeline.preprocess import PreprocessOptions


def test_every_option_of_preprocessing_can_be_typed() -> None:
    flags = {field.name for group in (Columns, Cut) for field in fields(group)} | {"max_length"}
    assert flags == {field.name for field in fields(PreprocessOptions)}


def test_the_dataset_to_update_is_looked_for_in_the_workspace() -> None:
    def update(name: str) -> Path | None:
        return preprocess_options(Columns(), Cut(update=name), Path("ws"), max_length=None).update

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
