"""The server described in OpenAPI 3.1."""

from __future__ import annotations

from typing import Any

from adrec_cli import __version__
from adrec_cli.serving.options import Limits
from adrec_cli.serving.questions import default_k

_AN_ID = {"type": ["string", "integer"]}
_NOTHING = {"type": "null"}
_FAILURES = {
    "400": "not understood",
    "404": "unknown user, items or category",
    "408": "the body took too long",
    "413": "body too large",
    "421": "asked by a name that is not this server's",
    "503": "overloaded, or ending",
}


def openapi(limits: Limits, root: str = "") -> dict[str, Any]:
    """Return the description of the server.

    Args:
        limits: of a request.
        root: before the paths of a shop, with `{shop}` in it, where there are several.
    """
    responses = {code: _json(description, _error()) for code, description in _FAILURES.items()}
    answers = {"oneOf": [_answer(), _answers()]}
    state = {"type": "object", "required": ["status"], "properties": {"status": {"type": "string"}}}
    name = {"name": "shop", "in": "path", "required": True, "schema": {"type": "string"}}
    shop = {"parameters": [name]} if root else {}
    health = _json("the model that answers; stale: a newer one cannot be had", state)
    every = _json("how each shop is; failing: no model of it answers", _describe_shops(state))
    return {
        "openapi": "3.1.0",
        "info": {"title": "adrec", "version": __version__},
        "paths": {
            f"{root}/recommend": shop
            | {
                "post": {
                    "requestBody": {"required": True, "content": {"application/json": {"schema": _request(limits)}}},
                    "responses": {"200": _json("the best items, of each user where many are asked for", answers)}
                    | responses,
                }
            },
            f"{root}/items": shop
            | {
                "post": {
                    "requestBody": {"required": True, "content": {"application/json": {"schema": _items()}}},
                    "responses": {"200": _json("what became of all items that were posted", _describe_taken())}
                    | {code: responses[code] for code in ("400", "408", "413", "421", "503")}
                    | {
                        "409": _json("the model knows items by their ids alone, or several processes serve", _error()),
                        "415": _json("not application/json", _error()),
                    },
                }
            },
            **({f"{root}/healthz": shop | {"get": {"responses": {"200": health}}}} if root else {}),
            "/healthz": {"get": {"responses": {"200": every if root else health}}},
            "/readyz": {
                "get": {"responses": {"200": _json("requests are welcome", state), "503": _json("it is ending", state)}}
            },
            "/metrics": {"get": {"responses": {"200": {"description": "Prometheus text"}}}},
        },
    }


def _request(limits: Limits) -> dict[str, Any]:
    whom = {
        "user": _AN_ID,
        "users": _ids(min(limits.users, limits.waiting), "answered one by one", 1),
        "history": _ids(limits.history, "oldest first"),
    }
    return {
        "type": "object",
        "additionalProperties": False,
        # One of the three; the others may be null.
        "oneOf": [
            {
                "required": [name],
                "properties": {other: schema if other == name else _NOTHING for other, schema in whom.items()},
            }
            for name in whom
        ],
        "properties": {
            **{name: {} for name in whom},
            "times": _or_nothing(_times(limits)),
            "k": {"type": "integer", "minimum": 1, "maximum": limits.k, "default": default_k(limits)},
            **_describe_choice(limits),
        },
    }


def _ids(most: int, description: str, least: int = 0) -> dict[str, Any]:
    return {"type": "array", "items": _AN_ID, "minItems": least, "maxItems": most, "description": description}


def _times(limits: Limits) -> dict[str, Any]:
    return {
        "type": "array",
        "items": {"type": ["string", "number"]},
        "maxItems": limits.history,
        "description": "when each item of the history was, in seconds since 1970 or as a date or time; "
        "for models that read it",
    }


