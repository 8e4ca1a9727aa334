"""Small tables written to files, for the tests of preprocessing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import polars as pl
import pytest

from adrec_cli.errors import InputError
from adrec_cli.pipeline.preprocess import PreprocessOptions, PreprocessResult, preprocess

Row = tuple[str, str, int]
"""User, item, time in seconds."""

START = 1_400_000_000


def write_csv(path: Path, rows: Iterable[Sequence[object]], header: str = "user_id,item_id,timestamp") -> Path:
    """Write rows as CSV; an empty header writes none."""
    lines = [header] if header else []
    lines += [",".join(str(cell) for cell in row) for row in rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def history(user: str, items: Sequence[str], start: int = START) -> list[Row]:
    """Return a user's events, a minute apart."""
    return [(user, item, start + 60 * number) for number, item in enumerate(items)]


def read_sequences(folder: Path) -> dict[str, list[str]]:
    """Return each user's item ids in order, as the two Parquet files of a data set say."""
    ids = dict(pl.read_parquet(folder / "items.parquet").select("item_index", "item_id").rows())
    rows = pl.read_parquet(folder / "sequences.parquet").select("user_id", "items").rows()
    return {user: [ids[item] for item in items] for user, items in rows}


def read_bounds(folder: Path) -> dict[str, tuple[int, int]]:
    """Return each user's train_end and valid_end."""
    rows = pl.read_parquet(folder / "sequences.parquet").select("user_id", "train_end", "valid_end").rows()
    return {user: (train_end, valid_end) for user, train_end, valid_end in rows}


def run(source: object, workspace: Path, *, force: bool = False, **options: object) -> PreprocessResult:
    """Preprocess a file with some options."""
    chosen = PreprocessOptions(**options)  # type: ignore[arg-type]
    return preprocess(str(source), workspace=workspace, options=chosen, force=force)


def refusal(source: Path, **options: object) -> InputError:
    """Return the error that a source is refused with, after checking what every refusal must hold."""
    with pytest.raises(InputError) as caught:
        run(source, source.parent / "ws", **options)
    assert "\n" not in caught.value.message
    assert caught.value.hint
    return caught.value
