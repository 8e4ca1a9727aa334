"""Which numbers each option of each model takes: the bounds themselves, and nothing beyond them."""

from __future__ import annotations

import math

import pytest

from adrec_cli.errors import UsageError
from adrec_cli.experiments.experiment import compose
from adrec_cli.models.registry import find_model, list_trainable

TRIED = (-1, -0.001, 0, 0.5, 1, 1.001, 2, 3, math.nan, math.inf)
COUNT, COUNT_OR_NONE = {1, 2, 3}, {0, 1, 2, 3}
SHARE, SHARE_OR_ALL, POSITIVE, WEIGHT = {0, 0.5}, {0, 0.5, 1}, {0.5, 1, 1.001, 2, 3}, {0, 0.5, 1, 1.001, 2, 3}
BOUNDS = {
    "content_width": COUNT_OR_NONE, "max_length": COUNT, "dropout": SHARE, "cam_blocks": COUNT, "adm_blocks": COUNT,
    "filter_share": SHARE_OR_ALL, "filter_components": COUNT, "embedding_dropout": SHARE, "item_dropout": SHARE,
    "initializer_range": POSITIVE, "diffusion_steps": COUNT, "beta_a": POSITIVE, "beta_b": POSITIVE,
    "condition_dropout": SHARE, "guidance": WEIGHT, "blocks": COUNT, "feed_forward_multiplier": COUNT,
    "gru_size": COUNT, "layers": COUNT, "delta": POSITIVE, "score_temperature": POSITIVE,
    "lambda": {-1, -0.001, 0, 0.5, 1, 1.001, 2, 3},
}  # fmt: skip
OF_ATTENTION = {"hidden_size", "heads"}
EVEN = {"adrec", "dreamrec", "diffurec"}
"""Models whose width carries the sines and cosines of a timestep."""


def allows(model: str, **options: object) -> bool:
    """Return whether a model takes options; where it does not, it names one of them."""
    if "guidance" in options and model == "adrec":
        options = {"condition_dropout": 0.1, **options}
    try:
        compose(model, overrides={"model": options})
    except UsageError as refused:
        assert any(name in str(refused) for name in options)
        return False
    return True


@pytest.mark.parametrize("model", list_trainable())
def test_every_number_has_its_bounds(model: str) -> None:
    fields = find_model(model).config_type.__dataclass_fields__
    numbers = {name.rstrip("_"): str(field.type) for name, field in fields.items() if field.type in ("int", "float")}
    assert numbers.keys() - OF_ATTENTION <= BOUNDS.keys(), "a new option needs bounds"
    for option in numbers.keys() - OF_ATTENTION:
        tried = [value for value in TRIED if numbers[option] == "float" or isinstance(value, int)]
        typed = {value: float(value) if numbers[option] == "float" else value for value in tried}
        assert {value for value in tried if allows(model, **{option: typed[value]})} == BOUNDS[option], option


@pytest.mark.parametrize("model", list_trainable())
def test_heads_share_the_width(model: str) -> None:
    heads = (0, 1, 2, 3, 4) if "heads" in find_model(model).config_type.__dataclass_fields__ else (1,)
    for number in heads:
        given = {"heads": number} if len(heads) > 1 else {}
        found = {width for width in range(-1, 13) if allows(model, hidden_size=width, **given)}
        whole = {width for width in range(1, 13) if number and width % number == 0}
        assert found == {width for width in whole if model not in EVEN or width % 2 == 0}


@pytest.mark.parametrize("model", list_trainable())
def test_content_is_at_most_as_wide_as_adrec_keeps_it(model: str) -> None:
    assert allows(model, content_width=16_384)
    assert not allows(model, content_width=16_385)
