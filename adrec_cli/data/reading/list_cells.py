"""Cells of text that hold a list: how it is written, found from the first rows, and how it is taken apart."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Sequence
from typing import Final, Literal

import polars as pl

from adrec_cli.data.reading.time_shapes import find_shape

Cells = Literal["value", "list", "bracketed", "|", ",", ";", " ", "\t"]
"""What a cell holds: one value, a list as its type says, a list written with brackets, or one with a separator."""

_SEPARATORS: Final[tuple[Cells, ...]] = ("|", ",", ";", " ")
SEPARATED: Final[tuple[Cells, ...]] = (*_SEPARATORS, "\t")
"""What may separate the items of a line that is one sequence."""
_BRACKETED: Final = re.compile(r"\s*(\[.*\]|\(.*\))\s*", re.S)
# A quoted text as JSON and Python write it, or a bare word.
_ENTRY: Final = re.compile(r"""\s*('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[^\s,'"\[\]]+)\s*(?:,|(?=\s|$|'|"))""", re.S)
# Not a list beyond doubt: Reddit's deleted users are called so.
_ONE_WORD: Final = re.compile(r"\s*\[[^\W\d]\w*\]\s*")
# Seconds since 1970, with less than seconds since 1970 behind the comma.
_DECIMAL_COMMA: Final = re.compile(r"\d{9,},\d{1,8}")
_LETTERED_NUMBER: Final = re.compile(r"[A-Za-z]{0,4}[-_]?\d+")


def find_cells(values: Sequence[str], *, is_list_name: bool, is_asked: bool) -> Cells:
    """Return what the cells of a column of text hold, by its first values.

    Brackets are unmistakable. A separator makes a list only of a column that a name or an option says to hold items:
    in at least half of the cells, around words that look like ids.

    Args:
        values: the first ones.
        is_list_name: whether the column has a customary name of lists of items.
        is_asked: whether it was asked for as the column of items.
    """
    filled = [value for value in values if value.strip()]
    if not filled:
        return "value"
    bracketed = all(_BRACKETED.fullmatch(value) for value in filled)
    if bracketed and not all(_ONE_WORD.fullmatch(value) for value in filled):
        return "bracketed"
    if not (is_list_name or is_asked):
        return "value"
    for separator in _SEPARATORS:
        words = [value.strip().split(separator) for value in filled]
        several = sum(len(one) > 1 for one in words)
        every = (word.strip() for one in words for word in one)
        if several * 2 >= len(filled) and all(_is_id(word, separator, is_list_name) for word in every):
            return separator
    return "value"


def look_like_several(values: Sequence[str]) -> bool:
    """Return whether half of the cells or more may be several ids as well as a name of several words."""
    filled = [value for value in values if value]
    several = sum(any(separator in value for separator in _SEPARATORS) for value in filled)
    return bool(several) and several * 2 >= len(filled)


def find_time_cells(times: Sequence[str], items: Sequence[str], separator: Cells) -> Cells:
    """Return what the cells of times beside lists of items hold: a list written as the items are, or one time.

    Many a time has blanks or commas in it. So it is a list where most cells have as many entries as those of the items,
    unless each reads as one time.

    Args:
        times: the first cells of the column, as text.
        items: the cells beside them.
        separator: of the items.
    """
    filled = [(time.strip(), item.strip()) for time, item in zip(times, items, strict=False) if time.strip()]
    several = [(time, item) for time, item in filled if separator in time]
    if not several or all(_is_one_time(time) for time, _ in several):
        return "value"
    alike = sum(len(time.split(separator)) == len(item.split(separator)) for time, item in filled)
    return separator if alike * 2 >= len(filled) else "value"


def _is_one_time(text: str) -> bool:
    # Three small numbers are places rather than a date.
    bare = re.fullmatch(r"[\d\s]+", text) is not None
    return (not bare and find_shape(text) is not None) or _DECIMAL_COMMA.fullmatch(text) is not None


def split_cells(column: pl.Expr, cells: Cells) -> pl.Expr:
    """Return lists of text for cells that hold them; null for a cell that holds none.

    Args:
        column: text.
        cells: how the lists are written; not "value" and not "list".
    """
    if cells == "bracketed":
        return column.map_batches(_parse_series, return_dtype=pl.List(pl.String), is_elementwise=True)
    bare = column.str.strip_chars()
    words = bare.str.split(cells).list.eval(pl.element().str.strip_chars())
    if cells == " ":
        words = words.list.eval(pl.element().filter(pl.element() != ""))
    return pl.when(bare != "").then(words)


def parse_list(text: str) -> list[str | None] | None:
    """Return the entries of a list as JSON, Python or NumPy writes it; None if the text is none.

    Nothing is evaluated: entries are numbers, bare words, or quoted texts.
    """
    if not _BRACKETED.fullmatch(text):
        return None
    try:
        entries = json.loads(text)
    except (ValueError, RecursionError):
        return _parse_words(text.strip()[1:-1])
    if any(isinstance(entry, (list, dict)) for entry in entries):
        return None
    return [None if entry is None else entry if isinstance(entry, str) else json.dumps(entry) for entry in entries]


def _parse_words(text: str) -> list[str | None] | None:
    entries: list[str | None] = []
    place = 0
    while text[place:].strip():
        found = _ENTRY.match(text, place)
        # NumPy leaves out the middle of a long list.
        if found is None or found[1] == "...":
            return None
        entries.append(_unquote(found[1]))
        place = found.end()
    return entries


def _unquote(word: str) -> str | None:
    if word[0] not in "'\"":
        return None if word in ("None", "null", "nan") else word
    try:
        return str(ast.literal_eval(word))
    except (ValueError, SyntaxError):
        return word[1:-1]


def _parse_series(cells: pl.Series) -> pl.Series:
    return pl.Series(
        cells.name, [None if text is None else parse_list(text) for text in cells.to_list()], dtype=pl.List(pl.String)
    )


def _is_id(word: str, separator: str, is_list_name: bool) -> bool:
    if not word:
        # Runs of blanks separate as one does.
        return separator == " "
    if is_list_name or separator == "|":
        return not re.search(r"[\s\[\]{}\"']", word)
    return _LETTERED_NUMBER.fullmatch(word) is not None
