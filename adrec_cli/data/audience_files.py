"""Files that name the users to recommend to, their histories, and the items to choose from: ids, histories, events."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl

from adrec_cli.artifacts.atomic import storage_error
from adrec_cli.artifacts.regular_files import require_regular_file
from adrec_cli.data.ids import id_values, json_id, no_id_type, normal_text
from adrec_cli.data.reading.time_series import read_times
from adrec_cli.errors import InputError
from adrec_cli.schema import ITEM_ID, TIMESTAMP, USER_ID

HISTORY = "history"
_SEPARATORS = {".csv": ",", ".tsv": "\t"}


def read_ids(path: Path, column: str) -> pl.Series:
    """Read a column of ids, each once, in the order of the file.

    Args:
        path: `.parquet`, `.csv` or `.tsv` with that column, `.jsonl` with that key; of any other file each line is
            an id as it stands.
        column: its name.

    Raises:
        InputError: missing, unreadable, without that column, or without any id.
    """
    if path.suffix in (".parquet", ".jsonl", *_SEPARATORS):
        ids = _ids(_read_table(path, {column: _json_id}), column, path)
    else:
        lines = [line.removesuffix("\r") for line in _read_text(path).split("\n")]
        ids = pl.Series(column, [line for line in lines if line.strip()], dtype=pl.String)
        ids = _ids(ids.to_frame(), column, path)
    if ids.is_empty():
        raise InputError(f"{path} holds no id", hint=f"one id per line, or a column {column}")
    return ids.unique(maintain_order=True)


def read_histories(path: Path) -> pl.DataFrame:
    """Read histories as columns `user_id` and `history` (a list of ids, oldest first; perhaps empty).

    Args:
        path: `.jsonl` or `.parquet` with `user_id` and a list `history`; `.csv` or `.tsv` with one event per row, as
            `read_events` takes it.

    Raises:
        InputError: missing, unreadable, without these columns, or a user appears twice.
    """
    if path.suffix in _SEPARATORS:
        return read_events(path).group_by(USER_ID, maintain_order=True).agg(pl.col(ITEM_ID).alias(HISTORY))
    table = _read_table(path, {USER_ID: _json_id, HISTORY: _json_ids})
    kind = table.schema[HISTORY]
    if not isinstance(kind, pl.List) or kind.inner is None or kind.inner.is_nested():
        raise InputError(f"{path}: {HISTORY} must be a list of ids", hint='{"user_id": "u1", "history": ["a", "b"]}')
    users = _ids(table, USER_ID, path)
    if users.n_unique() < len(users):
        twice = users.filter(users.is_duplicated())[0]
        raise InputError(f"{path}: user {twice!r} appears twice", hint="give each user one history")
    history = table[HISTORY].cast(pl.List(pl.String)).fill_null(pl.Series([[]], dtype=pl.List(pl.String)))
    return pl.DataFrame([users, history]).with_columns(pl.col(HISTORY).list.drop_nulls())


def read_events(path: Path) -> pl.DataFrame:
    """Read events as columns `user_id` and `item_id`, oldest first.

    Args:
        path: `.csv`, `.tsv`, `.jsonl` or `.parquet` with these columns and perhaps `timestamp`; without times the
            order of the file counts.

    Raises:
        InputError: missing, unreadable, without these columns, or with times that cannot be read.
    """
    table = _read_table(path, {USER_ID: _json_id, ITEM_ID: _json_id}, optional={TIMESTAMP: _json_id})
    events = pl.DataFrame([_ids(table, USER_ID, path), _ids(table, ITEM_ID, path)])
    if TIMESTAMP not in table.columns:
        return events
    times = read_times(table[TIMESTAMP], path)
    if times.null_count():
        first = int(times.is_null().arg_true()[0])
        raise InputError(
            f"{path}: {TIMESTAMP} of event {first + 1} is not a time", hint="seconds, or 2026-01-31 12:00:00"
        )
    return events.with_columns(times).sort(TIMESTAMP, maintain_order=True).select(USER_ID, ITEM_ID)


def _ids(table: pl.DataFrame, column: str, path: Path) -> pl.Series:
    kind = table.schema[column]
    if what := no_id_type(kind):
        raise InputError(f"{path}: column {column} holds {kind}, {what}, expected text or whole numbers")
    ids = table.select(id_values(pl.col(column), kind).cast(pl.String)).to_series()
    absent = ids.to_frame().select(normal_text(pl.col(column)).is_null()).to_series()
    if absent.any():
        raise InputError(
            f"{path}: row {int(absent.arg_true()[0]) + 1} has no {column}, expected text or whole numbers",
            hint="give it one, or leave it out",
        )
    return ids


JsonValue = Callable[[Any], Any]


def _read_table(
    path: Path, columns: dict[str, JsonValue], optional: dict[str, JsonValue] | None = None
) -> pl.DataFrame:
    """Read the named columns, and the optional ones that are there; text files give text."""
    optional = optional or {}
    require_regular_file(path)
    if path.suffix == ".jsonl":
        return _read_json_lines(path, columns, optional)
    if path.suffix not in (".parquet", *_SEPARATORS):
        raise InputError(f"{path}: its name does not say what it holds", hint=".csv, .tsv, .jsonl or .parquet")
    try:
        with open(path, "rb") as file:
            if path.suffix == ".parquet":
                table = pl.read_parquet(file)
            else:
                table = pl.read_csv(file, separator=_SEPARATORS[path.suffix], infer_schema=False)
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist", hint="check the path") from error
    except OSError as error:
        raise storage_error("read", path, error) from error
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise InputError(f"{path} cannot be read: {(str(error).splitlines() or [''])[0]}", hint="fix it") from error
    if missing := [name for name in columns if name not in table.columns]:
        raise InputError(
            f"{path} has no column {' and '.join(missing)}; it has: {', '.join(table.columns[:10])}",
            hint=f"its first line must name {', '.join(columns)}",
        )
    return table.select(*columns, *(name for name in optional if name in table.columns))


def _read_json_lines(path: Path, columns: dict[str, JsonValue], optional: dict[str, JsonValue]) -> pl.DataFrame:
    values: dict[str, list[Any]] = {name: [] for name in (*columns, *optional)}
    for number, line in enumerate(_read_text(path).split("\n"), start=1):
        try:
            if line.strip():
                row = _json_object(line, columns)
                for name, checked in columns.items():
                    values[name].append(checked(row[name]))
                for name, checked in optional.items():
                    values[name].append(checked(row[name]) if row.get(name) is not None else None)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{path}:{number}: {error}", hint="one JSON object a line") from error
    lists = {name: pl.List(pl.String) if check is _json_ids else pl.String for name, check in columns.items()}
    table = pl.DataFrame(values, schema={**lists, **dict.fromkeys(optional, pl.String)})
    return table.drop(name for name in optional if table[name].null_count() == table.height)


def _json_object(line: str, columns: dict[str, JsonValue]) -> dict[str, Any]:
    row = json.loads(line)
    if not isinstance(row, dict):
        raise ValueError("an object is expected")
    if missing := [name for name in columns if name not in row]:
        raise ValueError(f"it has no {missing[0]!r}")
    return row


def _json_id(value: Any) -> str:
    text = json_id(value)
    if text is None:
        raise ValueError(f"{json.dumps(value)[:40]} is not an id: text or a whole number is expected")
    if not text.strip():
        raise ValueError("an id must not be empty")
    # Half of a surrogate pair cannot be written as UTF-8, and no id of a data set has one.
    return text.encode(errors="replace").decode()


def _json_ids(value: Any) -> list[str]:
    if not isinstance(value, list):
        raise ValueError(f"{json.dumps(value)[:40]} is not a list of ids")
    return [_json_id(entry) for entry in value]


def _read_text(path: Path) -> str:
    require_regular_file(path)
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist", hint="check the path") from error
    except OSError as error:
        raise storage_error("read", path, error) from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 at byte {error.start}", hint="convert it") from error
