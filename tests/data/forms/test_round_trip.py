"""Random events, written in random forms, are read back as they are."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import lzma
import zipfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.data.table_files import START, read_sequences, run
from tests.examples import tries
from tests.reference.preprocessing import normal_id

Event = tuple[str, str, int]
NAMES: Final = ("user_id", "item_id", "timestamp")


@dataclass(frozen=True, kw_only=True)
class Form:
    """How events are written.

    Attributes:
        container: "delimited", "jsonl", "parquet", "arrow", or one of them with a list a row: "jsonl-lists", ...
        separator, quoted, header, bom, end: of delimited text.
        time: how times are written.
        order: of the columns.
        compression: of the file.
    """

    container: str
    separator: str
    quoted: bool
    header: bool
    encoding: str
    end: str
    time: str
    order: tuple[int, ...]
    compression: str


TIMES: Final = {
    "s": str,
    "ms": lambda time: str(time * 1000),
    "iso": lambda time: moment(time).strftime("%Y-%m-%d %H:%M:%S"),
    "iso-z": lambda time: moment(time).strftime("%Y-%m-%dT%H:%M:%SZ"),
    "slashes": lambda time: moment(time).strftime("%Y/%m/%d %H:%M:%S"),
    "dots": lambda time: moment(time).strftime("%d.%m.%Y %H:%M:%S"),
    "american": lambda time: moment(time).strftime("%m/%d/%Y %I:%M:%S %p"),
    "utc": lambda time: moment(time).strftime("%Y-%m-%d %H:%M:%S UTC"),
}


def moment(time: int) -> datetime:
    return datetime.fromtimestamp(time, UTC)


FORMS: Final = st.builds(
    Form,
    container=st.sampled_from(
        [*["delimited"] * 3, "jsonl", "parquet", "arrow", "jsonl-lists", "parquet-lists", "delimited-lists"]
    ),
    separator=st.sampled_from([",", "\t", ";", "|", "::"]),
    quoted=st.booleans(),
    header=st.booleans(),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    time=st.sampled_from(sorted(TIMES)),
    order=st.permutations([0, 1, 2]).map(tuple),
    compression=st.sampled_from(["", "", "gz", "zst", "zip", "bz2", "xz"]),
)
IDS: Final = st.one_of(
    st.text("abcXYZ0123456789-_é日", min_size=1, max_size=5),
    st.integers(0, 20).map(str),
    st.sampled_from(["007", "NA", "x y", "a,b", "a;b", "l'été", 'say "hi"', "#1", "[x]"]),
).filter(lambda text: normal_id(text) == text)


@st.composite
def logs(draw: st.DrawFn) -> list[Event]:
    """Draw events, no two of which have one time."""
    times = draw(st.lists(st.integers(START, START + 100_000), min_size=1, max_size=15, unique=True))
    return [(draw(IDS), draw(IDS), time) for time in times]


def write(path: Path, events: list[Event], form: Form) -> None:
    container, _, lists = form.container.partition("-")
    spell = TIMES[form.time]
    rows: list[list[Any]] = [[user, item, spell(time)] for user, item, time in events]
    if lists:
        users = dict.fromkeys(user for user, _, _ in events)
        rows = [[user, *([row[place] for row in rows if row[0] == user] for place in (1, 2))] for user in users]
    rows = [[row[place] for place in form.order] for row in rows]
    names = [NAMES[place] for place in form.order]
    if container == "delimited":
        cells = [[json.dumps(cell) if isinstance(cell, list) else cell for cell in row] for row in rows]
        content = delimited(cells, names, form)
    elif container == "jsonl":
        content = "".join(json.dumps(dict(zip(names, row, strict=True))) + "\n" for row in rows).encode()
    else:
        target = io.BytesIO()
        frame = pl.DataFrame(rows, schema=names, orient="row")
        (frame.write_parquet if container == "parquet" else frame.write_ipc)(target)
        content = target.getvalue()
    path.write_bytes(compress(content, form.compression))


def delimited(rows: list[list[str]], names: list[str], form: Form) -> bytes:
    table = [names, *rows] if form.header else rows
    if form.separator == "::":
        return form.end.join(["::".join(row) for row in table] + [""]).encode(form.encoding)
    target = io.StringIO()
    quoting = csv.QUOTE_ALL if form.quoted else csv.QUOTE_MINIMAL
    csv.writer(target, delimiter=form.separator, quoting=quoting, lineterminator=form.end).writerows(table)
    return target.getvalue().encode(form.encoding)


def compress(content: bytes, compression: str) -> bytes:
    if compression == "zip":
        target = io.BytesIO()
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as file:
            file.writestr("export/table", content)
        return target.getvalue()
    if compression == "zst":
        sink = pa.BufferOutputStream()
        with pa.CompressedOutputStream(sink, "zstd") as stream:
            stream.write(content)
        return bytes(sink.getvalue())
    return {"": bytes, "gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}[compression](content)


def is_written_so(events: list[Event], form: Form) -> bool:
    """Return whether a form can say these events at all: a separator that nothing quotes must not stand in an id."""
    if not form.container.startswith("delimited"):
        return True
    text = "".join(user + item for user, item, _ in events)
    if form.container.endswith("lists") and form.separator == "::":
        return False
    # adrec takes quotes for quotes between commas and semicolons; elsewhere they are text.
    plain = form.separator in ("::", "|", "\t")
    return not (plain and (form.separator in text or '"' in text or form.quoted or form.container.endswith("lists")))


def options(form: Form) -> dict[str, Any]:
    """Return what nobody could find out: which column is which without a header, and what separates odd ids."""
    if not form.container.startswith("delimited"):
        return {}
    given: dict[str, Any] = {"separator": form.separator}
    if not form.header:
        places = {f"{name}_column": form.order.index(n) + 1 for n, name in enumerate(("user", "item", "timestamp"))}
        given |= {**places, "header": False}
    return given


@given(logs(), FORMS)
@settings(max_examples=tries(30), deadline=None)
def test_events_come_back_from_any_form(tmp_path_factory: pytest.TempPathFactory, log: list[Event], form: Form) -> None:
    if not is_written_so(log, form):
        return
    folder = tmp_path_factory.mktemp("form")
    write(folder / "table", log, form)
    made = run(folder / "table", folder / "ws", **options(form))
    expected: dict[str, list[str]] = {}
    for user, item, _ in sorted(log, key=lambda event: event[2]):
        expected.setdefault(user, []).append(item)
    assert read_sequences(made.folder) == expected
    first = moment(min(time for _, _, time in log)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert made.manifest.statistics["first_time"] == first


@given(st.lists(st.tuples(st.integers(1, 30), st.integers(1, 30)), min_size=5, max_size=15, unique=True), FORMS)
@settings(max_examples=tries(15), deadline=None)
def test_ordinary_files_need_no_options(
    tmp_path_factory: pytest.TempPathFactory, pairs: list[tuple[int, int]], form: Form
) -> None:
    log = [(f"u{user}", str(item), START + 60 * n) for n, (user, item) in enumerate(pairs)]
    needs_names = form.container.startswith("delimited") and not form.header
    if not is_written_so(log, form) or (needs_names and form.order != (0, 1, 2)):
        return
    folder = tmp_path_factory.mktemp("plain")
    write(folder / "table", log, form)
    expected: dict[str, list[str]] = {}
    for user, item, _ in log:
        expected.setdefault(user, []).append(item)
    assert read_sequences(run(folder / "table", folder / "ws").folder) == expected
