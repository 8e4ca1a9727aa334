"""Items that are posted to a server, kept in a file that is read as any other file of new items."""

from __future__ import annotations

import contextlib
import json
import math
import shutil
import tempfile
import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from adrec_cli.artifacts.atomic import storage_error
from adrec_cli.errors import InputError
from adrec_cli.schema import ITEM_ID
from adrec_cli.serving.questions import parse_id
from adrec_cli.wording import say_count

Row = Mapping[str, Any]
"""What is said of an item, by column; among them its id."""

MOST_POSTED = 100_000
"""Items that one server takes; more of them belong in the data set."""
_MOST_COLUMNS = 1_000


def parse_items(body: bytes) -> list[Row]:
    """Read a JSON body.

    Raises:
        ValueError: with one line for the client.
    """
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ValueError("the body is not JSON") from error
    rows = content.get("items") if isinstance(content, dict) else None
    if not isinstance(rows, list) or set(content) != {"items"} or not rows:
        raise ValueError('the body must be {"items": [...]} with an object for each item')
    return [_parse_row(row) for row in rows]


def _parse_row(row: Any) -> Row:
    if not isinstance(row, dict) or row.get(ITEM_ID) is None:
        raise ValueError(f"each item must be an object with an {ITEM_ID}")
    item_id = parse_id(row[ITEM_ID], ITEM_ID)
    if not item_id.strip():
        raise ValueError(f"{ITEM_ID} must not be blank")
    if len(row) > _MOST_COLUMNS:
        raise ValueError(f"an item has more than {_MOST_COLUMNS:,} columns")
    for name, value in row.items():
        values = value if isinstance(value, list) else [value]
        if not all(_is_plain(one) for one in (name, *values)):
            raise ValueError(f"{ascii(name)[:40]} must be text, a number, a list of these, or null")
    return {**row, ITEM_ID: item_id}


def _is_plain(value: Any) -> bool:
    """Return whether a cell of an item file may have a value: half of a surrogate pair, for one, has no UTF-8."""
    if isinstance(value, str):
        return not any("\ud800" <= character <= "\udfff" for character in value)
    if isinstance(value, float):
        return math.isfinite(value)
    return value is None or (isinstance(value, int) and not isinstance(value, bool))


class PostedItems:
    """All items that were posted to a server; they are gone with it.

    Attributes:
        path: of the file of them; None before there are any.
    """

    def __init__(self) -> None:
        self.path: Path | None = None
        self._rows: dict[str, Row] = {}
        self._folder: Path | None = None
        self._files = 0

    @contextlib.contextmanager
    def adding(self, rows: Sequence[Row]) -> Iterator[Path]:
        """Yield a file that has more items too; unless what is done with it fails, they stay.

        Of an item that was posted before, what is said last counts.

        Raises:
            InputError: they are too many, or what is done with them says that they cannot be read.
            StorageError: the file system refused.
        """
        together = self._rows | {row[ITEM_ID]: row for row in rows}
        if len(together) > MOST_POSTED:
            raise InputError(
                f"{say_count(len(together), 'item')} would be posted, at most {MOST_POSTED:,} can be",
                hint="add them to the data set",
            )
        path = self._write(together.values())
        try:
            yield path
        except BaseException as error:
            path.unlink(missing_ok=True)
            if isinstance(error, InputError):
                # Where they were kept is nothing to a client.
                raise InputError(error.message.replace(str(path), "what was posted"), hint=error.hint) from error
            raise
        if self.path is not None:
            self.path.unlink(missing_ok=True)
        self.path, self._rows = path, together

    def _write(self, rows: Iterable[Row]) -> Path:
        try:
            if self._folder is None:
                self._folder = Path(tempfile.mkdtemp(prefix="adrec-items-"))
                weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
            self._files += 1
            path = self._folder / f"{self._files}.jsonl"
            path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        except OSError as error:
            raise storage_error("write", Path(tempfile.gettempdir()), error) from error
        return path
