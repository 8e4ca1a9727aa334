"""A question's choice of items is a batch's, and what is unknown is said."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adrec_cli.errors import InputError
from adrec_cli.recommending.item_choice import ItemChoice
from adrec_cli.serving.choice import Catalogue, Choice
from tests.examples import tries

ITEMS = pl.DataFrame(
    {
        "item_index": pl.Series(range(1, 8), dtype=pl.Int32),
        "item_id": ["a", "b", "c", "007", "7", "é", "x,y"],
        "count": [0, 1, 2, 3, 4, 5, 6],
        "category": ["tea", "tea|black", None, "", "black|tea|tea", "milk", "tea bags"],
    }
)
IDS = st.lists(st.sampled_from([*ITEMS["item_id"].to_list(), "nothing", "A"]), max_size=5)


@settings(deadline=None, max_examples=tries(200), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    candidates=st.none() | IDS.filter(bool),
    exclude=IDS,
    categories=st.lists(st.sampled_from(["tea", "black", "milk", "tea bags"]), max_size=2),
    min_count=st.integers(0, 8),
)
def test_a_question_chooses_as_a_batch_does(tmp_path: Path, candidates, exclude, categories, min_count) -> None:
    files = {}
    for name, ids in (("candidates", candidates), ("excluded", exclude or None)):
        if ids is not None:
            files[name] = tmp_path / f"{name}.jsonl"
            pl.DataFrame({"item_id": ids}).write_ndjson(files[name])
    batch = ItemChoice(categories=tuple(categories), min_count=min_count, **files)
    choice = Choice(
        candidates=None if candidates is None else tuple(candidates), exclude=tuple(exclude),
        categories=tuple(categories), min_count=min_count,
    )  # fmt: skip
    try:
        indices, unknown = batch.indices(ITEMS)
    except InputError:
        with pytest.raises(InputError):
            Catalogue(ITEMS).find_allowed(choice)
        return
    found, missed = Catalogue(ITEMS).find_allowed(choice)
    assert (None if found is None else found.tolist()) == (None if indices is None else indices.tolist())
    assert sorted(set(missed)) == sorted(set(unknown))


def test_a_category_that_nobody_knows() -> None:
    with pytest.raises(InputError, match="unknown category 'coffee'"):
        Catalogue(ITEMS).find_allowed(Choice(categories=("coffee",)))
    with pytest.raises(InputError, match="unknown category"):
        Catalogue(ITEMS.drop("category")).find_allowed(Choice(categories=("tea",)))
