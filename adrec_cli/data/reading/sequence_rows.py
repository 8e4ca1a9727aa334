"""Which columns of a file hold lists, one row per sequence or a basket, and the table of events they become."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import polars as pl

from adrec_cli.data.reading.column_names import ROLES, Column, Role, look_up_column, time_name
from adrec_cli.data.reading.list_cells import Cells, find_cells, find_time_cells
from adrec_cli.data.reading.offered_columns import OfferedColumn, event_type, offer_columns, require_one, sample_records
from adrec_cli.data.reading.recognition import SAMPLE_ROWS
from adrec_cli.data.reading.roles import RoleRequest, find_known
from adrec_cli.data.reading.scanning import scan
from adrec_cli.data.reading.table import Table, Unfolding
from adrec_cli.errors import InputError
from adrec_cli.wording import option

_ITEM_LISTS: Final = (
    "items", "itemids", "sequence", "itemsequence", "history", "train", "itemlist", "itemidlist", "itemseq"
)  # fmt: skip
_TIME_LISTS: Final = ("timestamps", "times", "timestamplist", "timeseq", "tss")
_VALID: Final = ("val", "valid", "validation", "dev")


def unfold(
    table: Table, request: RoleRequest, *, cells: Cells | None = None, wanted: Collection[Column] = ()
) -> tuple[Table, RoleRequest]:
    """Return a file as a table of events: itself, unless its items stand in lists or what is asked for in objects.

    Args:
        table: the recognised file.
        request: what is asked for about the roles.
        cells: how lists of items were written in the files before; None finds it.
        wanted: other columns that will be looked at.

    Returns:
        the table, and the request with what was found about the items and the times.

    Raises:
        InputError: what is asked for holds objects, or lists where there can be none.
    """
    columns = offer_columns(table)
    _refuse_objects(table, [found for role in ROLES for found in _find_objects(table, columns, role, request)])
    item = _find_items(table, columns, request, cells)
    nested = (item is not None and columns[item].leaf.path) or _asks_for_nested(table, columns, request, wanted)
    if item is None and not nested:
        return table, request
    held_out = None if item is None else _find_held_out(table, columns, item)
    timestamp = None if item is None or held_out is not None else _find_times(table, columns, item, request)
    lists = {place for place in (item, timestamp) if place is not None}
    if item is not None and columns[item].leaf.cells in ("value", "list"):
        beside = {place for place, column in enumerate(columns) if column.is_list}
        asked = {_place(table, columns, one, exact=False) for one in (*wanted, *_columns_of(request, columns))}
        lists |= {place for place in beside if place in asked or _parallel(table, columns[item], columns[place])}
    columns = [_as_list(column) if place in lists else column for place, column in enumerate(columns)]
    shown = columns if nested else columns[: len(table.columns)]
    unfolding = Unfolding(
        rows=table,
        leaves=tuple(column.leaf for column in shown),
        item=item,
        timestamp=timestamp,
        held_out=held_out,
        types=_types(table, shown, held_out),
    )
    events = replace(table, columns=tuple(column.name for column in shown), unfolding=unfolding)
    events = _add_sample(events, shown)
    return events, _add_places(request, item, timestamp)


def _add_places(request: RoleRequest, item: int | None, timestamp: int | None) -> RoleRequest:
    """Return the request with the columns of the lists that were found."""
    if item is not None:
        request = replace(request, item=item + 1, exact=tuple(role for role in request.exact if role != "item"))
    if timestamp is not None:
        exact = tuple(role for role in request.exact if role != "timestamp")
        request = replace(request, timestamp=timestamp + 1, exact=exact)
    return request


def _find_items(table: Table, columns: list[OfferedColumn], request: RoleRequest, cells: Cells | None) -> int | None:
    """Return the place of the column whose cells hold several items, None if there is none; its leaf says how."""
    if table.layout == "sequences":
        return 1
    if request.item is not None:
        place = _place(table, columns, request.item, exact="item" in request.exact)
        return None if place is None or not _hold_lists(table, columns, place, cells, asked=True) else place
    single = [column for column in columns[: len(table.columns)] if not column.is_list and not column.fields]
    # A list beside a column of single items is a feature (a history, say), not the sequence.
    if any((look_up_column(column.name) or ("",))[0] == "item" for column in single if not _brackets(table, column)):
        return None
    plain = [_plain(column.own_name) for column in columns]
    listed = [place for name in _ITEM_LISTS for place, one in enumerate(plain) if one == name]
    known = [place for place, one in enumerate(columns) if (look_up_column(one.own_name) or ("",))[0] == "item"]
    hold = [place for place in (*listed, *known) if _hold_lists(table, columns, place, cells, asked=False)]
    if not hold:
        return None
    require_one(table, columns, "item", [place for place in hold if _mean_the_same(columns[hold[0]], columns[place])])
    return hold[0]


def _mean_the_same(one: OfferedColumn, other: OfferedColumn) -> bool:
    """Return whether two names say the same; what lies within objects comes behind what does not."""
    if bool(one.leaf.path) != bool(other.leaf.path):
        return False
    known = look_up_column(one.own_name)
    alike = known is not None and look_up_column(other.own_name) == known
    return alike or _plain(one.own_name) == _plain(other.own_name)


def _hold_lists(table: Table, columns: list[OfferedColumn], place: int, cells: Cells | None, *, asked: bool) -> bool:
    column = columns[place]
    if column.is_list:
        return True
    if column.dtype != pl.String or column.leaf.path:
        return False
    found = cells or find_cells(
        _sample(table, column.leaf.place), is_list_name=_plain(column.name) in _ITEM_LISTS, is_asked=asked
    )
    columns[place] = replace(column, leaf=replace(column.leaf, cells=found))
    return found not in ("value", "list")


def _find_times(table: Table, columns: list[OfferedColumn], item: int, request: RoleRequest) -> int | None:
    """Return the place of the list of times beside a list of items, None if there is none."""
    asked = request.find_asked("timestamp", [column.name for column in columns])
    if asked:
        places = [_place(table, columns, one, exact="timestamp" in request.exact) for one in asked]
        # Of several columns each is a part of the time, and none a list of times.
        candidates = [place for place in places if place is not None] if len(places) == 1 else []
    else:
        parent = columns[item].leaf.path[:-1], columns[item].leaf.place if columns[item].leaf.path else -1
        candidates = [
            place
            for place, one in enumerate(columns)
            if place != item
            and (_plain(one.own_name) in _TIME_LISTS or time_name(one.own_name) in ("certain", "known"))
            and (one.leaf.path[:-1], one.leaf.place if one.leaf.path else -1) == parent
        ]
    hold = [place for place in candidates if _hold_times(table, columns, place, item)]
    certain = [place for place in hold if _is_certain_time(columns[place])]
    decided = certain or hold
    if len(decided) > 1 and request.rows_in_order:
        return None
    require_one(table, columns, "timestamp", decided)
    return next(iter(decided), None)


def _is_certain_time(column: OfferedColumn) -> bool:
    return _plain(column.own_name) in _TIME_LISTS or time_name(column.own_name) == "certain"


def _hold_times(table: Table, columns: list[OfferedColumn], place: int, item: int) -> bool:
    column = columns[place]
    if column.is_list:
        return True
    found = _time_cells(table, column, columns[item])
    if found == "value":
        return False
    columns[place] = replace(column, leaf=replace(column.leaf, cells=found))
    return True


def _time_cells(table: Table, column: OfferedColumn, items: OfferedColumn) -> Cells:
    """Return how a column of text writes lists of times: with brackets, or as the items beside it."""
    if column.dtype != pl.String or column.leaf.path:
        return "value"
    values = _sample(table, column.leaf.place)
    found = find_cells(values, is_list_name=False, is_asked=False)
    if found == "value" and items.leaf.cells in ("|", ",", ";", " "):
        return find_time_cells(values, _sample(table, items.leaf.place), items.leaf.cells)
    return found


def _parallel(table: Table, items: OfferedColumn, other: OfferedColumn) -> bool:
    """Return whether the first rows' lists have as many entries as those of the items."""
    if table.layout != "jsonl":
        return items.leaf.place == other.leaf.place and bool(items.leaf.path) and bool(other.leaf.path)
    lengths = [[len(_at(record, table, one) or ()) for record in sample_records(table)] for one in (items, other)]
    return lengths[0] == lengths[1]


