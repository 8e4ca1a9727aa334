"""What made an artifact: versions, and a hash of the code its numbers depend on."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping
from importlib import resources
from typing import Any

from adrec_cli.extending.code import meaning_of

_NUMERIC_PACKAGES = ("data", "diffusion", "layers", "models", "ranking", "training")


@functools.cache
def code_sha256(*more: str) -> str:
    """Return a hash of the code that decides a training's numbers: of what it means, not of how it is written.

    Args:
        more: packages of adrec besides, for what depends on them too.
    """
    digest = hashlib.sha256()
    for package in (*_NUMERIC_PACKAGES, *more):
        for entry in sorted(resources.files(f"adrec_cli.{package}").iterdir(), key=lambda entry: entry.name):
            if entry.name.endswith(".py"):
                digest.update(f"{package}/{entry.name}\n{meaning_of(entry.read_text(encoding='utf-8'))}\n".encode())
    return digest.hexdigest()


def key_of(parts: Mapping[str, Any]) -> str:
    """Return a hash of named values; equal keys mean equal inputs."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, ensure_ascii=True).encode()).hexdigest()
