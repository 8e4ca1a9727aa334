"""Which numbers each option of a training takes: the bounds themselves, and nothing beyond them."""

from __future__ import annotations

import math

import pytest

from adrec_cli.errors import UsageError
from adrec_cli.experiments.experiment import compose
from adrec_cli.models.stages import Stage, TrainingConfig

TRIED = (-1, -0.001, 0, 0.5, 1, 1.001, 2, math.nan, math.inf)
COUNT, COUNT_OR_NONE = {1, 2}, {0, 1, 2}
WEIGHT, POSITIVE = {0, 0.5, 1, 1.001, 2}, {0.5, 1, 1.001, 2}
SHARE, SHARE_OR_ALL = {0, 0.5}, {0, 0.5, 1}
STAGE = {
    # The only loss of the stage that is tried: without it nothing is learned.
    "ce_weight": POSITIVE,
    "mse_weight": WEIGHT, "contrast_weight": WEIGHT, "contrast_temperature": POSITIVE, "negatives": COUNT,
    "negatives_power": WEIGHT, "gbce_t": SHARE_OR_ALL, "bpr_max_penalty": WEIGHT, "epochs": COUNT,
    "patience": COUNT_OR_NONE, "validate_every": COUNT, "learning_rate": POSITIVE, "average_decay": SHARE,
    "embedding_decay": SHARE,
}  # fmt: skip
TRAINING = {
    "batch_size": COUNT, "accumulate": COUNT, "embedding_learning_rate": {0}, "weight_decay": WEIGHT,
    "monitor_negatives": COUNT_OR_NONE, "monitor_users": COUNT_OR_NONE, "seed": COUNT_OR_NONE,
}  # fmt: skip
STRINGS = {Stage: {"output"}, TrainingConfig: {"monitor"}}
"""Texts that are looked up only where a model or a validation is at hand."""


def composed(kind: type, option: str, value: object) -> None:
    compose(
        "sasrec", overrides={"stages": {"train": {option: value}}} if kind is Stage else {"training": {option: value}}
    )


@pytest.mark.parametrize(("kind", "bounds"), [(Stage, STAGE), (TrainingConfig, TRAINING)])
def test_every_number_has_its_bounds(kind, bounds):
    numbers = {name: field.type for name, field in kind.__dataclass_fields__.items() if field.type in ("int", "float")}
    assert set(bounds) == set(numbers), "a new option needs bounds"
    for option, type_name in numbers.items():
        taken = set()
        for value in TRIED:
            if type_name == "float" or isinstance(value, int):
                try:
                    composed(kind, option, float(value) if type_name == "float" else value)
                    taken.add(value)
                except UsageError as refused:
                    assert option in str(refused) or "loss" in str(refused), option
        assert taken == bounds[option], option


@pytest.mark.parametrize("kind", [Stage, TrainingConfig])
def test_every_name_is_one_of_a_closed_set(kind):
    for option, field in kind.__dataclass_fields__.items():
        if field.type == "str" and option not in STRINGS[kind]:
            for value in ("nonsense", ""):
                with pytest.raises(UsageError, match=option):
                    composed(kind, option, value)
                if kind is TrainingConfig:
                    with pytest.raises(UsageError, match=option):
                        TrainingConfig(**{option: value})


@pytest.mark.parametrize("contrast", [0.0, 0.5])
@pytest.mark.parametrize("mse", [0.0, 0.5])
@pytest.mark.parametrize("ce", [0.0, 0.5])
@pytest.mark.parametrize("pcgrad", [False, True])
def test_gradients_are_told_apart_between_two_losses(pcgrad, ce, mse, contrast):
    stage = {"pcgrad": pcgrad, "ce_weight": ce, "mse_weight": mse, "contrast_weight": contrast}
    possible = bool(ce and mse and not contrast) if pcgrad else bool(ce or mse)
    if possible:
        assert compose("adrec", overrides={"stages": {"finetune": stage}}).stages["finetune"].pcgrad is pcgrad
    else:
        with pytest.raises(UsageError, match=r"pcgrad is between two losses|a stage needs a loss"):
            compose("adrec", overrides={"stages": {"finetune": stage}})
