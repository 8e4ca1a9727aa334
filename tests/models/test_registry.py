"""A model is a file and a line: what the line names has all that adrec asks a model for."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from adrec_cli.config import build
from adrec_cli.errors import UsageError
from adrec_cli.experiments.experiment import compose
from adrec_cli.models.base import SequentialRecommender
from adrec_cli.models.facts import ModelFacts
from adrec_cli.models.registry import (
    BASELINE,
    DEFAULT_MODEL,
    MODELS,
    find_facts,
    find_model,
    find_stages,
    list_trainable,
)


@pytest.mark.parametrize("name", MODELS)
def test_a_line_names_the_class_that_has_its_name(name: str) -> None:
    model = MODELS[name]
    assert issubclass(model, SequentialRecommender)
    assert (model.name, model.title.lower()) == (name, {"mostpop": "mostpopular"}.get(name, name))


@pytest.mark.parametrize("name", list_trainable())
def test_stages_train_and_rank_by_what_the_model_has(name: str) -> None:
    model = find_model(name)
    outline = model.outline(build(model.config_type, {}, where="[model]"), 5)
    components = set(outline.components())
    stages = list(find_stages(name).values())
    assert set().union(*(stage.trains for stage in stages)) == components
    assert set().union(*(stage.fresh for stage in stages)) == components
    assert {stage.output for stage in stages} == set(model.outputs)
    assert set(model.sampled_outputs) <= set(model.outputs)
    # What a model needs, it asks for by itself.
    assert compose(name).training.samples == ("prefixes" if model.needs_prefixes else "sequences")


def test_all_but_the_baseline_are_trained() -> None:
    assert [name for name in MODELS if not MODELS[name].stages] == [BASELINE]
    assert list_trainable() == [name for name in MODELS if MODELS[name].stages]
    assert next(iter(MODELS)) == DEFAULT_MODEL


def test_an_unknown_model_and_one_that_is_not_trained_are_told_apart() -> None:
    with pytest.raises(UsageError, match="unknown model 'bert4rec'"):
        compose("bert4rec")
    with pytest.raises(UsageError, match="model 'mostpop' is counted, not trained"):
        compose("mostpop")


def test_names_cost_no_model() -> None:
    code = (
        "import sys; from adrec_cli.models.registry import MODELS, list_trainable; list_trainable(); 'adrec' in MODELS;"
        "sys.exit(int('torch' in sys.modules))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", list(MODELS.own))
def test_what_is_known_without_a_network_is_what_its_class_says(name):
    facts, model = find_facts(name), find_model(name)
    assert issubclass(model, facts)
    assert not issubclass(facts, torch.nn.Module)
    said = list(vars(ModelFacts)["__annotations__"])
    assert said
    assert all(getattr(facts, fact) is getattr(model, fact) for fact in said)
