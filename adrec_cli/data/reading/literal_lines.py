"""Files whose lines are Python literals (older Amazon metadata, Steam): turned into JSON lines, never run."""

from __future__ import annotations

import ast
import json
from dataclasses import replace
from pathlib import Path

from adrec_cli.data.reading.decoding import Decoded

_BROKEN = (ValueError, SyntaxError, MemoryError, RecursionError, TypeError)


def as_json_lines(decoded: Decoded, scratch: Path) -> Decoded:
    """Return the file itself, or a copy in JSON if its first line is a Python literal and not JSON.

    Lines that are neither are copied as they are, so that line numbers and complaints about them stay right.

    Args:
        decoded: a text file.
        scratch: folder for the copy.
    """
    with open(decoded.plain, encoding="utf-8", errors="replace", newline="\n") as file:
        first = next((line for line in file if line.strip()), "")
    if not first.lstrip().startswith("{") or _is_json(first) or _literal(first) is None:
        return decoded
    target = scratch / f"{len(list(scratch.iterdir()))}-literal-{decoded.path.name}.jsonl"
    with (
        open(decoded.plain, encoding="utf-8", errors="replace", newline="\n") as source,
        open(target, "w", encoding="utf-8", errors="replace", newline="") as file,
    ):
        for line in source:
            record = _literal(line)
            file.write(line if record is None else json.dumps(record, ensure_ascii=False, default=str) + "\n")
    return replace(decoded, plain=target)


def _is_json(line: str) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def _literal(line: str) -> dict[object, object] | None:
    try:
        record = ast.literal_eval(line.strip())
    except _BROKEN:
        return None
    return record if isinstance(record, dict) else None
