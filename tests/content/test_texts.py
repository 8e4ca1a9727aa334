"""Texts as words and runs of letters, and columns as texts, against plain versions of both."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adrec_cli.content.options import EncodeOptions
from adrec_cli.content.texts import LONGEST_TEXT, join_texts, words_and_runs
from adrec_cli.errors import UsageError


@given(st.lists(st.text("abcäß日本7", min_size=1, max_size=6), max_size=3), st.sampled_from([" ", ", ", "-", "\n"]))
def test_a_text_is_its_words_and_every_run_of_two_to_four_letters(words: list[str], between: str) -> None:
    folded = [word.casefold() for word in words]
    runs = [
        "c" + f" {word} "[start : start + length]
        for word in folded
        for length in (2, 3, 4)
        for start in range(len(word) + 2 - length + 1)
    ]
    assert sorted(words_and_runs(between.join(words))) == sorted([*(f"w{word}" for word in folded), *runs])


def test_columns_are_joined_entry_by_entry_and_cut() -> None:
    table = pl.DataFrame(
        {
            "title": ["a", None, " ", "x" * LONGEST_TEXT], "tags": [["b", None, "c"], ["d"], [], None],
            "year": [1, None, None, 9],
        }
    )  # fmt: skip
    assert join_texts(table) == ["a\nb c\n1", "d", "", "x" * LONGEST_TEXT]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"like": "shop"}, ""), ({"encoders": ("tfidf",)}, ""), ({"width": 7}, ""),
        ({"like": "shop", "encoders": ("tfidf",)}, "are taken as they are"),
        ({"like": "shop", "width": 7}, "have their own widths"),
        ({"vectors": ("a/v.npy", "b/v.npy")}, "two files of vectors are called 'v.npy'"),
        ({"vectors": ("a/v.npy", "a/w.npy"), "like": "shop"}, ""),
        ({"width": 0}, "width"), ({"width": -1}, "width"), ({"encoders": ("bert",)}, ""),
    ],
)  # fmt: skip
def test_options_that_do_not_go_together_are_refused(given: dict[str, object], said: str) -> None:
    told = {**given, **({"vectors": tuple(map(Path, given["vectors"]))} if "vectors" in given else {})}  # type: ignore[call-overload]
    if not said:
        assert EncodeOptions(**told)  # type: ignore[arg-type]
    else:
        with pytest.raises(UsageError, match=said):
            EncodeOptions(**told)  # type: ignore[arg-type]
