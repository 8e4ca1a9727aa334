"""Options as TOML that `--config` takes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any


def toml_text(tables: Mapping[str, Any], *, comments: Sequence[str] = ()) -> str:
    """Return nested tables as TOML.

    Args:
        tables: of texts, numbers, truth values and lists of texts, with tables in between.
        comments: lines above it all; none of them may hold a line break.
    """
    return "\n".join([*(f"# {line}" for line in comments), *_table(tables, "")]) + "\n"


def _table(table: Mapping[str, Any], name: str) -> list[str]:
    values = {key: value for key, value in table.items() if not isinstance(value, Mapping) and value is not None}
    lines = ["", f"[{name}]"] if values and name else []
    lines += [f"{key} = {_value(value)}" for key, value in values.items()]
    for key, value in table.items():
        if isinstance(value, Mapping):
            lines += _table(value, f"{name}.{key}" if name else key)
    return lines


def _value(value: Any) -> str:
    if isinstance(value, str):
        # TOML's basic strings have the escapes of JSON's.
        return json.dumps(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_value, value))}]"
    return repr(value)
