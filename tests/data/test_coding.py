"""Ids stay text, and their order is the documented one."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adrec_cli.data import coding
from adrec_cli.data.coding import encode
from tests.examples import tries


def ids_of(values: list[str]) -> list[str]:
    return encode(pl.Series(values).cast(pl.Categorical))[1].to_list()


def test_whole_numbers_compare_as_numbers() -> None:
    assert ids_of(["10", "9", "007", "7", "-1", "9223372036854775807", "9223372036854775808"]) == [
        "-1", "007", "7", "9", "10", "9223372036854775807", "9223372036854775808",
    ]  # fmt: skip


def test_other_ids_compare_by_code_point() -> None:
    assert ids_of(["b", "10", "9", "é", "e\u0301", "Z", "日"]) == ["10", "9", "Z", "b", "e\u0301", "é", "日"]


@given(st.lists(st.text(st.characters(exclude_categories=("Cs",)), min_size=1), min_size=1))
@settings(max_examples=tries(60), deadline=None)
def test_text_ids_come_back(values: list[str]) -> None:
    codes, ids = encode(pl.Series(values, dtype=pl.String).cast(pl.Categorical))
    assert [ids[int(code)] for code in codes] == values
    assert ids.n_unique() == len(ids)


@given(
    st.sampled_from(["", "customer-", "é", "\0"]),
    st.lists(
        st.text(st.sampled_from("ab9\0é日"), min_size=1, max_size=4)
        | st.sampled_from(["a", "a\0", "aaaaaaaab", "aaaaaaaaa", "aaaaaaaa", "aaaaaaaa\0"]),
        min_size=1,
        max_size=30,
    ),
)
@settings(max_examples=tries(150), deadline=None)
def test_text_ids_are_ascending_whatever_they_begin_with(prefix: str, ends: list[str]) -> None:
    values = [f"{prefix}{end}" for end in [*ends, "x"]]
    assert ids_of(values) == sorted(set(values), key=str.encode)


@pytest.mark.parametrize("sparse", [0, 10**9])
def test_ids_come_back_however_many_others_the_process_has_met(sparse: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coding, "_MOST_SPARSE", sparse)
    monkeypatch.setattr(coding, "_CHUNK", 7)
    values = [f"n{number * 7 % 11}" for number in range(40)]
    codes, ids = encode(pl.Series(values, dtype=pl.String).cast(pl.Categorical))
    assert [ids[int(code)] for code in codes] == values
    assert ids.to_list() == sorted(set(values))


@pytest.mark.parametrize("dtype", [pl.Int8, pl.Int32, pl.Int64, pl.UInt64])
def test_integer_ids_of_any_width_come_back(dtype: type[pl.DataType]) -> None:
    values = [5, 0, 127, 5, 3]
    codes, ids = encode(pl.Series(values, dtype=dtype))
    assert ids.to_list() == ["0", "3", "5", "127"]
    assert [int(ids[int(code)]) for code in codes] == values


def test_extreme_integers_come_back() -> None:
    values = [2**63 - 1, -(2**63), 0, 2**63 - 1]
    codes, ids = encode(pl.Series(values, dtype=pl.Int64))
    assert [int(ids[int(code)]) for code in codes] == values
