"""A preprocessed data set in the forms other libraries read: events with their parts, or S3-Rec's lines of numbers."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import polars as pl

from adrec_cli.artifacts.atomic import replacing, write_bytes
from adrec_cli.artifacts.outputs import require_free_output, require_no_source
from adrec_cli.data.cell_values import split_values
from adrec_cli.data.reading.list_cells import find_cells
from adrec_cli.data.reading.recognition import SAMPLE_ROWS
from adrec_cli.errors import InputError
from adrec_cli.schema import (
    CATEGORY,
    COUNT,
    ITEM_ID,
    ITEM_INDEX,
    ITEMS,
    TIMESTAMPS,
    TRAIN_END,
    USER_ID,
    VALID_END,
)
from adrec_cli.wording import command, option

PARTS: Final = ("train", "valid", "test")
_PART, _TIME = "part", "timestamp"
_BREAKS: Final = r"[\t\r\n]"
_SECOND: Final = 10**6


@dataclass(frozen=True, kw_only=True)
class Exchanged:
    """A data set to be written in another form.

    Attributes:
        name: of the data set.
        sequences: as `sequences.parquet` has them.
        items: as `items.parquet` has them.
        timed: whether its timestamps are times, not mere positions.
        keep_blanks: whether blanks around ids belong to them.
        sources: what it was made from, as the manifest has them.
    """

    name: str
    sequences: pl.DataFrame
    items: pl.DataFrame
    timed: bool
    keep_blanks: bool
    sources: Sequence[Mapping[str, Any]] = ()

    def require_free(self, path: Path) -> None:
        """Refuse to write over an artifact, or what the data set was made from.

        Raises:
            UsageError: naming it.
        """
        require_free_output(path)
        require_no_source(path, self.sources)

    def events(self) -> pl.DataFrame:
        """Return one row per event, user by user in order: user_id, item_id, timestamp in microseconds, part 0 to 2."""
        place = pl.int_ranges(pl.col(ITEMS).list.len()).alias("place")
        rows = self.sequences.with_columns(place).explode(ITEMS, TIMESTAMPS, "place")
        ids = self.items.select(pl.col(ITEM_INDEX).alias(ITEMS), ITEM_ID)
        part = (pl.col("place") >= pl.col(TRAIN_END)).cast(pl.Int8) + (pl.col("place") >= pl.col(VALID_END))
        return rows.join(ids, on=ITEMS, how="left", maintain_order="left").select(
            USER_ID, ITEM_ID, pl.col(TIMESTAMPS).alias(_TIME), part.alias(_PART)
        )


@dataclass(frozen=True, kw_only=True)
class Written:
    """What was written, and the command that makes the data set of it again."""

    files: tuple[Path, ...]
    command: str


def write_csv(data: Exchanged, out: Path) -> Written:
    """Write train.csv, valid.csv, test.csv with user_id, item_id and timestamp in microseconds; and items.csv."""
    _refuse_breaks(data)
    events = data.events() if data.timed else data.events().drop(_TIME)
    files = _write_parts(data, events, out, "{part}.csv", separator=",")
    items = _write_items(data, out)
    return Written(files=(*files, *items), command=_command(data, out, "us", items=items))


def write_rectools(data: Exchanged, out: Path) -> Written:
    """Write RecTools's interactions, a CSV per part: user_id, item_id, weight, datetime in UTC; and items.csv."""
    _refuse_breaks(data)
    if not data.timed:
        raise InputError(
            f"{data.name} has no times, which RecTools needs", hint=f"{option('to', 'csv')}, recbole or s3rec"
        )
    moment = pl.col(_TIME).cast(pl.Datetime("us")).dt.strftime("%Y-%m-%dT%H:%M:%S.%6f").alias("datetime")
    events = data.events().select(USER_ID, ITEM_ID, pl.lit(1).alias("weight"), moment, _PART)
    files = _write_parts(data, events, out, "{part}.csv", separator=",")
    items = _write_items(data, out)
    return Written(files=(*files, *items), command=_command(data, out, "", "datetime", form="iso", items=items))


