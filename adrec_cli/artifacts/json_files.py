"""Reads small JSON files that commands hand over: of bounded size and depth, and with their own checksum."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from adrec_cli.artifacts.atomic import storage_error
from adrec_cli.errors import ArtifactError

MAX_JSON_BYTES = 16 * 2**20


def read_json_object(path: Path, *, hint: str) -> dict[str, Any]:
    """Read a JSON object.

    Args:
        path: to read.
        hint: what to do if it is missing or damaged.

    Raises:
        ArtifactError: missing, not JSON, or larger than `MAX_JSON_BYTES`.
        StorageError: unreadable.
    """
    try:
        with open(path, "rb") as file:
            raw = file.read(MAX_JSON_BYTES + 1)
    except FileNotFoundError as error:
        raise ArtifactError(f"{path} does not exist", hint=hint) from error
    except OSError as error:
        raise storage_error("read", path, error) from error
    try:
        if len(raw) > MAX_JSON_BYTES:
            raise ValueError(f"larger than {MAX_JSON_BYTES:,} bytes")
        content = json.loads(raw.decode())
        if not isinstance(content, dict):
            raise ValueError("not a JSON object")
    except (ValueError, RecursionError) as error:
        raise ArtifactError(f"{path} is damaged: {error}", hint=hint) from error
    return content


def take_checksum(content: dict[str, Any], key: str) -> bool:
    """Take the checksum that stands under a key out of JSON content and return whether it is that of the rest."""
    said = content.pop(key, None)
    try:
        return bool(said == content_sha256(content))
    except RecursionError:
        # Nested just as deep as can be read, which is deeper than can be written.
        return False


def content_sha256(content: Mapping[str, Any]) -> str:
    """Return the SHA-256 of JSON content, whatever the order and spacing it was written in."""
    canonical = json.dumps(content, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