def _at(record: Mapping[str, Any], table: Table, column: OfferedColumn) -> list[Any] | None:
    value = record.get(table.columns[column.leaf.place])
    return value if isinstance(value, list) else None


def _find_held_out(table: Table, columns: list[OfferedColumn], item: int) -> tuple[int, int] | None:
    names = [_plain(column.name) for column in columns]
    valid = next((names.index(name) for name in _VALID if name in names), None)
    if names[item] != "train" or valid is None or "test" not in names:
        return None
    for place in (valid, names.index("test")):
        column = columns[place]
        if column.dtype == pl.String and columns[item].leaf.cells not in ("value", "list"):
            cells = find_cells(_sample(table, column.leaf.place), is_list_name=True, is_asked=False)
            columns[place] = replace(column, leaf=replace(column.leaf, cells=cells))
    return valid, names.index("test")


def _find_objects(
    table: Table, columns: Sequence[OfferedColumn], role: Role, request: RoleRequest
) -> list[tuple[Role, OfferedColumn]]:
    """Return the columns of objects that are asked for in a role, or that have the role by their name."""
    names = [column.name for column in columns]
    asked = [_place(table, columns, one, exact=role in request.exact) for one in request.find_asked(role, names)]
    if not asked and role != "timestamp":
        asked = [find_known(names[: len(table.columns)], role, ())]
    places = [place for place in asked if place is not None]
    return [(role, columns[place]) for place in places if columns[place].fields and not columns[place].is_list]


