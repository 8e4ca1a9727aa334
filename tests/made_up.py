"""Made-up results of commands: every number differs from every other, so that none passes for another."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import itertools
import sys
import types
import typing
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
_NUMBERS = itertools.count(1234, 7)


def made_up(kind: type[T], **given: Any) -> T:
    """Return an instance of a dataclass whose fields hold what is given, and else something of their type.

    Texts are the names of their fields, lists are empty, and what may be None is None.
    """
    hints = typing.get_type_hints(kind, localns=_import_for_types(kind.__module__))
    fields = dataclasses.fields(kind)  # type: ignore[arg-type]
    return kind(**{field.name: given.get(field.name, _of_type(field.name, hints[field.name])) for field in fields})


def _import_for_types(module: str) -> dict[str, Any]:
    """Return what a module imports for its types alone, by name."""
    blocks = (
        node.body
        for node in ast.parse(inspect.getsource(sys.modules[module])).body
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    )
    return {
        alias.asname or alias.name: getattr(importlib.import_module(node.module or ""), alias.name)
        for node in itertools.chain.from_iterable(blocks)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def _of_type(name: str, kind: Any) -> Any:
    origin = typing.get_origin(kind) or kind
    if origin is types.UnionType or origin is typing.Union:
        return None
    if dataclasses.is_dataclass(origin):
        return made_up(typing.cast(type[Any], origin))
    if origin is bool:
        return False
    if origin is int:
        return next(_NUMBERS)
    if origin is float:
        return next(_NUMBERS) / 10_000
    if origin is str:
        return name
    if origin is Path:
        return Path(name)
    if origin in (list, dict, tuple):
        return origin()
    # A mapping or a sequence, in its most usual form.
    return {} if "Mapping" in str(origin) else ()
