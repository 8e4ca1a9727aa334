"""A request's body into questions, or into what is wrong with it."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

from adrec_cli.recommending.options import Diversity
from adrec_cli.serving.choice import Choice
from adrec_cli.serving.options import Limits
from adrec_cli.serving.served_model import Question

_WHOM = ("user", "users", "history")
KEYS = (
    *_WHOM, "times", "k", "include_seen", "candidates", "exclude", "category", "min_count", "diversify", "max_per",
    "explain",
)  # fmt: skip
_MOST_EVENTS = 2**53
"""Whole numbers above are not the same in every JSON."""
_MOST_EXPLAINED = 100


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a request asks: one question, or one for each of many users."""

    questions: tuple[Question, ...]
    many: bool = False


def parse_questions(body: bytes, limits: Limits) -> Asked:
    """Read a JSON body.

    Raises:
        ValueError: with one line for the client.
    """
    content = _parse_object(body)
    whom = [key for key in _WHOM if content.get(key) is not None]
    if len(whom) != 1:
        raise ValueError("give one of user, users and history")
    k, explain = _parse_k(content, limits), _parse_flag(content, "explain")
    if explain and k > _MOST_EXPLAINED:
        raise ValueError(f"k must be at most {_MOST_EXPLAINED} with explain")
    question = Question(
        user=None, history=None, k=k, include_seen=_parse_flag(content, "include_seen"),
        choice=_parse_choice(content, limits), diversity=_parse_diversity(content),
        explain=explain,
    )  # fmt: skip
    times = content.get("times")
    if times is not None and whom != ["history"]:
        raise ValueError("times are those of a history")
    if whom == ["user"]:
        return Asked(questions=(replace(question, user=parse_id(content["user"], "user")),))
    if whom == ["history"]:
        history = _parse_ids(content, "history", limits.history)
        return Asked(questions=(replace(question, history=history, times=_parse_times(times, len(history))),))
    if question.explain:
        # Nobody else is answered while so much is computed.
        raise ValueError("explain is for one user or history: every item of a history is taken away once")
    users = _parse_ids(content, "users", min(limits.users, limits.waiting))
    if not users:
        raise ValueError("users must name at least one user")
    return Asked(questions=tuple(replace(question, user=user) for user in users), many=True)


def _parse_object(body: bytes) -> dict[str, Any]:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ValueError("the body is not JSON") from error
    if not isinstance(content, dict):
        raise ValueError("the body must be a JSON object")
    if unknown := [key for key in content if key not in KEYS]:
        raise ValueError(f"unknown key {unknown[0][:40]!r}; known: {', '.join(KEYS)}")
    return content


def _parse_k(content: dict[str, Any], limits: Limits) -> int:
    k = _whole(content.get("k", default_k(limits)))
    if k is None or not 1 <= k <= limits.k:
        raise ValueError(f"k must be a whole number from 1 to {limits.k}")
    return k


def _parse_flag(content: dict[str, Any], name: str) -> bool:
    value = content.get(name, False)
    if not isinstance(value, bool):
        raise ValueError(f"{name} must be true or false")
    return value


def _parse_diversity(content: dict[str, Any]) -> Diversity:
    weight = content.get("diversify")
    weight = 0 if weight is None else weight
    if isinstance(weight, bool) or not isinstance(weight, (int, float)) or not 0 <= weight < 1:
        raise ValueError("diversify must be a number from 0 to below 1")
    most = content.get("max_per")
    most = {} if most is None else most
    counts = {name: _whole(count) for name, count in most.items()} if isinstance(most, dict) else {"": None}
    pairs = [(name, count) for name, count in counts.items() if count is not None and 1 <= count <= _MOST_EVENTS]
    if len(pairs) < len(counts):
        raise ValueError('max_per must name columns and whole numbers, 1 or more, such as {"category": 3}')
    return Diversity(weight=float(weight), most=tuple(sorted(pairs)))


def _parse_choice(content: dict[str, Any], limits: Limits) -> Choice:
    categories = content.get("category")
    categories = [categories] if isinstance(categories, str) else categories
    if categories is not None and not (
        isinstance(categories, list) and all(isinstance(name, str) for name in categories)
    ):
        raise ValueError("category must be a name or a list of names")
    given = content.get("min_count")
    min_count = 0 if given is None else _whole(given)
    if min_count is None or not 0 <= min_count <= _MOST_EVENTS:
        raise ValueError("min_count must be a whole number, 0 or more")
    chosen = None if content.get("candidates") is None else _parse_ids(content, "candidates", limits.history)
    if chosen is not None and not chosen:
        raise ValueError("candidates must name an item")
    return Choice(
        candidates=chosen,
        exclude=() if content.get("exclude") is None else _parse_ids(content, "exclude", limits.history),
        categories=tuple(categories or ()),
        min_count=min_count,
    )


def _parse_times(value: Any, events: int) -> tuple[str | float, ...] | None:
    """Return the times of a history, which are read where it is answered; None where there are none."""
    if value is None:
        return None
    if not isinstance(value, list) or not all(
        isinstance(time, (str, int, float)) and not isinstance(time, bool) for time in value
    ):
        raise ValueError("times must be a list of seconds since 1970, or of dates or times as text")
    if len(value) != events:
        raise ValueError(f"times must be as many as the history has items: {events}")
    return tuple(value)


def default_k(limits: Limits) -> int:
    """Return how many items come back where a request does not say."""
    return min(10, limits.k)


def _whole(value: Any) -> int | None:
    """Return a whole number, which JSON may also write as 5.0; None for anything else."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _parse_ids(content: dict[str, Any], name: str, most: int) -> tuple[str, ...]:
    value = content[name]
    kind = "user" if name == "users" else "item"
    if not isinstance(value, list):
        raise ValueError(f"{name} must be a list of {kind} ids")
    if len(value) > most:
        raise ValueError(f"{name} must have at most {most} {kind}s")
    return tuple(parse_id(item, f"{'a' if kind == 'user' else 'an'} {kind} of {name}") for item in value)


def parse_id(value: Any, what: str) -> str:
    """Return a raw id, which may be written as a whole number.

    Raises:
        ValueError: it is none, with one line for the client.
    """
    if isinstance(value, str):
        return value
    number = _whole(value)
    if number is None:
        raise ValueError(f"{what} must be an id: text or a whole number")
    return str(number)
