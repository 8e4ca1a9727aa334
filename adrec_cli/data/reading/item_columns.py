"""Which column of an item file holds the ids, which the title, category, brand and price, and which are of events.

The column of ids is the one that is named; else the one called as in the item file before; else as in the events; else
the first with a customary name of an item's id; else the only one whose values match the items of the events.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import polars as pl

from adrec_cli.data.reading.column_names import Column, look_up_column
from adrec_cli.data.reading.decoding import Decoded
from adrec_cli.data.reading.metadata_columns import MetadataColumns
from adrec_cli.data.reading.recognition import recognise
from adrec_cli.data.reading.roles import resolve_column
from adrec_cli.data.reading.table import Table
from adrec_cli.errors import InputError
from adrec_cli.schema import BRAND, CATEGORY, ITEM_ID, PRICE, TITLE
from adrec_cli.wording import option, say_count

ENOUGH: Final = 0.5
"""Share of the items that a file has to know, unless its column of ids is named."""

_NAMES: Final[dict[str, tuple[str, ...]]] = {
    TITLE: (
        "title", "name", "movietitle", "productname", "producttitle", "prodname", "itemname", "itemtitle", "booktitle",
        "bookname", "appname", "artistname", "trackname", "songname", "gamename", "businessname", "productdisplayname",
        "displayname", "description", "productdescription", "itemdescription",
    ),
    CATEGORY: (
        "category", "categories", "categoryname", "itemcategory", "productcategory", "genres", "genre", "genrename",
        "class", "maincategory", "maincat", "categoryid", "producttype", "producttypename", "department", "tags",
    ),
    BRAND: ("brand", "brandname", "manufacturer", "maker", "vendor", "label"),
    PRICE: ("price", "unitprice", "listprice", "retailprice", "saleprice"),
}  # fmt: skip
"""What a column of an item file is customarily called, small letters only, the likeliest first."""

_OF_EVENTS: Final = ("user", "timestamp", "rating")


@dataclass(frozen=True, kw_only=True)
class EventItems:
    """What the events say about items.

    Attributes:
        ids: distinct raw ids.
        column: what their column is called; "" where nothing names it.
        others: what the columns of users, times and ratings are called.
    """

    ids: pl.Series
    column: str = ""
    others: Collection[str] = ()


@dataclass(frozen=True, kw_only=True)
class ItemColumns:
    """Positions, counted from 0, of the columns of an item file.

    Attributes:
        item: of the ids.
        named: whether the user, or a named data set, says so.
        found: `title`, `category`, `brand` and `price`, as far as they are there.
        flags: those whose names are categories.
        others: that are kept as they are.
        left_out: names of columns that are not kept, because they belong to events.
        repeated: names of columns of which only the first is read.
        reason: how the column of ids was found, in words.
    """

    item: int
    named: bool
    found: Mapping[str, int]
    flags: Sequence[int]
    others: Sequence[int]
    left_out: Sequence[str]
    repeated: Sequence[str]
    reason: str


def recognise_items(decoded: Decoded, columns: MetadataColumns, events: EventItems) -> Table:
    """Find out how an item file is written: a header by what items have, else neutral names, never those of events.

    Args:
        decoded: the plain file.
        columns: as far as they are named; one of them in the first row proves a header, as customary names do.
        events: whose items the file is about: a first row without their ids above rows with them is a header.

    Raises:
        InputError: empty, header only, or in no form that is read.
    """
    titled = recognise(decoded, header=True)
    if titled.layout not in ("delimited", "double-colon"):
        return titled
    named = {columns.item, columns.title, columns.category, events.column, *columns.before.values()}
    if any(name in named or _is_customary(name) for name in titled.columns) or _stands_out(titled, events.ids):
        return titled
    bare = recognise(decoded, header=False)
    return replace(bare, columns=tuple(f"column_{place + 1}" for place in range(len(bare.columns))), notes=())


def find_item_columns(
    table: Table, columns: MetadataColumns, events: EventItems, read_ids: Callable[[int], pl.Series]
) -> ItemColumns:
    """Find what each column of an item file means.

    Args:
        table: the recognised file.
        columns: as far as they are named.
        events: whose items the file is about.
        read_ids: returns the values of a column as ids.

    Raises:
        InputError: the column of ids is missing or ambiguous.
    """
    item, reason = _find_ids(table, columns, events, read_ids)
    flags = [table.columns.index(name) for name in columns.category_flags if name in table.columns]
    asked = {TITLE: columns.title, CATEGORY: columns.category}
    found: dict[str, int] = {}
    for role, names in _NAMES.items():
        taken = {item, *flags, *found.values()}
        position = _find(table, asked.get(role), (columns.before.get(role, ""), *names), taken)
        if position is not None and not (role == CATEGORY and flags):
            found[role] = position
    rest = [place for place in range(len(table.columns)) if place not in {item, *flags, *found.values()}]
    repeated = [place for place in rest if table.columns.index(table.columns[place]) < place]
    rest = [place for place in rest if place not in repeated]
    if columns.keep is not None:
        others = [place for place in rest if table.columns[place] in columns.keep]
    else:
        others = [place for place in rest if not _is_of_events(table.columns[place], events)]
    left_out = [table.columns[place] for place in rest if place not in others] if columns.keep is None else []
    return ItemColumns(
        item=item,
        named=columns.item is not None,
        found=found,
        flags=flags,
        others=others,
        left_out=left_out,
        repeated=list(dict.fromkeys(table.columns[place] for place in repeated)),
        reason=reason,
    )


def share_known(ids: pl.Series, values: pl.Series) -> float:
    """Return the share of ids that are among values."""
    return float(ids.is_in(values.unique().implode()).mean() or 0.0) if len(ids) else 1.0  # type: ignore[arg-type]


def examples(ids: pl.Series) -> str:
    """Return three ids, as a message shows them."""
    return ", ".join(repr(text) for text in ids.drop_nulls().cast(pl.String).head(3).to_list()) or "nothing"


def _find_ids(
    table: Table, columns: MetadataColumns, events: EventItems, read_ids: Callable[[int], pl.Series]
) -> tuple[int, str]:
    asked, before = columns.item, columns.before
    if asked is not None:
        return _require_column(table, asked), "as named"
    for name, reason in (
        (before.get(ITEM_ID), "as in the item file before"),
        (events.column, "called as in the events"),
    ):
        same = [place for place, one in enumerate(table.columns) if one == name]
        if same:
            return _require_one(table, same), reason
    known = [(look_up_column(name), place) for place, name in enumerate(table.columns)]
    ranked = sorted((entry[1], place) for entry, place in known if entry is not None and entry[0] == "item")
    if ranked:
        # `product` may be what it is called, not its id: what matches comes first.
        fitting = [(rank, place) for rank, place in ranked if share_known(events.ids, read_ids(place)) >= ENOUGH]
        likely = fitting or ranked
        return _require_one(table, [place for rank, place in likely if rank == likely[0][0]]), "found by its name"
    matching = [place for place in range(len(table.columns)) if share_known(events.ids, read_ids(place)) >= ENOUGH]
    if len(matching) == 1:
        return matching[0], "the only column whose values match the items"
    shown = matching or list(range(len(table.columns)))
    listing = "; ".join(f"{table.columns[place]!r} has {examples(read_ids(place))}" for place in shown)
    several = f"{say_count(len(matching), 'column')} that match" if matching else "no column that matches"
    raise InputError(
        f"{table.path} has {several} the items of the events, {examples(events.ids)}: {listing}",
        hint=f"name the column of ids, for example {option('items_column', table.columns[shown[0]])}",
    )


def _require_one(table: Table, places: Sequence[int]) -> int:
    """Return the only place; of several that are as good, none is taken.

    Raises:
        InputError: there are several.
    """
    if len(places) > 1:
        shown = " and ".join(f"column {place + 1}, {table.columns[place]}," for place in places)
        raise InputError(
            f"{table.path}: {shown} could each hold the ids of items",
            hint=f"say which it is, for example {option('items_column', places[0] + 1)}",
        )
    return places[0]


def _require_column(table: Table, asked: Column) -> int:
    position = resolve_column(table.columns, asked)
    if position is None:
        raise InputError(
            f"{table.path} has no column {asked!r}, it has: {', '.join(table.columns[:30])}",
            hint=f"give a name or a position from 1 to {len(table.columns)} with {option('items_column')}",
        )
    return position


def _find(table: Table, asked: Column | None, names: Sequence[str], taken: Collection[int]) -> int | None:
    if asked is not None:
        return _require_column(table, asked)
    free = {place: name for place, name in enumerate(table.columns) if place not in taken and name}
    return next((place for one in names for place, name in free.items() if one in (name, _plain(name))), None)


def _stands_out(table: Table, ids: pl.Series) -> bool:
    """Return whether a first row, taken as the header, holds no id of the events, as most of the others do."""
    cells = pl.Series([cell.strip() for row in (table.columns, *table.sample) for cell in row]).unique()
    known = set(cells.filter(cells.is_in(ids.implode())).to_list())
    first, *later = [any(cell.strip() in known for cell in row) for row in (table.columns, *table.sample)]
    return not first and sum(later) >= ENOUGH * len(later)


def _is_of_events(name: str, events: EventItems) -> bool:
    known = look_up_column(name)
    return name in events.others or (known is not None and known[0] in _OF_EVENTS)


def _is_customary(name: str) -> bool:
    return look_up_column(name) is not None or any(_plain(name) in names for names in _NAMES.values())


def _plain(name: str) -> str:
    return re.sub(r"[^a-z]", "", name.lower().split(":")[0])