def _refuse_objects(table: Table, found: Sequence[tuple[Role, OfferedColumn]]) -> None:
    """Refuse columns of objects where values are expected, all of them at once."""
    if not found:
        return
    held = " and ".join(
        f"column {column.name!r} holds objects of {', '.join(column.fields[:10])}" for _, column in found
    )
    roles = " and ".join(f"the {role}" for role, _ in found)
    inner = " ".join(option(f"{role}_column", f"{column.name}.{_likely(column, role)}") for role, column in found)
    raise InputError(
        f"{table.path}: {held}, expected one value for {roles}",
        hint=f"name what lies in them, for example {inner}",
    )


def _likely(column: OfferedColumn, role: Role) -> str:
    """Return the field of a column of objects that is most likely of a role: by its name, an id, or the first."""
    known = find_known(column.fields, role, ())
    if known is not None:
        return column.fields[known]
    return "id" if "id" in column.fields and role != "timestamp" else column.fields[0]


def _asks_for_nested(
    table: Table, columns: Sequence[OfferedColumn], request: RoleRequest, wanted: Collection[Column]
) -> bool:
    inner = {column.name for column in columns[len(table.columns) :]}
    return bool(inner.intersection([*wanted, *_columns_of(request, columns)]))


def _columns_of(request: RoleRequest, columns: Sequence[OfferedColumn]) -> list[Column]:
    names = [column.name for column in columns]
    return [column for role in ROLES for column in request.find_asked(role, names)]


def _place(table: Table, columns: Sequence[OfferedColumn], asked: Column, *, exact: bool) -> int | None:
    """Return the place, from 0, of a column by a name that stands once, or by its position in the file, from 1."""
    if isinstance(asked, str) and (exact or not asked.isdecimal()):
        places = [place for place, column in enumerate(columns) if column.name == asked]
        return places[0] if len(places) == 1 else None
    return int(asked) - 1 if 1 <= int(asked) <= len(table.columns) else None


def _as_list(column: OfferedColumn) -> OfferedColumn:
    if column.leaf.cells != "value":
        return column
    return replace(column, leaf=replace(column.leaf, cells="list"))


def _types(table: Table, columns: Sequence[OfferedColumn], held_out: tuple[int, int] | None) -> dict[str, pl.DataType]:
    """Return the types of the columns of JSON lines that are read as lists or objects."""
    if table.layout != "jsonl":
        return {}
    whole = {column.leaf.place: column.dtype for column in columns if not column.leaf.path}
    read = {column.leaf.place for column in columns if column.leaf.path or column.leaf.cells == "list"}
    read |= {columns[place].leaf.place for place in held_out or () if columns[place].is_list}
    return {table.columns[place]: whole[place] for place in sorted(read)}


def _add_sample(table: Table, columns: Sequence[OfferedColumn]) -> Table:
    """Return a table of events with the types of its columns and its first events as text."""
    dtypes = tuple(event_type(column) for column in columns) if table.dtypes else ()
    table = replace(table, dtypes=dtypes, sample=())
    apart = () if table.unfolding is None else table.unfolding.held_out or ()
    places = [place for place in range(len(columns)) if place not in apart]
    try:
        events = scan(table, places, rows=SAMPLE_ROWS).collect()
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
        # A row that cannot be read is found, and reported, when all are.
        return table
    rows = events.head(SAMPLE_ROWS).rows(named=True)
    texts = [tuple(_format_value(row.get(f"c{place}")) for place in range(len(columns))) for row in rows]
    return replace(table, sample=tuple(texts))


def _format_value(value: object) -> str:
    return "" if value is None else str(value)


def _sample(table: Table, place: int) -> list[str]:
    return [row[place] for row in table.sample if len(row) > place]


def _brackets(table: Table, column: OfferedColumn) -> bool:
    return column.dtype == pl.String and not column.leaf.path and find_cells(
        _sample(table, column.leaf.place), is_list_name=False, is_asked=False
    ) == "bracketed"  # fmt: skip


def _plain(name: str) -> str:
    return re.sub(r"[^a-z]", "", name.lower().split(":")[0])
