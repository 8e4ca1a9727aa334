"""What made an artifact: versions, and a hash of the code its numbers depend on."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import inspect
import json
import re
import sys
from collections.abc import Iterable, Mapping
from importlib import resources
from importlib.util import cache_from_source
from pathlib import Path
from typing import Any

from adrec_cli.artifacts.atomic import write_bytes
from adrec_cli.errors import StorageError
from adrec_cli.extending import code

_NUMERIC_PACKAGES = ("data", "diffusion", "layers", "models", "ranking", "training")


@functools.cache
def code_sha256(*more: str) -> str:
    """Return a hash of the code that decides a training's numbers: of what it means, not of how it is written.

    It is kept beside Python's own compiled modules, with a hash of the very sources it is of: parsing them takes a
    third of a second.

    Args:
        more: packages of adrec besides, for what depends on them too.
    """
    sources = _read_sources((*_NUMERIC_PACKAGES, *more))
    written = hashlib.sha256(json.dumps([inspect.getsource(code), sources]).encode()).hexdigest()
    kept = _locate_hash(more)
    if kept is not None and (meant := _read_kept(kept, written)):
        return meant
    digest = hashlib.sha256()
    for name, source in sources.items():
        digest.update(f"{name}\n{code.meaning_of(source)}\n".encode())
    meant = digest.hexdigest()
    if kept is not None and not sys.dont_write_bytecode:
        # As with compiled modules, whoever may not write there goes without.
        with contextlib.suppress(StorageError, OSError):
            write_bytes(kept, f"{written} {meant}\n".encode())
    return meant


def _read_sources(packages: Iterable[str]) -> dict[str, str]:
    """Return the sources of packages by "package/module.py", always in the same order."""
    return {
        f"{package}/{entry.name}": entry.read_text(encoding="utf-8")
        for package in packages
        for entry in sorted(resources.files(f"adrec_cli.{package}").iterdir(), key=lambda entry: entry.name)
        if entry.name.endswith(".py")
    }


def _locate_hash(more: Iterable[str]) -> Path | None:
    """Return where the hash is kept; None where Python keeps nothing."""
    try:
        compiled = Path(cache_from_source(__file__))
    except NotImplementedError:
        return None
    return compiled.with_name("-".join(["code", *more, str(sys.implementation.cache_tag)]) + ".sha256")


def _read_kept(path: Path, written: str) -> str:
    """Return the hash of what these sources mean; "" where that of others is kept, or none."""
    try:
        known, meant = path.read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return ""
    return meant if known == written and re.fullmatch("[0-9a-f]{64}", meant) else ""


def key_of(parts: Mapping[str, Any]) -> str:
    """Return a hash of named values; equal keys mean equal inputs."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, ensure_ascii=True).encode()).hexdigest()
