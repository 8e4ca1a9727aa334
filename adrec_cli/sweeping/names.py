"""Names of the folders that sweeps and searches write to."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Final

from adrec_cli.errors import UsageError
from adrec_cli.models.registry import DEFAULT_MODEL
from adrec_cli.wording import option

_LONGEST_NAME: Final = 60


def folder_name(tried: Sequence[str], model_name: str) -> str:
    """Return a name for the folder of a sweep or a search, made of what is tried."""
    parts = [*([] if model_name == DEFAULT_MODEL else [model_name]), *tried]
    name = re.sub(r"[^A-Za-z0-9._+-]", "-", "+".join(parts))
    if len(name) > _LONGEST_NAME:
        name = f"{name[:_LONGEST_NAME]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
    return name


def require_folder_name(name: str) -> None:
    """Refuse a name that is given and cannot be a folder's.

    Raises:
        UsageError: it has other characters, or begins with a dot.
    """
    if name and not re.fullmatch(r"[A-Za-z0-9_+-][A-Za-z0-9._+-]{0,99}", name):
        raise UsageError(f"{option('name', name)} cannot name a folder", hint="letters, digits and . _ + -")
