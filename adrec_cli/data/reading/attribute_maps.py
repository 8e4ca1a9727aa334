"""One JSON object from item to the list of its attributes, as S3-Rec publishes them, as a table of items."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from adrec_cli.data.reading.decoding import Decoded, unreadable
from adrec_cli.schema import ITEM_ID

ATTRIBUTES: Final = "attributes"
MOST_BYTES: Final = 1 << 28
"""A larger file is taken for JSON lines: the whole object has to be held at once."""
_HEAD: Final = re.compile(rb'\s*\{\s*"[^"\\]*"\s*:\s*\[')
_HEAD_BYTES: Final = 1 << 12


def as_attribute_table(decoded: Decoded, scratch: Path) -> Decoded:
    """Return an item file with a row per item and its attributes as a list of texts; any other file as it is.

    Args:
        decoded: the plain item file.
        scratch: folder for the table.

    Raises:
        InputError: it cannot be read.
    """
    attributes = _read_map(decoded)
    if attributes is None:
        return decoded
    target = scratch / f"{len(list(scratch.iterdir()))}-attributes.parquet"
    columns = {
        ITEM_ID: pa.array(attributes.keys(), type=pa.string()),
        ATTRIBUTES: pa.array(
            [[str(entry) for entry in values] for values in attributes.values()], type=pa.list_(pa.string())
        ),
    }
    pq.write_table(pa.table(columns), target)
    return replace(decoded, plain=target, container="parquet")


def _read_map(decoded: Decoded) -> dict[str, list[Any]] | None:
    """Return the object of a file, None where it is anything else than one object of lists."""
    if decoded.container != "text":
        return None
    try:
        with open(decoded.plain, "rb") as file:
            head = file.read(_HEAD_BYTES)
            if not _HEAD.match(head) or decoded.plain.stat().st_size > MOST_BYTES:
                return None
            content = json.loads(head + file.read())
    except OSError as error:
        raise unreadable(decoded.path, error) from error
    except (ValueError, RecursionError):
        return None
    # A single row of JSON lines may be all lists, but then it has no id.
    return content if isinstance(content, dict) and all(map(_is_list_of_plain, content.values())) else None


def _is_list_of_plain(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(entry, (str, int, float)) for entry in value)
