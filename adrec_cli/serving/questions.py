"""A request's body into questions, or into what is wrong with it."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

from adrec_cli.errors import UsageError
from adrec_cli.serving.choice import Choice
from adrec_cli.serving.served_model import Question

_WHOM = ("user", "users", "history")
KEYS = (*_WHOM, "k", "include_seen", "candidates", "exclude", "category", "min_count")
_MOST_EVENTS = 2**53
"""Whole numbers above are not the same in every JSON."""
_HIGHEST = {
    "body": 2**30, "k": 1_000_000, "history": 10_000_000, "users": 100_000, "batch": 1_000_000, "waiting": 1_000_000,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a request may ask for.

    Attributes:
        body: bytes.
        k: items.
        history: items given, also as candidates or to exclude.
        users: of one request.
        batch: questions answered together.
        waiting: questions in the queue; one more is refused with "try again later".
    """

    body: int = 1_000_000
    k: int = 1_000
    history: int = 10_000
    users: int = 100
    batch: int = 64
    waiting: int = 1_024

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not 1 <= value <= _HIGHEST[name]:
                raise UsageError(f"the limit of {name} must be between 1 and {_HIGHEST[name]:,}, got {value}")


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
    question = Question(
        user=None, history=None, k=_parse_k(content, limits), include_seen=_parse_seen(content),
        choice=_parse_choice(content, limits),
    )  # fmt: skip
    if whom == ["user"]:
        return Asked(questions=(replace(question, user=_parse_id(content["user"], "user")),))
    if whom == ["history"]:
        return Asked(questions=(replace(question, history=_parse_ids(content, "history", limits.history)),))
    users = _parse_ids(content, "users", min(limits.users, limits.waiting))
    if not users:
        raise ValueError("users must name somebody")
    return Asked(questions=tuple(replace(question, user=user) for user in users), many=True)


def _parse_object(body: bytes) -> dict[str, Any]:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ValueError("the body is no JSON") from error
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


def _parse_seen(content: dict[str, Any]) -> bool:
    include_seen = content.get("include_seen", False)
    if not isinstance(include_seen, bool):
        raise ValueError("include_seen must be true or false")
    return include_seen


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
    return tuple(_parse_id(item, f"{'a' if kind == 'user' else 'an'} {kind} of {name}") for item in value)


def _parse_id(value: Any, what: str) -> str:
    if isinstance(value, str):
        return value
    number = _whole(value)
    if number is None:
        raise ValueError(f"{what} must be an id: text or a whole number")
    return str(number)