def write_recbole(data: Exchanged, out: Path) -> Written:
    """Write RecBole's atomic files: NAME.train.inter, NAME.valid.inter and NAME.test.inter, and NAME.item.

    In RecBole's configuration: `benchmark_filename: [train, valid, test]`.
    """
    _refuse_breaks(data)
    seconds = pl.col(_TIME) // _SECOND
    rest = pl.col(_TIME) % _SECOND
    fraction = pl.when(rest > 0).then(pl.format(".{}", rest.cast(pl.String).str.zfill(6))).otherwise(pl.lit(""))
    time = [pl.format("{}{}", seconds, fraction).alias(f"{_TIME}:float")] if data.timed else []
    typed = [pl.col(USER_ID).alias(f"{USER_ID}:token"), pl.col(ITEM_ID).alias(f"{ITEM_ID}:token")]
    events = data.events().select(*typed, *time, _PART)
    files = _write_parts(data, events, out, data.name + ".{part}.inter", separator="\t")
    items = _item_table(data, " ").with_columns(pl.col(pl.String).str.replace_all(_BREAKS, " "))
    lists = {name for name, dtype in data.items.schema.items() if isinstance(dtype, pl.List)}
    names = {name: f"{name}:{'token_seq' if name in lists else 'token'}" for name in items.columns}
    files.append(_write_table(data, items.rename(names), out / f"{data.name}.item", separator="\t"))
    # A table of ids alone says nothing that is to be read again.
    said = files[-1:] if items.width > 1 else []
    return Written(
        files=tuple(files), command=_command(data, out, "s", f"{_TIME}:float", items=said)
    )  # fmt: skip


def write_s3rec(data: Exchanged, out: Path) -> Written:
    """Write S3-Rec's NAME.txt, one user per line, and NAME_item2attributes.json, numbered as adrec numbers them.

    What the numbers stand for is in NAME_users.csv and NAME_items.csv.
    """
    _require_leave_one_out(data)
    numbered = data.sequences.with_row_index("number", offset=1)
    lines = pl.concat_str("number", pl.col(ITEMS).cast(pl.List(pl.String)).list.join(" "), separator=" ")
    text = numbered.select(lines.alias("line"))
    files = [_write_table(data, text, out / f"{data.name}.txt", separator="\t", header=False)]
    files.append(out / f"{data.name}_item2attributes.json")
    data.require_free(files[-1])
    write_bytes(files[-1], json.dumps(_attributes(data.items)).encode())
    files.append(_write_table(data, numbered.select("number", USER_ID), out / f"{data.name}_users.csv", separator=","))
    items = data.items.select(pl.col(ITEM_INDEX).alias("number"), ITEM_ID)
    files.append(_write_table(data, items, out / f"{data.name}_items.csv", separator=","))
    again = command(
        "preprocess",
        files[0],
        name=f"{data.name}-s3rec",
        items=files[1],
        # Lines of one length might be a table.
        separator="sequences",
        duplicates="keep",
    )
    return Written(files=tuple(files), command=again)


FORMS: Final[dict[str, Callable[[Exchanged, Path], Written]]] = {
    "csv": write_csv,
    "recbole": write_recbole,
    "rectools": write_rectools,
    "s3rec": write_s3rec,
}


def _write_parts(data: Exchanged, events: pl.DataFrame, out: Path, name: str, *, separator: str) -> list[Path]:
    """Write the events of each part into a file of its own."""
    parts = [events.filter(pl.col(_PART) == number).drop(_PART) for number in range(len(PARTS))]
    for part, rows in zip(PARTS, parts, strict=True):
        if rows.is_empty():
            raise InputError(
                f"{data.name} has no event in {part}, and a file without rows would not be read again",
                hint=f"split it so that there are some: {command('preprocess', data.name, split='leave-one-out')}",
            )
        _refuse_lists(data, part, rows)
    return [
        _write_table(data, rows, out / name.format(part=part), separator=separator)
        for part, rows in zip(PARTS, parts, strict=True)
    ]


