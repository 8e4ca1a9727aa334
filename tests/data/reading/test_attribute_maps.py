"""One object from item to attributes becomes a table of items; whatever else is left as it is."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adrec_cli.data.reading import attribute_maps
from adrec_cli.data.reading.attribute_maps import as_attribute_table
from adrec_cli.data.reading.decoding import Decoded, decode
from tests.examples import tries

texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=8)
in_one_folder = settings(max_examples=tries(30), suppress_health_check=[HealthCheck.function_scoped_fixture])


def read(folder: Path, content: str) -> Decoded:
    path = folder / "a.json"
    path.write_text(content, encoding="utf-8")
    return as_attribute_table(decode(path, encoding=None, scratch=folder), folder)


@in_one_folder
@given(st.dictionaries(texts, st.lists(texts | st.integers(0, 999), max_size=4), min_size=1, max_size=5), st.booleans())
def test_every_item_keeps_its_attributes(tmp_path: Path, attributes: dict[str, list[object]], indented: bool) -> None:
    found = read(tmp_path, json.dumps(attributes, indent=2 if indented else None, ensure_ascii=indented))
    if '"' in next(iter(attributes)) or "\\" in json.dumps(next(iter(attributes)), ensure_ascii=indented):
        # Taken for an object only where its first key is plain.
        return
    assert found.container == "parquet"
    table = pl.read_parquet(found.plain)
    assert table["item_id"].to_list() == list(attributes)
    assert table["attributes"].to_list() == [[str(one) for one in values] for values in attributes.values()]


@pytest.mark.parametrize(
    "content",
    [
        '{"item_id": 1, "title": "x"}\n{"item_id": 2, "title": "y"}\n',
        '{"tags": ["x"], "item_id": 1}\n{"tags": [], "item_id": 2}\n',
        '{"1": [1], "2": 3}',
        '{"1": [[1]], "2": [{"a": 1}]}',
        '{"1": [1], "2": [2]',
        "item_id,title\n1,x\n",
    ],
)
def test_what_is_no_map_is_left_alone(tmp_path: Path, content: str) -> None:
    assert read(tmp_path, content).container == "text"


def test_a_map_too_large_to_hold_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attribute_maps, "MOST_BYTES", 10)
    assert read(tmp_path, '{"1": [1, 2, 3]}').container == "text"
