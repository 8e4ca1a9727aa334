"""Columns as texts, and texts as words and runs of letters, in any script."""

from __future__ import annotations

import unicodedata

import polars as pl

LONGEST_TEXT = 20_000
"""Characters of an item's text that are read; what comes after them hardly changes its vector."""
_SHORTEST_RUN, _LONGEST_RUN = 2, 4
_WORD, _RUN = "w", "c"


class _Separators(dict[int, int]):
    """Blanks for all characters but letters, marks and digits, each looked up once."""

    def __missing__(self, code: int) -> int:
        # Marks belong to words: without them words in Devanagari or with combining accents would fall to pieces.
        self[code] = code if unicodedata.category(chr(code))[0] in "LMN" else 0x20
        return self[code]


_SEPARATORS = _Separators()


def join_texts(columns: pl.DataFrame) -> list[str]:
    """Return what columns say of each item as one text, "" where they say nothing; lists are read entry by entry."""
    parts = [_as_text(columns[name]).fill_null("") for name in columns.columns]
    joined = columns.select(pl.concat_str([pl.lit(part) for part in parts], separator="\n").alias("text"))
    return joined["text"].str.strip_chars().str.slice(0, LONGEST_TEXT).to_list()


def words_and_runs(text: str) -> list[str]:
    """Return the words of a text and the runs of 2 to 4 letters in them, which also serve scripts without blanks."""
    words = unicodedata.normalize("NFKC", text).casefold().translate(_SEPARATORS).split()
    found = [_WORD + word for word in words]
    for word in words:
        fenced = f" {word} "
        for length in range(_SHORTEST_RUN, _LONGEST_RUN + 1):
            found += [_RUN + fenced[start : start + length] for start in range(len(fenced) - length + 1)]
    return found


def _as_text(column: pl.Series) -> pl.Series:
    if isinstance(column.dtype, (pl.List, pl.Array)):
        listed = column.cast(pl.List(pl.String), strict=False)
        return listed.list.join(" ", ignore_nulls=True)
    return column.cast(pl.String, strict=False)
