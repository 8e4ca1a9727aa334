"""The content of items by id, against a plain dictionary."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adrec_cli.artifacts.item_vectors import read_item_vectors
from adrec_cli.content.encoders import encode_items, fit_encoder
from adrec_cli.content.options import EncodeOptions
from adrec_cli.loading.item_content import StoredContent, match_stored_content
from adrec_cli.loading.opening import open_dataset
from adrec_cli.pipeline.encode import encode
from adrec_cli.pipeline.preprocess import PreprocessOptions, preprocess
from tests.conftest import write_interactions
from tests.loading.content import with_items

CATALOGUE = pl.DataFrame({"item_id": [f"i{n}" for n in range(12)], "category": [f"c{n % 4}" for n in range(12)]})
CATEGORIES = fit_encoder("categories", ["category"], CATALOGUE)


@given(stored=st.lists(st.integers(0, 11), unique=True), asked=st.lists(st.integers(0, 11), unique=True))
def test_stored_rows_are_found_by_id_and_all_others_encoded(stored: list[int], asked: list[int]) -> None:
    vectors = np.array([[n, 1, 2, 3] for n in stored], dtype=np.float16).reshape(-1, 4) / 16
    content = StoredContent(encoders=[CATEGORIES], ids=CATALOGUE["item_id"].gather(stored), vectors_VC=vectors)
    items = CATALOGUE[asked]
    rows = {n: row.tolist() for n, row in zip(stored, vectors, strict=True)}
    encoded = encode_items([CATEGORIES], CATALOGUE)
    assert content.of(items).tolist() == [rows.get(n, encoded[n].tolist()) for n in asked]


def test_items_of_which_nothing_is_stored_are_asked_again_where_that_is_wanted() -> None:
    vectors = np.zeros((12, 4), dtype=np.float16)
    vectors[3] = 0.5
    content = StoredContent(encoders=[CATEGORIES], ids=CATALOGUE["item_id"], vectors_VC=vectors)
    assert np.array_equal(content.of(CATALOGUE), vectors)
    expected = encode_items([CATEGORIES], CATALOGUE)
    expected[3] = 0.5
    assert np.array_equal(content.that_speaks().of(CATALOGUE), expected)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an encoded data set."""
    folder = tmp_path_factory.mktemp("stored")
    write_interactions(folder / "shop.csv")
    pl.DataFrame([{"item_id": f"i{n}", "category": f"c{n % 3}"} for n in range(40)]).write_csv(folder / "items.csv")
    preprocess(str(folder / "shop.csv"), workspace=folder, options=PreprocessOptions(items=folder / "items.csv"))
    encode("shop", workspace=folder, options=EncodeOptions(encoders=("categories=category",)))
    return folder / "shop"


def test_rows_are_of_the_ids_that_were_encoded_or_of_none(shop: Path) -> None:
    vectors, dataset = read_item_vectors(shop), open_dataset(shop)
    ids, others = dataset.items["item_id"], pl.Series("item_id", [f"x{n}" for n in range(40)])
    reordered = with_items(dataset, dataset.items.reverse())
    elsewhere = replace(vectors, items_sha256="0" * 64)
    for stored, now, known, expected in (
        (vectors, dataset, others, ids),
        (elsewhere, dataset, others, ids),
        (elsewhere, reordered, ids, ids),
        (elsewhere, reordered, others, []),
    ):
        content = match_stored_content(stored, now, known)
        assert content.ids.to_list() == list(expected)
        assert len(content.vectors_VC) == len(content.ids)
        assert np.array_equal(content.of(dataset.items), vectors.vectors_VC)
