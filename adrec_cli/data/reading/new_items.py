"""A file of items that nobody has met yet, read as the item file of a data set."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from adrec_cli.data.reading.attribute_maps import as_attribute_table
from adrec_cli.data.reading.item_columns import EventItems, recognise_items
from adrec_cli.data.reading.item_metadata import read_item_file
from adrec_cli.data.reading.metadata_columns import MetadataColumns
from adrec_cli.data.reading.read_limits import ReadLimits
from adrec_cli.data.reading.source_content import decode_file
from adrec_cli.data.reading.steady_files import look_at
from adrec_cli.errors import InputError
from adrec_cli.schema import ITEM_ID


def read_new_items(
    path: Path, known: pl.Series, remembered: Mapping[str, Any] | None, *, keep_blanks: bool
) -> tuple[pl.DataFrame, str]:
    """Return `item_id` and what a file says of each item, and its hash; of an id that is repeated the first row counts.

    Args:
        path: of the file, in any form that an item file may have.
        known: ids of the data set, which tell the column of ids where its name does not.
        remembered: what the data set's manifest says of its own item file, whose columns are looked for first.
        keep_blanks: blanks around an id belong to it.

    Raises:
        InputError: missing, empty, or its column of ids is ambiguous.
        GrowingFileError: it changed while it was read.
    """
    if not path.is_file():
        raise InputError(f"{path} does not exist", hint="give a file with a row for each new item")
    file = look_at(path)
    columns, events = MetadataColumns().complete(remembered), EventItems(ids=known)
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        decoded = as_attribute_table(decode_file(path, None, scratch, ReadLimits()), scratch)
        items = read_item_file(
            recognise_items(decoded, columns, events), columns, events, scratch=scratch, keep_blanks=keep_blanks
        )
    file.require_unchanged()
    return items.metadata.unique(ITEM_ID, keep="first", maintain_order=True), file.sha256
