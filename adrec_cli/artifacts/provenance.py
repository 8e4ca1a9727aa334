"""What made an artifact: versions, and a hash of the code its numbers depend on."""

from __future__ import annotations

import ast
import functools
import hashlib
import json
from collections.abc import Mapping
from importlib import resources
from typing import Any

_NUMERIC_PACKAGES = ("data", "diffusion", "layers", "models", "ranking", "training")
_WITH_DOCSTRING = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


@functools.cache
def code_sha256() -> str:
    """Return a hash of the code that decides a training's numbers: of what it means, not of how it is written."""
    digest = hashlib.sha256()
    for package in _NUMERIC_PACKAGES:
        for entry in sorted(resources.files(f"adrec_cli.{package}").iterdir(), key=lambda entry: entry.name):
            if entry.name.endswith(".py"):
                digest.update(f"{package}/{entry.name}\n{meaning_of(entry.read_text(encoding='utf-8'))}\n".encode())
    return digest.hexdigest()


def meaning_of(source: str) -> str:
    """Return Python source in one normal form, without what does not run: comments, docstrings, layout.

    Args:
        source: a whole module.
    """
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, _WITH_DOCSTRING) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    # Rather than ast.dump, whose form changes with Python's versions.
    return ast.unparse(tree)


def key_of(parts: Mapping[str, Any]) -> str:
    """Return a hash of named values; equal keys mean equal inputs."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, ensure_ascii=True).encode()).hexdigest()
