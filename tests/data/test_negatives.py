"""Negatives of a file: the items of each user in the file's order, and one line for what does not fit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adrec_cli.data.negatives import count_negatives, read_negatives
from adrec_cli.errors import InputError

ITEMS = pl.DataFrame({"item_id": [f"i{n}" for n in range(1, 9)], "item_index": np.arange(1, 9, dtype=np.int32)})
ROWS = [("u1", "i1", ["i2", "i3"]), ("u2", "i4", ["i8", "i8"])]


def write(path: Path, rows: list[tuple[str, str, list[str] | None]]) -> Path:
    pl.DataFrame(
        rows,
        schema={"user_id": pl.String, "item_id": pl.String, "neg_items": pl.List(pl.String)},
        orient="row",
    ).write_parquet(path)
    return path


@given(st.data())
def test_each_user_gets_the_items_of_the_file_in_its_order(tmp_path_factory, data):
    count = data.draw(st.integers(1, 5))
    lists = st.lists(st.integers(1, 8), min_size=count, max_size=count)
    wanted = data.draw(st.lists(st.tuples(st.integers(1, 8), lists), min_size=1, max_size=6))
    rows = [(f"u{user}", f"i{target}", [f"i{item}" for item in some]) for user, (target, some) in enumerate(wanted)]
    path = write(tmp_path_factory.mktemp("negatives") / "negatives.parquet", rows[::-1])
    users, targets = [row[0] for row in rows], np.array([target for target, _ in wanted])
    found = read_negatives(path, user_ids=users, targets=targets, items=ITEMS)
    assert found.dtype == np.int64
    assert found.tolist() == [some for _, some in wanted]
    assert count_negatives(path) == count


@pytest.mark.parametrize(
    ("second", "said"),
    [
        (("u3", "i4", ["i8", "i8"]), "user 'u2' has no row"),
        (("u2", "i5", ["i8", "i8"]), "the target of user 'u2' is 'i5' there, another item in this dataset"),
        (("u2", "i4", ["i8", "new"]), "negative 'new' of user 'u2' is not among the dataset's items"),
        (("u2", "i4", ["i8", None]), "negative None of user 'u2' is not among the dataset's items"),
        (("u2", "i4", ["i8"]), r"users have different numbers of negatives: \[1, 2\]"),
        (("u2", "i4", None), "a row has no neg_items"),
    ],
)
def test_what_does_not_fit_is_said(tmp_path, second, said):
    path = write(tmp_path / "negatives.parquet", [ROWS[0], second])
    with pytest.raises(InputError, match=said):
        read_negatives(path, user_ids=["u1", "u2"], targets=np.array([1, 4]), items=ITEMS)


@pytest.mark.parametrize("separator", ["\t", ","])
@pytest.mark.parametrize("listed", ['["i2", "i3"]', "['i2', 'i3']", "[i2, i3]", "[i2 i3]"])
def test_text_has_tabs_or_commas_and_lists_as_programs_write_them(tmp_path, separator, listed):
    header, quoted = separator.join(("user_id", "item_id", "neg_items")), listed.replace('"', '""')
    path = tmp_path / "negatives.csv"
    path.write_text(f'{header}\nu1{separator}i1{separator}"{quoted}"\n')
    assert count_negatives(path) == 2
    assert read_negatives(path, user_ids=["u1"], targets=np.array([1]), items=ITEMS).tolist() == [[2, 3]]


@pytest.mark.parametrize("text", ["i2", "", "[[1]]", "[null]", '"[i2"'])
def test_what_is_no_list_is_shown(tmp_path, text):
    path = tmp_path / "negatives.tsv"
    path.write_text(f"user_id\titem_id\tneg_items\nu1\ti1\t{text}\n")
    with pytest.raises(InputError, match=r"neg_items") as caught:
        count_negatives(path)
    assert "one row per user" in str(caught.value.hint)


def test_no_row_of_a_user_takes_the_place_of_another(tmp_path):
    path = write(tmp_path / "negatives.parquet", [ROWS[0], ROWS[0]])
    assert read_negatives(path, user_ids=["u1"], targets=np.array([1]), items=ITEMS).tolist() == [[2, 3]]
    path = write(tmp_path / "negatives.parquet", [ROWS[0], ("u1", "i1", ["i4", "i5"])])
    with pytest.raises(InputError, match="user 'u1' has several rows"):
        read_negatives(path, user_ids=["u1"], targets=np.array([1]), items=ITEMS)


def test_ids_that_look_like_numbers_are_read_as_they_stand(tmp_path):
    """In ReChorus's form, too: "007" is nobody's "7", and "1e3" no thousand."""
    items = pl.DataFrame({"item_id": ["01", "1", "1e3", "1000"], "item_index": np.arange(1, 5, dtype=np.int32)})
    (tmp_path / "negatives.csv").write_text(
        'user_id\titem_id\tneg_items\n007\t01\t["1", "1e3"]\n7\t1\t["1000", "01"]\n'
    )
    found = read_negatives(tmp_path / "negatives.csv", user_ids=["7", "007"], targets=np.array([2, 1]), items=items)
    assert found.tolist() == [[4, 1], [2, 3]]
