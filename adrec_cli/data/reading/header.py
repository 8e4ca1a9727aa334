"""Whether the first row of a delimited file names its columns, and what the columns are called if nothing does."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Final

from adrec_cli.data.reading.column_names import look_up_column, names_an_id
from adrec_cli.data.reading.time_columns import column_content
from adrec_cli.errors import InputError
from adrec_cli.wording import option, option_as_typed

_NUMBER: Final = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?")
_CLASSIC_COLUMNS: Final = {
    2: ("user_id", "item_id"),
    3: ("user_id", "item_id", "timestamp"),
    4: ("user_id", "item_id", "rating", "timestamp"),
}
_FEW: Final = 2
"""So few values in a first column, where the third has many, are labels: of clicks and purchases, say."""
_ENOUGH_ROWS: Final = 10


def has_header(rows: Sequence[Sequence[str]], path: Path, *, named: Collection[str] = ()) -> bool:
    """Return whether the first row names the columns.

    A header is proven by a name that was asked for, by customary names, by a name of ids (`course_id`), by the row of
    numbers pandas writes above unnamed columns, or by columns of numbers under a row without any. Customary names are
    values where one is repeated below, a header where all of them do.

    Args:
        rows: the first ones, split into fields; at least one.
        path: of the file, for messages.
        named: names of columns that were asked for.

    Raises:
        InputError: the first row is text like the others, but holds none of their values: it may be either.
    """
    first, later = [cell.strip() for cell in rows[0]], rows[1:]
    if set(named) & set(first) or _is_pandas_numbering(first) or (names_columns(first) and _comes_again(first, later)):
        return True
    again = [any(len(row) > place and row[place].strip() == cell for row in later) for place, cell in enumerate(first)]
    known = sum(look_up_column(cell) is not None and not again[place] for place, cell in enumerate(first))
    numbers = any(_NUMBER.fullmatch(cell) for cell in first)
    if known >= 2 or (known == 1 and not numbers):
        return True
    if numbers or not later:
        return False
    if any(names_an_id(cell) and not _any_names_an_id(later, place) for place, cell in enumerate(first)):
        return True
    for place in range(len(first)):
        below = [row[place].strip() if len(row) > place else "" for row in later]
        if all(_NUMBER.fullmatch(cell) for cell in below):
            return True
        if column_content(below) == "dates" and column_content([first[place]]) != "dates":
            return True
    if any(again) or any(re.search(r"\d", cell) for cell in first) or len(later) < _FEW:
        return False
    shown = ", ".join(first)
    raise InputError(
        f"{path}, line 1: it is unclear whether {shown[:80]!r} names the columns or is a row",
        hint=f"say {option('header', True)} or {option('header', False)}",
    )


def names_columns(row: Sequence[str]) -> bool:
    """Return whether a row holds so many customary names of columns that it is not a row of data."""
    return sum(look_up_column(cell) is not None for cell in row) >= 2 and not any(map(_NUMBER.fullmatch, row))


def assume_names(rows: Sequence[Sequence[str]]) -> tuple[tuple[str, ...], list[str]]:
    """Name the columns of a file without header by the order such files customarily have.

    Args:
        rows: the first ones.

    Returns:
        the names, `column_1`... where the values contradict the customary order; and what was assumed.
    """
    width = len(rows[0])
    names = _CLASSIC_COLUMNS.get(width)
    filled = [row for row in rows if len(row) == width]
    if names is None or not _fits_customary_order(filled, width):
        return tuple(f"column_{i + 1}" for i in range(width)), []
    asin, reviewer = r"B[0-9A-Z]{9}|\d{9}[\dX]", r"A[0-9A-Z]{9,20}"
    if all(re.fullmatch(asin, row[0]) and re.fullmatch(reviewer, row[1]) for row in filled):
        return ("item_id", "user_id", *names[2:]), ["taken as item, user, ... because the ids are Amazon's"]
    return names, [f"columns taken as {', '.join(names)}; name others by position, {option_as_typed('user_column', 2)}"]


def _comes_again(first: Sequence[str], later: Sequence[Sequence[str]]) -> bool:
    """Return whether the first row stands below as well, as in files that were put behind one another."""
    return any([cell.strip() for cell in row] == first for row in later)


def _any_names_an_id(rows: Sequence[Sequence[str]], place: int) -> bool:
    return any(len(row) > place and names_an_id(row[place]) for row in rows)


def _is_pandas_numbering(first: Sequence[str]) -> bool:
    """Return whether a row is what pandas writes above unnamed columns and beside its index: ",0,1,2"."""
    return len(first) > 1 and first[0] == "" and list(first[1:]) == [str(number) for number in range(len(first) - 1)]


def _fits_customary_order(rows: Sequence[Sequence[str]], width: int) -> bool:
    """Return whether the values of user, item, rating, timestamp are what they should be in a file of this width."""
    contents = [column_content([row[place] for row in rows]) for place in range(width)]
    if width == 2:
        return not any(content in ("dates", "clock") for content in contents)
    if any(content in ("dates", "clock") for content in contents[:-1]) or contents[-1] in ("text", "clock"):
        return False
    if width == 3:
        return True
    ratings = [row[2].strip() for row in rows]
    labels = len({row[0] for row in rows}) <= _FEW and len(set(ratings)) > _ENOUGH_ROWS
    return sum(_NUMBER.fullmatch(rating) is not None for rating in ratings) * 2 > len(ratings) and not labels