def _describe_choice(limits: Limits) -> dict[str, Any]:
    """Return the keys that say which items may come back, and how they are chosen."""
    categories = [{"type": "string"}, {"type": "array", "items": {"type": "string"}}, _NOTHING]
    diversify = {
        "type": "number",
        "minimum": 0,
        "exclusiveMaximum": 1,
        "default": 0,
        "description": "weight of unlikeness against the score",
    }
    max_per = {
        "type": "object",
        "additionalProperties": {"type": "integer", "minimum": 1},
        "description": "items of one value of a column at most, by column",
    }
    return {
        "include_seen": {"type": "boolean", "default": False},
        "candidates": _or_nothing(_ids(limits.history, "only these items", 1)),
        "exclude": _or_nothing(_ids(limits.history, "not these items")),
        "category": {"description": "only items of one of these categories", "oneOf": categories},
        "diversify": _or_nothing(diversify),
        "max_per": _or_nothing(max_per),
        "explain": {"type": "boolean", "default": False, "description": "what moved each score; not with users"},
        "min_count": _or_nothing({"type": "integer", "minimum": 0, "description": "train events an item needs"}),
    }


def _items() -> dict[str, Any]:
    plain = [{"type": "string"}, {"type": "number"}, _NOTHING]
    cell = {"oneOf": [*plain, {"type": "array", "items": {"oneOf": plain}}]}
    item = {
        "type": "object",
        "required": ["item_id"],
        "properties": {"item_id": _AN_ID},
        "additionalProperties": cell,
        "description": "columns as in the item file of the data set",
    }
    return {
        "type": "object",
        "additionalProperties": False,
        "required": ["items"],
        "properties": {"items": {"type": "array", "minItems": 1, "items": item}},
    }


def _describe_shops(state: dict[str, Any]) -> dict[str, Any]:
    shops = {"type": "object", "additionalProperties": state}
    return {
        "type": "object",
        "required": ["status", "shops"],
        "properties": {"status": {"enum": ["ok", "stale", "failing"]}, "shops": shops},
    }


def _describe_taken() -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["added", "known", "silent", "model"],
        "properties": {
            "added": {"type": "integer", "description": "items that can be recommended now"},
            "known": {"type": "integer", "description": "items that the model knew without them"},
            "silent": {
                "type": "array",
                "items": {"type": "string"},
                "description": "items of which nothing is known, so that they are left out",
            },
            "model": {"type": "string"},
        },
    }


def _or_nothing(schema: dict[str, Any]) -> dict[str, Any]:
    return {"oneOf": [schema, _NOTHING]}


def _answer() -> dict[str, Any]:
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
    return {
        "type": "object",
        "required": ["items", "source", "unknown_items", "model"],
        "properties": {
            "items": {"type": "array", "items": item},
            "source": {"enum": ["model", "popular"]},
            "unknown_items": {"type": "array", "items": {"type": "string"}},
            "model": {"type": "string"},
            "explanations": {"type": "array", "items": _explanation(), "description": "where they were asked for"},
        },
    }


def _explanation() -> dict[str, Any]:
    influence = {
        "type": "object",
        "required": ["item_id", "title", "position", "influence", "cosine", "shared"],
        "properties": {
            "item_id": {"type": "string"},
            "title": {"type": ["string", "null"]},
            "position": {"type": "integer", "description": "in the history, from 1, the oldest"},
            "influence": {"type": "number", "description": "by how much the item raises the score"},
            "cosine": {"type": "number", "description": "of its vector and that of the recommended item"},
            "shared": {"type": "array", "items": {"type": "string"}, "description": "category and brand of both"},
        },
    }
    return {
        "type": "object",
        "required": ["item_id", "influences", "nearest"],
        "properties": {
            "item_id": {"type": "string"},
            "influences": {"type": "array", "items": influence, "description": "strongest first"},
            "nearest": {"type": "array", "items": {"type": "string"}, "description": "most alike first"},
        },
    }


def _answers() -> dict[str, Any]:
    user = {"type": "object", "required": ["user"], "properties": {"user": {"type": "string"}}}
    result = {"allOf": [user, {"oneOf": [_answer(), _error()]}]}
    return {"type": "object", "required": ["results"], "properties": {"results": {"type": "array", "items": result}}}


def _error() -> dict[str, Any]:
    return {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}}


def _json(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}
