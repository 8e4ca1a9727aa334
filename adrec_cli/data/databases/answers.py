"""What a database answers, as a Parquet file whose bytes say which rows came, in which order, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from adrec_cli.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

GROUP_ROWS: Final = 1 << 17
"""Rows of a row group, however many a database sends at a time."""
ASKER_WORDS: Final = ("user", "current_user", "session_user", "current_role")
"""Words of SQL for whoever asks, one of which may be meant as the name of a column."""
SQL_TYPE: Final = b"POSTGRESQL:type"
"""Under which a field's metadata has the type that Postgres calls it."""
_CAST: Final = "leave it out, or cast it in a query: CAST({name} AS text)"
_MISREAD: Final = (b"money", b"oid")
"""Types that come as other numbers than they say."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a database answers.

    Attributes:
        batches: of rows, in order.
        schema: theirs.
        askers: what the database calls whoever asks.
    """

    batches: Iterable[pa.RecordBatch]
    schema: pa.Schema
    askers: frozenset[str]


def write_answer(answer: Answer, target: Path, on_rows: Callable[[int], None] = lambda rows: None) -> int:
    """Write an answer as Parquet and return the number of its rows.

    Args:
        answer: whose types are brought to those that a Parquet file holds.
        target: of the file.
        on_rows: gets the number of rows so far.

    Raises:
        InputError: two columns have one name, or a type is not read.
    """
    import pyarrow as pa
    from pyarrow import parquet

    names = answer.schema.names
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise InputError(f"there are two columns {twice!r} in the answer", hint="name one of them with AS")
    plain = pa.schema([pa.field(field.name, _plain_type(field)) for field in answer.schema])
    rows = 0
    with parquet.ParquetWriter(target, plain, compression="zstd", write_statistics=False) as writer:
        for group in _regroup(_convert(answer, plain), plain):
            writer.write_table(group, row_group_size=GROUP_ROWS)
            rows += group.num_rows
            on_rows(rows)
    return rows if names else 0


def _convert(answer: Answer, plain: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Yield batches with plain types; of the first one it is seen whether it says who asked."""
    import pyarrow as pa

    first = True
    for batch in answer.batches:
        columns = [_plain_column(column, field.type) for column, field in zip(batch.columns, plain, strict=True)]
        made = pa.record_batch(columns, schema=plain)
        if first and made.num_rows:
            _refuse_asker(made, answer)
            first = False
        yield made


def _regroup(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.Table]:
    """Yield tables of `GROUP_ROWS` rows, the last one of what is left."""
    import pyarrow as pa

    held, count = [], 0
    for batch in batches:
        held.append(batch)
        count += batch.num_rows
        if count >= GROUP_ROWS:
            table = pa.Table.from_batches(held, schema)
            whole = count - count % GROUP_ROWS
            for begin in range(0, whole, GROUP_ROWS):
                yield table.slice(begin, GROUP_ROWS).combine_chunks()
            held, count = table.slice(whole).to_batches(), count - whole
    if count:
        yield pa.Table.from_batches(held, schema).combine_chunks()


def _plain_type(field: pa.Field) -> pa.DataType:
    """Return the type that a column is written in.

    Raises:
        InputError: no file holds it, or its values would not be what the database shows.
    """
    import pyarrow as pa
    from pyarrow import types

    kind = field.type
    named = (field.metadata or {}).get(SQL_TYPE, b"")
    if isinstance(kind, pa.OpaqueType) and not types.is_string(kind.storage_type):
        raise _unreadable(field, kind.type_name)
    if named in _MISREAD:
        raise _unreadable(field, named.decode())
    if isinstance(kind, pa.UuidType):
        return pa.string()
    if isinstance(kind, pa.BaseExtensionType):
        return kind.storage_type
    if types.is_dictionary(kind):
        return kind.value_type
    if types.is_null(kind) or types.is_string_view(kind):
        return pa.string()
    if types.is_timestamp(kind) and kind.tz is not None:
        return pa.timestamp(kind.unit, "UTC")
    if types.is_interval(kind) or types.is_duration(kind) or types.is_union(kind):
        raise _unreadable(field, named.decode() or str(kind))
    return kind


def _plain_column(column: pa.Array, kind: pa.DataType) -> Any:
    import pyarrow as pa

    if isinstance(column.type, pa.UuidType):
        return _spell_uuids(column)
    if isinstance(column.type, pa.BaseExtensionType):
        column = column.storage
    return column if column.type == kind else column.cast(kind)


def _spell_uuids(column: pa.ExtensionArray) -> pa.Array:
    """Return identifiers as they are written: 8, 4, 4, 4 and 12 digits of base 16."""
    import polars as pl

    digits = pl.Series(column.storage).bin.encode("hex")
    parts = [digits.str.slice(begin, length) for begin, length in ((0, 8), (8, 4), (12, 4), (16, 4), (20, 12))]
    return pl.select(pl.concat_str(parts, separator="-")).to_series().to_arrow().cast("string")


def _refuse_asker(batch: pa.RecordBatch, answer: Answer) -> None:
    """Refuse a column that says in every row who asked: the word was meant as a name.

    Raises:
        InputError: naming it.
    """
    import pyarrow as pa

    for field, column in zip(answer.schema, batch.columns, strict=True):
        is_name = field.name.lower() in ASKER_WORDS or (field.metadata or {}).get(SQL_TYPE) == b"name"
        if is_name and column.type == pa.string() and set(column.unique().to_pylist()) <= answer.askers:
            raise InputError(
                f"column {field.name!r} says in every row who asks the database: user is a word of SQL",
                hint='write a column of that name in double quotes: SELECT "user", ...',
            )


def _unreadable(field: pa.Field, what: str) -> InputError:
    return InputError(f"column {field.name!r} is {what}, which is not read", hint=_CAST.format(name=field.name))
