"""Titles and categories from files of items, and JSON or Python literals."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from adrec_cli.pipeline.preprocess import preprocess
from tests.data.table_files import history, run, write_csv

ROWS = history("anna", ["a", "b", "c"]) + history("ben", ["b", "é"])


def test_item_files_join_titles_categories_and_the_rest(shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "raw/ml-latest-small"
    result = run(folder / "ratings.csv", tmp_path / "ws", items=folder / "movies.csv")
    items = pl.read_parquet(result.folder / "items.parquet")
    assert items.columns == ["item_index", "item_id", "count", "title", "category"]
    assert items.row(0)[3:] == ("Toy Story (1995)", "Adventure|Animation|Children|Comedy|Fantasy")
    assert items["title"].null_count() == 0


@pytest.mark.parametrize(
    ("ratings", "file", "title", "rest"),
    [
        ("raw/recbole/ml-100k/ml-100k.inter", "raw/recbole/ml-100k/ml-100k.item", "Toy Story", ["release_year:token"]),
        ("ml-1m/interactions.parquet", "raw/ml-1m/movies.dat", None, None),
    ],
)
def test_item_files_of_other_forms(
    shared_data: Path, tmp_path: Path, ratings: str, file: str, title: str | None, rest: list[str] | None
) -> None:
    if title is None:
        # Without header or known columns there is nothing to go by: the named data set knows them.
        raw = tmp_path / "raw"
        raw.mkdir()
        for source in (ratings, file):
            (raw / Path(source).name).symlink_to(shared_data / source)
        items = pl.read_parquet(preprocess("ml-1m", workspace=tmp_path / "ws", raw=raw).folder / "items.parquet")
        assert items.filter(pl.col("item_id") == "73")["title"].to_list() == ["Misérables, Les (1995)"]
        return
    result = run(shared_data / ratings, tmp_path / "ws", items=shared_data / file)
    items = pl.read_parquet(result.folder / "items.parquet")
    assert items["title"][0] == title
    assert items.columns[5:] == rest


def test_item_files_in_json_and_python_literals(tmp_path: Path) -> None:
    source = write_csv(tmp_path / "t.csv", ROWS)
    (tmp_path / "i.json").write_text(
        "{'asin': 'a', 'title': \"It's\", 'categories': [['X', 'Y'], ['X', 'Z']], 'price': 1.5}\n{'asin': 'b'}\n"
    )
    result = run(source, tmp_path / "ws", items=tmp_path / "i.json")
    items = pl.read_parquet(result.folder / "items.parquet").select("item_id", "title", "category", "price").rows()
    assert items[0] == ("a", "It's", "X|Y|Z", "1.5")
    assert items[1] == ("b", None, None, None)
    assert result.warnings == ["i.json: says nothing about 2 of 4 items"]
