"""Search spaces in files, so that several models are searched by the same one: those that ship, and one's own."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any, Final

from adrec_cli.config import read_toml
from adrec_cli.errors import UsageError
from adrec_cli.models.registry import find_facts
from adrec_cli.sweeping.search_space import Searched, parse_searched
from adrec_cli.wording import option

_PACKAGE: Final = "adrec_cli.sweeping.spaces"
_SUFFIX: Final = ".toml"
_KEYS: Final = {"search", "models"}


def space_names() -> list[str]:
    """Return the names of the search spaces that ship with adrec."""
    entries = resources.files(_PACKAGE).iterdir()
    return sorted(entry.name.removesuffix(_SUFFIX) for entry in entries if entry.name.endswith(_SUFFIX))


def read_space(name: str, model_name: str) -> tuple[Searched, ...]:
    """Return what a space has for a model: what it has for all of them, and for this one alone.

    Args:
        name: one of `space_names`, or the path of a TOML file with `search`, a list of texts as `parse_searched` takes
            them, and perhaps a table `models` with such a list by model.
        model_name: registered.

    Raises:
        UsageError: there is no such space, or the file has something else.
    """
    tables = _read_tables(name)
    of_models = tables.get("models", {})
    if unknown := sorted(tables.keys() - _KEYS):
        raise UsageError(f"{name}: unknown key {unknown[0]!r}", hint=f"one of: {', '.join(sorted(_KEYS))}")
    if not isinstance(of_models, Mapping):
        raise UsageError(f"{name}: models must be a table", hint='for example [models] and sasrec = ["heads=1,2,4"]')
    for model in of_models:
        find_facts(model)
    texts = [*_list_texts(name, "search", tables), *_list_texts(name, model_name, of_models)]
    if not texts:
        raise UsageError(f"{name} has nothing to search for {model_name}", hint=f"or give {option('search')}")
    return tuple(parse_searched(text) for text in texts)


def _read_tables(name: str) -> dict[str, Any]:
    if name in space_names():
        return tomllib.loads((resources.files(_PACKAGE) / f"{name}{_SUFFIX}").read_text(encoding="utf-8"))
    if not name.endswith(_SUFFIX):
        raise UsageError(
            f"unknown search space {name!r}",
            hint=f"one of: {', '.join(space_names())}, or a {_SUFFIX} file",
        )
    if not Path(name).is_file():
        raise UsageError(f"search space {name} does not exist", hint=f"check {option('space')}")
    return read_toml(Path(name))


def _list_texts(name: str, key: str, tables: Mapping[str, Any]) -> list[str]:
    texts = tables.get(key, [])
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise UsageError(
            f"{name}: {key} must be a list of texts", hint='for example search = ["learning_rate=1e-4..1e-2:log"]'
        )
    return texts
