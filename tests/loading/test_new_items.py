"""Items that came after the training: which of them a model takes, and how its table of items goes on with them."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from adrec_cli.loading import new_items
from adrec_cli.loading.new_items import Known, NewItems, _add_items, _append
from adrec_cli.schema import COUNT, ITEM_ID, ITEM_INDEX
from tests.variants import small_model

IDS = [f"i{number}" for number in range(12)]


def table(ids: list[str]) -> pl.DataFrame:
    return pl.DataFrame(
        {ITEM_INDEX: range(1, len(ids) + 1), ITEM_ID: ids, COUNT: range(5, len(ids) + 5), "title": ids},
        schema={ITEM_INDEX: pl.Int32, ITEM_ID: pl.String, COUNT: pl.Int64, "title": pl.String},
    )


class _Content:
    """Content that says something of items with an even number alone."""

    def of(self, items: pl.DataFrame) -> np.ndarray:
        return np.array([[0.0, float(int(name[1:]) % 2 == 0)] for name in items[ITEM_ID]]).reshape(-1, 2)


@given(st.permutations(IDS), st.permutations(IDS), st.integers(1, 12), st.integers(0, 12))
@settings(deadline=None)
def test_an_item_is_known_added_or_nothing_is_known_of_it(
    known_ids: list[str], asked: list[str], known: int, count: int
) -> None:
    model = Known(model=None, metadata=None, items=table(known_ids[:known]))  # type: ignore[arg-type]
    asked = asked[:count]
    grown = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(new_items, "_regress", lambda *given: None)
        patch.setattr(new_items, "_grown", lambda known, content_NC, own: grown.append(content_NC.tolist()))
        found, news = _add_items(model, table(asked), _Content())  # type: ignore[arg-type]
    fresh = [name for name in asked if name not in known_ids[:known]]
    added = [name for name in fresh if int(name[1:]) % 2 == 0]
    silent = tuple(name for name in fresh if name not in added)
    assert news == NewItems(added=len(added), known=len(asked) - len(fresh), silent=silent)
    assert found.items[ITEM_ID].to_list() == [*known_ids[:known], *added]
    assert (found is model) == (not added)
    assert grown == ([[[0.0, 1.0]] * len(added)] if added else [])


def test_new_items_stand_behind_with_the_columns_there_are() -> None:
    items = table(["a", "b"]).with_columns(pl.Series("price", [1.5, None]))
    fresh = pl.DataFrame(
        {ITEM_INDEX: [7, 8], ITEM_ID: ["c", "d"], COUNT: [3, 4], "price": [2, None], "colour": ["r", "g"]}
    )
    found = _append(items, fresh)
    assert found.schema == items.schema
    assert found.rows() == [
        (1, "a", 5, "a", 1.5), (2, "b", 6, "b", None), (3, "c", 0, None, 2.0), (4, "d", 0, None, None),
    ]  # fmt: skip


def test_what_a_column_of_the_model_cannot_hold_is_not_known_of_a_new_item() -> None:
    items = table(["a"]).with_columns(pl.Series("price", [1.5]))
    fresh = pl.DataFrame({ITEM_INDEX: [7, 8], ITEM_ID: ["b", "c"], COUNT: [3, 4], "price": ["2.5", "on request"]})
    assert _append(items, fresh)["price"].to_list() == [1.5, 2.5, None]


@pytest.mark.parametrize("content", ["sum", "only"])
def test_where_nothing_is_known_of_items_with_events_new_ones_have_their_content_alone(content: str) -> None:
    """No item has both content and a vector of its own, from which a regression could learn."""
    model = small_model("sasrec", {"content": content, "content_width": 2}, items=12)
    model.give_content(torch.zeros(13, 2, dtype=torch.float16), torch.ones(13, dtype=torch.bool))
    before = model.item_vectors_VD().detach()
    metadata = SimpleNamespace(model="sasrec")
    found, news = _add_items(Known(model=model, metadata=metadata, items=table(IDS)), table(["i20"]), _Content())  # type: ignore[arg-type]
    assert news.added == 1
    grown = found.model.item_tables()[0]
    vectors = found.model.item_vectors_VD().detach()
    assert torch.equal(vectors[:-1], before)
    assert vectors[-1].any()
    assert grown.weight is None or not grown.weight[-1].any()
