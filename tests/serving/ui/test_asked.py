"""What stands in the address of the page: read as the form sends it, and harmless whatever is typed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from adrec_cli.serving.options import Limits
from adrec_cli.serving.ui.asked import MOST_HISTORY, MOST_ITEMS, Asked, read_asked

LIMITS = Limits(k=20)


def read(*pairs: tuple[str, str]) -> Asked:
    return read_asked(pairs, LIMITS)


def test_a_form_is_read():
    assert read() == Asked()
    assert read().question is None
    asked = read(
        ("user", " u1 "), ("item", "a"), ("item", ""), ("item", "b"), ("q", "x"), ("k", "7"), ("explain", "on")
    )
    assert asked == Asked(user="u1", history=("a", "b"), search="x", k=7, explain=True)


def test_a_history_goes_before_a_user():
    question = read(("user", "u1"), ("item", "a"), ("explain", "on")).question
    assert question is not None
    assert (question.user, question.history, question.k, question.explain) == (None, ("a",), 10, True)
    question = read(("user", "u1")).question
    assert question is not None
    assert (question.user, question.history) == ("u1", None)


def test_an_item_is_dropped_by_its_place():
    three = [("item", name) for name in "aba"]
    assert read(*three, ("drop", "1")).history == ("a", "a")
    assert read(*three, ("drop", "3")).history == ("a", "b", "a")
    assert read(*three, ("drop", "-1")).history == ("a", "b", "a")


def test_bounds_hold():
    assert [read(("k", k)).k for k in ("0", "1", "20", "21", "x", "", "٣", "9" * 5000)] == [
        1,
        1,
        20,
        20,
        10,
        10,
        10,
        20,
    ]
    assert read_asked([("k", "9999")], Limits()).k == MOST_ITEMS
    assert len(read(*[("item", str(n)) for n in range(99)]).history) == MOST_HISTORY


@given(st.lists(st.tuples(st.sampled_from(["user", "item", "q", "k", "drop", "explain", "?"]), st.text())))
def test_nothing_that_is_typed_fails(pairs):
    asked = read_asked(pairs, LIMITS)
    assert 1 <= asked.k <= 20
    assert (asked.question is None) == (not asked.user and not asked.history)
