"""Rows collected batch by batch are those that Polars collects at once."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from adrec_cli.data.reading import coded_rows
from adrec_cli.data.reading.coded_rows import collect_coded


@pytest.mark.parametrize("ending", ["csv", "parquet"])
@pytest.mark.parametrize("rows", [0, 1, 7, 40])
def test_batches_make_up_the_whole(rows: int, ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coded_rows, "_BATCH_ROWS", 7)
    path = tmp_path / f"log.{ending}"
    frame = pl.DataFrame(
        {"user": [f"u{k % 5}" for k in range(rows)], "item": [k % 3 or None for k in range(rows)], "time": range(rows)},
        schema={"user": pl.String, "item": pl.Int64, "time": pl.Int64},
    )
    frame.write_csv(path) if ending == "csv" else frame.write_parquet(path, row_group_size=16)
    query = pl.scan_csv(path, schema=frame.schema) if ending == "csv" else pl.scan_parquet(path)
    found = collect_coded(query, ("user", "item"))
    assert found["user"].dtype == pl.Categorical
    assert found.select(pl.col("user").cast(pl.String), "item", "time").equals(frame)


def test_a_query_that_fails_says_why(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("user,item\na,1\nb,1,2,3\n")
    with pytest.raises(pl.exceptions.PolarsError, match="fields"):
        collect_coded(pl.scan_csv(tmp_path / "log.csv"), ("user", "item"))
