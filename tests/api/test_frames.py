"""Frames of every library are read as the files that say the same, checks and errors included."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import adrec_cli
from adrec_cli.api.frames import as_files, is_frame, read_frame
from adrec_cli.errors import InputError, UsageError


def to_pandas(frame: pl.DataFrame) -> Any:
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    return pandas.DataFrame(frame.to_dict(as_series=False))


LIBRARIES: dict[str, Callable[[pl.DataFrame], Any]] = {
    "polars": lambda frame: frame,
    "polars in pieces": lambda frame: pl.concat([frame.head(7), frame.slice(7)], rechunk=False),
    "pyarrow": lambda frame: frame.to_arrow(),
    "pyarrow, other strings": lambda frame: pa.table({name: frame[name].to_list() for name in frame.columns}),
    "pandas": to_pandas,
    "pandas, with an index": lambda frame: to_pandas(frame.with_row_index("n")).sort_values("n").drop(columns="n"),
    "pandas, other row numbers": lambda frame: to_pandas(frame).set_axis(range(5, 5 + 2 * frame.height, 2)),
}


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CSV file with odd ids."""
    path = tmp_path_factory.mktemp("frames") / "events.csv"
    ids = ["007", "a,b", "ü", "x" * 40, "1e3"]
    rows = [
        {"user_id": f"0{user}", "item_id": ids[(user + n) % 5], "timestamp": 1_600_000_000 + n * 60 + user}
        for user in range(8)
        for n in range(5)
    ]
    pl.DataFrame(rows).write_csv(path)
    return path


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_frame_is_the_data_set_that_its_file_is(library: str, events: Path, tmp_path: Path) -> None:
    text = pl.String()
    frame = pl.read_csv(events, schema={"user_id": text, "item_id": text, "timestamp": pl.Int64()})
    of_file = adrec_cli.preprocess(events, workspace=tmp_path, name="file").result.manifest
    made = adrec_cli.preprocess(LIBRARIES[library](frame), workspace=tmp_path, name="frame")
    assert made.result.manifest.sequences_sha256 == of_file.sequences_sha256
    assert made.result.manifest.items_sha256 == of_file.items_sha256
    assert made.statistics == of_file.statistics
    for other in ("polars", library):
        assert adrec_cli.preprocess(LIBRARIES[other](frame), workspace=tmp_path, name="frame").skipped, other
    changed = frame.with_columns(timestamp=pl.col("timestamp") + 1)
    assert not adrec_cli.preprocess(LIBRARIES[library](changed), workspace=tmp_path, name="frame").skipped


@given(
    st.lists(st.tuples(st.text(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False)), max_size=20),
    st.integers(0, 20),
)
def test_equal_frames_are_equal_bytes_and_lose_nothing(rows: list[tuple[Any, ...]], cut: int) -> None:
    frame = pl.DataFrame(rows, schema={"a": pl.String, "b": pl.Int64, "c": pl.Float64}, orient="row")
    pieces = pl.concat([frame.head(cut), frame.slice(cut)], rechunk=False)
    for other in (pieces, frame.to_arrow(), pieces.to_arrow()):
        assert read_frame(other, "source=").equals(frame)
    with as_files(a=frame) as one, as_files(a=pieces.to_arrow()) as two:
        assert Path(one["a"]).read_bytes() == Path(two["a"]).read_bytes()
        assert pl.read_parquet(one["a"]).equals(frame)
    assert not Path(one["a"]).parent.exists()


def test_paths_stay_as_they_are(tmp_path: Path) -> None:
    with as_files(a="some/*.csv", b=tmp_path, c=None) as paths:
        assert paths == {"a": "some/*.csv", "b": str(tmp_path)}


@pytest.mark.parametrize(
    "given_",
    [17, None, b"x", ["u1"], pl.Series(["a"]), pa.chunked_array([["a"]]), pl.LazyFrame({"a": [1]}), {"user_id": []}],
    ids=lambda one: type(one).__name__,
)
def test_what_is_neither_a_path_nor_a_frame(given_: Any, tmp_path: Path) -> None:
    assert not is_frame(given_)
    with pytest.raises(UsageError, match="source must be a path or a frame, got") as told:
        adrec_cli.preprocess(given_, workspace=tmp_path, name="shop")
    assert told.value.hint
    assert list(tmp_path.iterdir()) == []


def test_frames_that_cannot_be_read(tmp_path: Path) -> None:
    twice = pa.table([[1], [2]], names=["user_id", "user_id"])
    with pytest.raises(InputError, match="two columns 'user_id'"):
        adrec_cli.preprocess(twice, workspace=tmp_path, name="shop")
    mixed = to_pandas(pl.DataFrame({"user_id": ["a", "b"]}))
    mixed["user_id"] = mixed["user_id"].astype(object)
    mixed.loc[0, "user_id"] = 1
    with pytest.raises(InputError, match="source=: the frame cannot be read"):
        adrec_cli.preprocess(mixed, workspace=tmp_path, name="shop")


def test_errors_name_the_frame_and_not_a_file_nobody_knows(tmp_path: Path) -> None:
    frame = pl.DataFrame({"a": ["u"] * 3, "b": ["x", "y", "z"]})
    with pytest.raises(InputError) as told:
        adrec_cli.preprocess(frame, workspace=tmp_path, name="shop")
    for text in (str(told.value), told.value.message, told.value.hint):
        assert "/" not in text, text
    assert "source-frame" in told.value.message
    with pytest.raises(UsageError, match="a frame has no name"):
        adrec_cli.preprocess(frame, workspace=tmp_path)
