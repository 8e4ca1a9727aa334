"""Random logs of several files, in forms that lie in lakes, and what both engines make of them."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
from hypothesis import strategies as st

from adrec_cli.errors import AdrecError
from tests.data.table_files import START

Event = tuple[str, str, int]

HEADER = ("user_id", "item_id", "timestamp")
IDS = {
    "numbers": st.integers(1, 9).map(str),
    "texts": st.sampled_from(("a", "b", "é", "a,b", 'q"q', "日本", "NA")),
    "both": st.sampled_from(("7", "10", "9", "007", "x1", " 9 ", "7.0")),
}


def _write_csv(path: Path, events: Sequence[Sequence[object]]) -> None:
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL)
        writer.writerow(HEADER)
        writer.writerows(events)


def _write_dates(path: Path, events: Sequence[Event]) -> None:
    dates = [(user, item, f"{datetime.fromtimestamp(time, UTC):%Y-%m-%d %H:%M:%S}") for user, item, time in events]
    _write_csv(path, dates)


def _write_lines(path: Path, events: Sequence[Event]) -> None:
    path.write_text("".join(json.dumps(dict(zip(HEADER, event, strict=True))) + "\n" for event in events))


def _write_parquet(path: Path, events: Sequence[Event]) -> None:
    frame = pl.DataFrame(events, schema=dict(zip(HEADER, (pl.String, pl.String, pl.Int64), strict=True)), orient="row")
    frame.with_columns(pl.from_epoch("timestamp", time_unit="s")).write_parquet(path)


def _write_rows(path: Path, events: Sequence[Event]) -> None:
    with open(path, "w", encoding="utf-8", newline="") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows([HEADER[:2], *(event[:2] for event in events)])


def _write_lists(path: Path, events: Sequence[Event]) -> None:
    rows = [{"user_id": user, "items": [item, item + "0"]} for user, item, _ in dict.fromkeys(events)]
    pl.DataFrame(rows).unique("user_id", keep="first", maintain_order=True).write_parquet(path)


def _write_baskets(path: Path, events: Sequence[Event]) -> None:
    rows = [{"user_id": user, "items": [item, item + "0"], "timestamp": time} for user, item, time in events]
    pl.DataFrame(rows).write_parquet(path)


FORMS: dict[str, tuple[str, Callable[[Path, Sequence[Event]], None]]] = {
    "csv": (".csv", _write_csv),
    "dates": (".csv", _write_dates),
    "lines": (".jsonl", _write_lines),
    "parquet": (".parquet", _write_parquet),
    "baskets": (".parquet", _write_baskets),
    "rows": (".csv", _write_rows),
    "lists": (".parquet", _write_lists),
}
"""The ending of each form, and what writes it."""


@st.composite
def logs(draw: st.DrawFn, most_events: int = 20) -> tuple[str, list[list[Event]]]:
    """Draw a form, and the events of one to four files."""
    ids = IDS[draw(st.sampled_from(sorted(IDS)))]
    event = st.tuples(ids, ids, st.integers(START, START + 4))
    files = draw(st.lists(st.lists(event, min_size=1, max_size=most_events), min_size=1, max_size=4))
    return draw(st.sampled_from(sorted(FORMS))), files


def write_log(folder: Path, form: str, files: Sequence[Sequence[Event]]) -> Path:
    """Write each file of a log into a new folder."""
    folder.mkdir(parents=True)
    ending, write = FORMS[form]
    for number, events in enumerate(files):
        write(folder / f"part-{number}{ending}", events)
    return folder


def try_run(run: Callable[[], Any]) -> Any:
    """Return what a run makes; of an error what it says."""
    try:
        return run()
    except AdrecError as error:
        return type(error), error.message, error.hint


def read_made(folder: Path) -> dict[str, bytes]:
    """Return all that a data set is, its manifest too."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.suffix in (".parquet", ".json")}
