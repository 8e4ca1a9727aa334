"""Files of a data set that nobody could have written are refused though their hash is right."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from adrec_cli.data.sequences import load_items
from adrec_cli.errors import ArtifactError

ITEMS = pl.DataFrame({"item_index": [1, 2, 3], "item_id": ["a", "b", "c"], "count": [1, 1, 1]})


@pytest.mark.parametrize("column", ["item_index", "item_id"])
def test_items_need_each_of_their_columns(tmp_path: Path, column: str) -> None:
    path = tmp_path / "items.parquet"
    ITEMS.write_parquet(path)
    assert load_items(path).equals(ITEMS)
    ITEMS.drop(column).write_parquet(path)
    with pytest.raises(ArtifactError, match="columns item_index and item_id are expected, found"):
        load_items(path)


@pytest.mark.parametrize("indices", [[0, 1, 2], [1, 2, 2], [1, 3, 2], [2, 3, 4], [1, 2, 4]])
def test_items_are_numbered_in_their_order(tmp_path: Path, indices: list[int]) -> None:
    path = tmp_path / "items.parquet"
    ITEMS.with_columns(item_index=pl.Series(indices)).write_parquet(path)
    with pytest.raises(ArtifactError, match=r"item_index is not 1\.\.3"):
        load_items(path)
