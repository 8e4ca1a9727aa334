"""Ids that a caller of Python lists."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from adrec_cli.errors import InputError, UsageError


def list_ids(given: Iterable[Any], what: str) -> list[str]:
    """Return ids as texts, which frames hand out as numbers too.

    Args:
        given: texts or whole numbers, also as 17.0.
        what: the option they were given for.

    Raises:
        UsageError: it is one text, whose letters are no ids, or no list at all.
        InputError: one of them is not an id, such as None.
    """
    from adrec_cli.data.ids import json_id

    if isinstance(given, str | bytes) or not isinstance(given, Iterable):
        raise UsageError(f"{what} must be a list of ids, got {given!r}", hint='such as ["17", "42"]')
    ids = []
    for one in given:
        text = json_id(one)
        if text is None:
            raise InputError(f"{what}: expected ids, texts or whole numbers, got {one!r}", hint="leave it out")
        ids.append(text)
    return ids
