"""Bodies become questions as their description says."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adrec_cli.errors import UsageError
from adrec_cli.recommending.options import AS_SCORED, Diversity
from adrec_cli.serving.choice import ALL_ITEMS, Choice
from adrec_cli.serving.description import openapi
from adrec_cli.serving.options import Limits
from adrec_cli.serving.questions import KEYS, Asked, parse_questions


def parse(**content: object) -> Asked:
    return parse_questions(json.dumps(content).encode(), Limits(users=3, history=4))


def test_many_users_are_a_question_each() -> None:
    asked = parse(users=["u1", 2], k=3, exclude=["i1"])
    assert asked.many
    assert [(q.user, q.k, q.choice) for q in asked.questions] == [
        ("u1", 3, Choice(exclude=("i1",))), ("2", 3, Choice(exclude=("i1",))),
    ]  # fmt: skip


def test_a_choice_may_be_left_out_or_null() -> None:
    nothing = dict.fromkeys(
        ["users", "history", "candidates", "exclude", "category", "min_count", "diversify", "max_per"]
    )
    assert parse(user="u1", **nothing) == parse(user="u1")
    assert parse(user="u1", **nothing).questions[0].choice == ALL_ITEMS
    chosen = parse(user="u1", category="tea", candidates=["a"], exclude=[], min_count=2.0).questions[0].choice
    assert chosen == Choice(candidates=("a",), categories=("tea",), min_count=2)


def test_times_come_with_a_history() -> None:
    (question,) = parse(history=["i1", "i2"], times=[1_700_000_000.5, "2026-01-31"]).questions
    assert question.times == (1_700_000_000.5, "2026-01-31")
    assert parse(history=["i1"], times=None).questions[0].times is None


@pytest.mark.parametrize("most", [2**53, 2**53 - 1, 0])
def test_counts_go_as_far_as_every_json_has_whole_numbers(most: int) -> None:
    (question,) = parse(user="u", min_count=most, max_per={"category": max(most, 1)}).questions
    assert (question.choice.min_count, question.diversity.most) == (most, (("category", max(most, 1)),))
    for key, beyond in (("min_count", 2**53 + 1), ("min_count", -1), ("max_per", {"category": 2**53 + 1})):
        with pytest.raises(ValueError, match=key):
            parse(user="u", **{key: beyond})


def test_diversity_and_reasons_are_asked_for_as_the_command_has_them() -> None:
    (question,) = parse(user="u1", diversify=0.5, max_per={"category": 3.0, "brand": 1}, explain=True).questions
    assert question.diversity == Diversity(weight=0.5, most=(("brand", 1), ("category", 3)))
    assert question.explain
    assert parse(history=["i1"], diversify=0).questions[0].diversity == AS_SCORED


@pytest.mark.parametrize(
    "content",
    [
        {"users": []}, {"users": "u1"}, {"users": ["u"] * 4}, {"users": ["u1"], "user": "u1"}, {"users": [None]},
        {"users": ["u1"], "history": []}, {"user": "u", "candidates": []}, {"user": "u", "candidates": ["a"] * 5},
        {"user": "u", "exclude": ["a"] * 5}, {"user": "u", "exclude": "a"}, {"user": "u", "category": 5},
        {"user": "u", "category": ["tea", 5]}, {"user": "u", "min_count": -1}, {"user": "u", "min_count": True},
        {"user": "u", "diversify": 1}, {"user": "u", "diversify": -0.1}, {"user": "u", "diversify": "0.5"},
        {"user": "u", "diversify": False}, {"user": "u", "diversify": float("nan")}, {"user": "u", "max_per": 3},
        {"user": "u", "max_per": ["category"]}, {"user": "u", "max_per": {"category": 0}},
        {"user": "u", "max_per": {"category": True}}, {"user": "u", "max_per": {"category": 10**30}},
        {"user": "u", "max_per": {"category": None}}, {"user": "u", "explain": 1}, {"users": ["u"], "explain": True},
        {"user": "u", "explain": True, "k": 101}, {"user": "u", "min_count": 1e300}, {"user": "u", "min_count": "2"},
        {"k": 3}, {}, {"user": "u", "times": [1]}, {"history": ["a"], "times": [1, 2]}, {"history": ["a"], "times": 1},
        {"history": ["a"], "times": [True]}, {"history": ["a"], "times": [None]}, {"users": ["u"], "times": []},
    ],
    ids=str,
)  # fmt: skip
def test_what_is_refused(content: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"^\S.{0,100}$"):
        parse(**content)


def test_the_description_has_every_key() -> None:
    body = openapi(Limits())["paths"]["/recommend"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert set(body["properties"]) == set(KEYS)


@given(
    st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists), st.sampled_from(KEYS)
)
def test_whatever_a_key_holds_it_is_read_or_refused_in_a_line(value: object, key: str) -> None:
    try:
        parse(**{"user": "u1", key: value})
    except ValueError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize("name", ["body", "k", "history", "users", "batch", "waiting"])
def test_limits_have_bounds(name: str) -> None:
    for value in (0, -1, 2**31):
        with pytest.raises(UsageError, match=name):
            Limits(**{name: value})