def _write_items(data: Exchanged, out: Path) -> list[Path]:
    """Write items.csv where more is known about the items than their ids."""
    items = _item_table(data, "|")
    return [_write_table(data, items, out / "items.csv", separator=",")] if items.width > 1 else []


def _item_table(data: Exchanged, between: str) -> pl.DataFrame:
    """Return the items with what is known about them; lists become texts."""
    lists = [
        pl.col(name).cast(pl.List(pl.String)).list.join(between)
        for name, dtype in data.items.schema.items()
        if isinstance(dtype, pl.List)
    ]
    return data.items.with_columns(lists).drop(ITEM_INDEX, COUNT)


def _write_table(data: Exchanged, table: pl.DataFrame, path: Path, *, separator: str, header: bool = True) -> Path:
    """Write a table as text, whole or not at all; cells in quotes where they need them, and only with commas."""
    data.require_free(path)
    quoted: Literal["necessary", "never"] = "necessary" if separator == "," else "never"
    with replacing(path) as temporary:
        table.write_csv(temporary, separator=separator, include_header=header, quote_style=quoted)
    return path


def _attributes(items: pl.DataFrame) -> dict[str, list[int]]:
    """Return what S3-Rec calls attributes: numbers from 1 of each item's attributes, or of its categories."""
    column = "attributes" if "attributes" in items.columns else CATEGORY
    if column not in items.columns:
        return {str(index): [] for index in items[ITEM_INDEX]}
    rows = list(zip(items[ITEM_INDEX], split_values(items[column]).to_list(), strict=True))
    numbers = {name: number for number, name in enumerate(dict.fromkeys(n for _, names in rows for n in names), 1)}
    return {str(index): [numbers[name] for name in names] for index, names in rows}


def _refuse_breaks(data: Exchanged) -> None:
    """Refuse ids that a line of text cannot hold."""
    for ids in (data.sequences[USER_ID], data.items[ITEM_ID]):
        broken = ids.filter(ids.str.contains(_BREAKS))
        if len(broken):
            raise InputError(
                f"{data.name}: the id {broken[0]!r} has a tab or a line break, which these forms cannot hold",
                hint=f"{option('to', 's3rec')} writes numbers in place of ids",
            )


def _refuse_lists(data: Exchanged, part: str, rows: pl.DataFrame) -> None:
    """Refuse a part whose items, its second column, would be read as lists: the rows that tell have brackets."""
    first = rows.to_series(1).head(SAMPLE_ROWS).to_list()
    if find_cells(first, is_list_name=False, is_asked=False) != "value":
        raise InputError(
            f"{data.name}: the items of {part}, {first[0]!r} for one, look like lists, and would be read as such",
            hint=f"{option('to', 's3rec')} writes numbers in place of ids",
        )


def _require_leave_one_out(data: Exchanged) -> None:
    """Refuse a split that S3-Rec's form does not imply: the last event test, the one before validation."""
    length = pl.col(ITEMS).list.len().cast(pl.Int64)
    held_out = pl.when(length >= 3)
    other = data.sequences.filter(
        (pl.col(TRAIN_END) != held_out.then(length - 2).otherwise(length))
        | (pl.col(VALID_END) != held_out.then(length - 1).otherwise(length))
    )
    if other.height:
        raise InputError(
            f"{data.name} is not split by leaving one out (user {other[USER_ID][0]!r} is not), which is what S3-Rec's "
            "form stands for",
            hint=f"{option('to', 'csv')}, recbole or rectools",
        )


def _command(
    data: Exchanged,
    out: Path,
    unit: str,
    time: str = _TIME,
    *,
    items: Sequence[Path],
    form: str = "",
) -> str:
    """Return the command that reads the parts again as they are."""
    # The columns are called as customary: one that is asked for might hold lists, and `a|b` be two items.
    timed = {"timestamp_column": time, "timestamp_unit": unit or None, "timestamp_format": form or None}
    return command(
        "preprocess",
        out,
        name=f"{data.name}-again",
        duplicates="keep",
        items=list(items),
        **(timed if data.timed else {}),
        keep_blanks=data.keep_blanks or None,
    )
