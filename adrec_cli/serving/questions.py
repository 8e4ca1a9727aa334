"""A request's body into a question, or into what is wrong with it; and the OpenAPI description of both."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from adrec_cli import __version__
from adrec_cli.errors import UsageError
from adrec_cli.serving.served_model import Question

_KEYS = ("user", "history", "k", "include_seen")


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a request may ask for.

    Attributes:
        body: bytes.
        k: items.
        history: items given.
        batch: requests answered together.
        waiting: requests in the queue; one more is told to come back.
    """

    body: int = 1_000_000
    k: int = 1_000
    history: int = 10_000
    batch: int = 64
    waiting: int = 1_024

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value < 1:
                raise UsageError(f"the limit of {name} must be at least 1, got {value}")


def parse_question(body: bytes, limits: Limits) -> Question:
    """Read a JSON body.

    Raises:
        ValueError: with one line for the client.
    """
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ValueError("the body is no JSON") from error
    if not isinstance(content, dict):
        raise ValueError("the body must be a JSON object")
    if strangers := [key for key in content if key not in _KEYS]:
        raise ValueError(f"unknown key {strangers[0][:40]!r}; known: {', '.join(_KEYS)}")
    user, history = content.get("user"), content.get("history")
    if (user is None) == (history is None):
        raise ValueError("give either user or history")
    k, include_seen = _whole(content.get("k", _default_k(limits))), content.get("include_seen", False)
    if k is None or not 1 <= k <= limits.k:
        raise ValueError(f"k must be a whole number from 1 to {limits.k}")
    if not isinstance(include_seen, bool):
        raise ValueError("include_seen must be true or false")
    if user is not None:
        return Question(user=_id(user, "user"), history=None, k=k, include_seen=include_seen)
    if not isinstance(history, list):
        raise ValueError("history must be a list of item ids")
    if len(history) > limits.history:
        raise ValueError(f"history must have at most {limits.history} items")
    items = tuple(_id(item, "an item of history") for item in history)
    return Question(user=None, history=items, k=k, include_seen=include_seen)


def _default_k(limits: Limits) -> int:
    return min(10, limits.k)


def _whole(value: Any) -> int | None:
    """Return a whole number, which JSON may also write as 5.0; None for anything else."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _id(value: Any, what: str) -> str:
    if isinstance(value, str):
        return value
    number = _whole(value)
    if number is None:
        raise ValueError(f"{what} must be an id: text or a whole number")
    return str(number)


def openapi(limits: Limits) -> dict[str, Any]:
    """Return the description of the server in OpenAPI 3.1."""
    an_id = {"type": ["string", "integer"]}
    history = {"type": "array", "items": an_id, "maxItems": limits.history, "description": "oldest first"}
    nothing = {"type": "null"}
    question = {
        "type": "object",
        "additionalProperties": False,
        # One of the two; the other may be null.
        "oneOf": [
            {"required": ["user"], "properties": {"user": an_id, "history": nothing}},
            {"required": ["history"], "properties": {"user": nothing, "history": history}},
        ],
        "properties": {
            "user": {},
            "history": {},
            "k": {"type": "integer", "minimum": 1, "maximum": limits.k, "default": _default_k(limits)},
            "include_seen": {"type": "boolean", "default": False},
        },
    }
    item = {
        "type": "object",
        "required": ["rank", "item_id", "title", "score"],
        "properties": {
            "rank": {"type": "integer"},
            "item_id": {"type": "string"},
            "title": {"type": ["string", "null"]},
            "score": {"type": "number"},
        },
    }
    answer = {
        "type": "object",
        "required": ["items", "source", "unknown_items", "model"],
        "properties": {
            "items": {"type": "array", "items": item},
            "source": {"enum": ["model", "popular"]},
            "unknown_items": {"type": "array", "items": {"type": "string"}},
            "model": {"type": "string"},
        },
    }
    error = {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}}
    failures = {"400": "not understood", "404": "unknown user or items", "413": "body too large", "503": "overloaded"}
    responses = {code: _json(description, error) for code, description in failures.items()}
    return {
        "openapi": "3.1.0",
        "info": {"title": "adrec", "version": __version__},
        "paths": {
            "/recommend": {
                "post": {
                    "requestBody": {"required": True, "content": {"application/json": {"schema": question}}},
                    "responses": {"200": _json("the best items", answer), **responses},
                }
            },
            "/healthz": {"get": {"responses": {"200": _json("the model that answers", {"type": "object"})}}},
            "/metrics": {"get": {"responses": {"200": {"description": "Prometheus text"}}}},
        },
    }


def _json(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}
