"""TOML tables as frozen dataclasses: every key must be a field, every value of its type."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from typing import Any


def build(kind: Any, table: Mapping[str, Any], where: str = "") -> Any:
    """Build a dataclass from a TOML table; every key must be one of its fields.

    Args:
        kind: the dataclass.
        table: as `tomllib` reads it.
        where: the keys above it, each with a dot behind it, for messages.

    Raises:
        ValueError: a key is unknown, missing or of the wrong type.
    """
    hints = typing.get_type_hints(kind)
    for key in table:
        if key not in hints:
            raise ValueError(f"unknown key {where + key!r}, expected one of {', '.join(sorted(hints))}")
    missing = [
        entry.name
        for entry in dataclasses.fields(kind)
        if entry.default is dataclasses.MISSING
        and entry.default_factory is dataclasses.MISSING
        and entry.name not in table
    ]
    if missing:
        raise ValueError(f"missing key {where + missing[0]!r}")
    return kind(**{key: _convert(hints[key], value, where + key) for key, value in table.items()})


def _convert(hint: Any, value: Any, where: str) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return _convert(next(a for a in arguments if a is not type(None)), value, where)
    if origin is tuple:
        if not isinstance(value, list):
            raise ValueError(f"{where} is {value!r}, expected a list")
        return tuple(_convert(arguments[0], entry, f"{where}.") for entry in value)
    if origin is typing.Literal:
        if value not in arguments:
            raise ValueError(f"{where} is {value!r}, expected one of {', '.join(arguments)}")
        return value
    if origin is Mapping:
        if not isinstance(value, dict):
            raise ValueError(f"{where} is {value!r}, expected a table")
        if arguments[1] is Any:
            return value
        return {key: _convert(arguments[1], entry, f"{where}.{key}.") for key, entry in value.items()}
    if dataclasses.is_dataclass(hint):
        if not isinstance(value, dict):
            raise ValueError(f"{where} is {value!r}, expected a table")
        return build(hint, value, where if where.endswith(".") else where + ".")
    if hint is float and type(value) is int:
        return float(value)
    if type(value) is not hint:
        raise ValueError(f"{where} is {value!r}, expected {hint.__name__}")
    return value
