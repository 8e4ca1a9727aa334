"""Which items examples are made of: popular ones, of different categories as far as there are some."""

from __future__ import annotations

import itertools

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from adrec_cli.pages.markup import Html
from adrec_cli.reporting.examples import EXAMPLES, Examples, NamedItem, choose_items
from adrec_cli.reporting.examples_section import examples_section
from adrec_cli.schema import CATEGORY, COUNT, ITEM_ID

ROWS = st.lists(
    st.tuples(st.integers(0, 9), st.sampled_from([None, "a", "b", "c", "d", "e", "f"])), min_size=1, max_size=20
)


@given(rows=ROWS)
def test_examples_are_the_most_popular_items_of_each_category_first(rows) -> None:
    counts, categories = zip(*rows, strict=True)
    items = pl.DataFrame({ITEM_ID: [f"i{n:02}" for n in range(len(rows))], COUNT: counts, CATEGORY: categories},
                         schema_overrides={CATEGORY: pl.String})  # fmt: skip
    by_popularity = sorted(range(len(rows)), key=lambda row: (-counts[row], row))
    assert choose_items(items.drop(CATEGORY)) == [row + 1 for row in by_popularity[:EXAMPLES]]
    chosen = [item - 1 for item in choose_items(items)]
    assert len(chosen) == len(set(chosen)) == min(EXAMPLES, len(rows))
    best = [
        row
        for row in by_popularity
        if categories[row] is None or row == next(one for one in by_popularity if categories[one] == categories[row])
    ]
    expected = itertools.islice(itertools.chain(best, (row for row in by_popularity if row not in best)), EXAMPLES)
    assert chosen == list(expected)


def test_items_without_a_title_are_called_by_their_id_and_long_titles_are_cut() -> None:
    first, second = NamedItem(item_id="<1>", title=None), NamedItem(item_id="2", title="T" * 100)
    shown = examples_section(Examples(model="m", checkpoint_sha256="c" * 64, promoted=True, lists=[(first, [second])]))
    assert isinstance(shown, Html)
    assert "After <strong>&lt;1&gt;</strong>" in shown.text
    assert f"<li>{'T' * 79}… <code>2</code></li>" in shown.text
    assert ", promoted)" in shown.text
