"""Keywords of Python are the options of the commands: the same keys, and values of the same kinds."""

from __future__ import annotations

import os
import types
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adrec_cli.api import keywords
from adrec_cli.api.frames import ArrowFrame
from adrec_cli.api.places import Place
from adrec_cli.choices import choices_of, take_options
from adrec_cli.data.options import PreprocessOptions
from adrec_cli.errors import UsageError
from adrec_cli.evaluating.options import EvaluationOptions
from adrec_cli.experiments.options import TrainingOptions
from adrec_cli.models.sampling import Sampling
from adrec_cli.recommending.item_choice import ItemChoice
from adrec_cli.recommending.options import RecommendOptions

KINDS = {
    keywords.Preprocessing: PreprocessOptions(),
    keywords.Training: TrainingOptions(),
    keywords.Evaluating: EvaluationOptions(),
    keywords.WantedAnew: RecommendOptions(),
}
IN_ONE = {"choice", "sampling"}
NAMES = {"ArrowFrame": ArrowFrame, "Place": Place, "Sampling": Sampling, "ItemChoice": ItemChoice,
         "Mapping": Mapping, "Sequence": Sequence, "Any": Any}  # fmt: skip
TYPES = {str: str, int: int, float: float, bool: bool, Path: os.PathLike, list: Sequence}


def types_of(written: Any) -> set[Any]:
    """The types that a keyword may have, without what they hold."""
    if typing.get_origin(written) in (typing.Union, types.UnionType):
        return {kind for part in typing.get_args(written) for kind in types_of(part)}
    return {typing.get_origin(written) or written}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_keywords_are_the_options(kind: Any) -> None:
    declared = {key: described for key, _, described in choices_of(KINDS[kind])}
    written = typing.get_type_hints(kind, localns=NAMES)
    assert set(written) - IN_ONE == set(declared)
    for key, described in declared.items():
        typed = getattr(described.typed, "__origin__", described.typed)
        # Numbers that are typed as text are given as numbers.
        wanted = {TYPES[typed]} | ({int, float} if described.read else set())
        assert types_of(written[key]) & wanted, f"{key}: {written[key]}"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_what_is_given_by_key_is_what_is_chosen(kind: Any) -> None:
    """Every option that has another value as an example arrives, under its key, wherever it is embedded."""
    for key in OTHER.keys() & _keys(kind):
        assert take_options(KINDS[kind], {key: OTHER[key]}, caller="f") != KINDS[kind], key
    assert take_options(KINDS[kind], {}, caller="f") == KINDS[kind]
    assert take_options(KINDS[kind], dict.fromkeys(OTHER.keys() & _keys(kind)), caller="f") == KINDS[kind]


def _keys(kind: Any) -> set[str]:
    return {key for key, _, _ in choices_of(KINDS[kind])}


OTHER: dict[str, object] = {
    "k": 7, "include_seen": True, "candidates": "ids.txt", "category": ["tea"], "min_count": 2, "diversify": 0.5,
    "max_per": ["category=3"], "steps": 4, "noise": "zero", "seed": 3, "temperature": 0, "samples": 2,
    "sampler": "ddim", "merge": "mean-score", "device": "cpu", "threads": 1, "part": "valid", "negatives": 99,
    "set": {"training": {"seed": 3}}, "epochs": 2, "max_time": "50m", "resume": True, "wait": 1, "split": "time",
    "min_rating": 4, "where": ["event in buy"], "name": "shop", "items": Path("items.csv"), "user_column": 1,
}  # fmt: skip


@given(st.sampled_from([True, 2.5, "5", [5], {}, b"5", object()]))
def test_a_number_is_a_number(value: object) -> None:
    with pytest.raises(UsageError, match="k= must be a whole number, got"):
        take_options(RecommendOptions(), {"k": value}, caller="f")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("include_seen", 1),
        ("category", "tea"),
        ("category", [1]),
        ("noise", True),
        ("candidates", 3),
        ("diversify", "x"),
    ],
)
def test_other_kinds_are_refused_by_name(key: str, value: object) -> None:
    with pytest.raises(UsageError, match=f"{key}= must be "):
        take_options(RecommendOptions(), {key: value}, caller="f")


def test_numbers_of_other_libraries_are_numbers() -> None:
    import numpy as np

    taken = take_options(RecommendOptions(), {"k": np.int64(5), "temperature": np.float32(0.5)}, caller="f")
    assert (taken.k, type(taken.k), taken.sampling.temperature) == (5, int, 0.5)


def test_what_there_is_not() -> None:
    with pytest.raises(TypeError, match=r"f\(\) got an unexpected keyword argument 'top'"):
        take_options(RecommendOptions(), {"top": 5}, caller="f")
