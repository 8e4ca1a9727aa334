"""What other libraries read is read back as it was: sequences, times and splits, whatever the ids."""

from __future__ import annotations

import csv
import json
import re
import shlex
import tempfile
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from adrec_cli.artifacts.manifest import read_manifest
from adrec_cli.data.ids import normal_id
from adrec_cli.data.interchange import FORMS
from adrec_cli.errors import InputError, UsageError
from adrec_cli.pipeline.convert import convert
from adrec_cli.pipeline.preprocess import PreprocessOptions, preprocess
from tests.data.table_files import read_bounds, read_sequences
from tests.examples import tries
from tests.robustness.processes import typed_here
from tests.tiers import sampled

START = 1_500_000_000_000_000
LIST = re.compile(r"\[.*\]|\(.*\)")
FLOATS = {"nan", "inf", "-inf"}
# Each example preprocesses twice, so a failing one is not made smaller.
quickly = settings(max_examples=tries(12), deadline=None, phases=[Phase.explicit, Phase.generate])
ids = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=6).filter(
    lambda text: normal_id(text) == text and text.lower() not in FLOATS and not LIST.fullmatch(text)
)
moments = st.integers(0, 5).map(lambda n: START + n * 60_000_000) | st.integers(0, 10**12).map(lambda n: START + n)
histories = st.lists(st.lists(st.tuples(ids, moments), min_size=3, max_size=6), min_size=1, max_size=4)


def source(folder: Path, users: list[str], lists: list[list[tuple[str, int]]], *, timed: bool = True) -> Path:
    """Write events as a table with times in microseconds."""
    rows = [(user, item, time) for user, events in zip(users, lists, strict=True) for item, time in events]
    table = pl.DataFrame(rows, schema={"user_id": pl.String, "item_id": pl.String, "time": pl.Int64}, orient="row")
    table = table.with_columns(pl.col("time").cast(pl.Datetime("us")))
    (table if timed else table.drop("time")).write_parquet(folder / "events.parquet")
    return folder / "events.parquet"


def read_times(folder: Path) -> list[list[int]]:
    times: list[list[int]] = pl.read_parquet(folder / "sequences.parquet")["timestamps"].to_list()
    return times


def convert_and_read_back(workspace: Path, name: str, form: str, out: Path) -> Path:
    """Convert, type the command that is shown, and return the folder of the data set it makes."""
    told = convert(name, to=form, out=out, workspace=workspace)
    done = typed_here([*shlex.split(told.command)[1:], "--workspace", workspace])
    assert done.exit_code == 0, done.stderr
    made: Path = next(path for path in workspace.iterdir() if path.name in (f"{name}-again", f"{name}-s3rec"))
    return made


@quickly
@given(histories, st.sampled_from(["leave-one-out", "time"]), st.sampled_from(["source", "item"]), st.data())
@sampled("form", ["csv", "recbole", "rectools"], quick=["csv"])
def test_whatever_the_ids_and_the_split_it_comes_back_as_it_was(
    form: str, lists: list[list[tuple[str, int]]], split: str, ties: str, data: st.DataObject
) -> None:
    users = data.draw(st.lists(ids, min_size=len(lists), max_size=len(lists), unique=True))
    options: dict[str, Any] = {"split": split, "ties": ties, "duplicates": "keep", "name": "shop"}
    times = sorted({time for events in lists for _, time in events})
    if split == "time":
        options |= {"valid_from": "2017-07-14T02:41:30", "test_from": "2017-07-14T02:43:30"}
        lists = [[("a", START), ("b", START + 120_000_000), ("c", START + 240_000_000)], *lists[1:]]
    assert times
    with tempfile.TemporaryDirectory() as name:
        folder, workspace = Path(name), Path(name) / "ws"
        made = preprocess(
            str(source(folder, users, lists)), workspace=workspace, options=PreprocessOptions(**options)
        ).folder
        again = convert_and_read_back(workspace, "shop", form, folder / "out")
        assert read_sequences(again) == read_sequences(made)
        assert read_bounds(again) == read_bounds(made)
        assert read_times(again) == read_times(made)


@pytest.mark.thorough
@quickly
@given(histories, st.booleans())
def test_s3recs_numbers_are_those_of_adrec(lists: list[list[tuple[str, int]]], timed: bool) -> None:
    users = [f"u{number}" for number in range(len(lists))]
    with tempfile.TemporaryDirectory() as name:
        folder, workspace = Path(name), Path(name) / "ws"
        options = PreprocessOptions(name="shop", duplicates="keep")
        made = preprocess(str(source(folder, users, lists, timed=timed)), workspace=workspace, options=options).folder
        again = convert_and_read_back(workspace, "shop", "s3rec", folder / "out")
        names = {}
        for kind in ("users", "items"):
            rows = csv.reader((folder / f"out/shop_{kind}.csv").read_text("utf-8").splitlines())
            names[kind] = dict(list(rows)[1:])
        back = {
            names["users"][user]: [names["items"][item] for item in items]
            for user, items in read_sequences(again).items()
        }
        assert back == read_sequences(made)
        bounds = {names["users"][user]: bound for user, bound in read_bounds(again).items()}
        assert bounds == read_bounds(made)


@pytest.mark.parametrize("form", ["csv", "recbole", "s3rec"])
def test_an_order_without_times_comes_back_too(tmp_path: Path, form: str) -> None:
    lists = [[("b", 0), ("a", 0), ("b", 0), ("c", 0)], [("c", 0), ("a", 0), ("b", 0)]]
    path = source(tmp_path, ["1", "2"], lists, timed=False)
    made = preprocess(str(path), workspace=tmp_path / "ws", options=PreprocessOptions(name="shop")).folder
    again = convert_and_read_back(tmp_path / "ws", "shop", form, tmp_path / "out")
    assert read_bounds(again) == read_bounds(made)
    if form != "s3rec":
        assert read_sequences(again) == read_sequences(made)
    assert read_manifest(again).statistics["first_time"] is None


def test_rectools_needs_times(tmp_path: Path) -> None:
    path = source(tmp_path, ["1"], [[("b", 0), ("a", 0), ("c", 0)]], timed=False)
    preprocess(str(path), workspace=tmp_path / "ws", options=PreprocessOptions(name="shop"))
    with pytest.raises(InputError, match="has no times") as caught:
        convert("shop", to="rectools", out=tmp_path / "out", workspace=tmp_path / "ws")
    assert "csv" in caught.value.hint
    assert not (tmp_path / "out").exists()


def test_what_is_known_about_items_goes_along(tmp_path: Path) -> None:
    events = source(tmp_path, ["u"], [[("1", START), ("2", START + 10**6), ("3", START + 2 * 10**6)]])
    rows = 'item_id,title,category\n1,Tea|Coffee\tx,A|B\n2,"a, b",B\n3,,\n'
    (tmp_path / "items.csv").write_text(rows)
    options = PreprocessOptions(name="shop", items=tmp_path / "items.csv")
    made = preprocess(str(events), workspace=tmp_path / "ws", options=options).folder
    columns = ["item_index", "item_id", "count", "title", "category"]
    before = pl.read_parquet(made / "items.parquet").select(columns)
    for form in ("csv", "rectools"):
        again = convert_and_read_back(tmp_path / "ws", "shop", form, tmp_path / form)
        assert pl.read_parquet(again / "items.parquet").select(columns).equals(before)
    convert("shop", to="recbole", out=tmp_path / "rb", workspace=tmp_path / "ws")
    lines = (tmp_path / "rb/shop.item").read_text().splitlines()
    assert lines == ["item_id:token\ttitle:token\tcategory:token", "1\tTea|Coffee x\tA|B", "2\ta, b\tB", "3\t\t"]
    convert("shop", to="s3rec", out=tmp_path / "s3", workspace=tmp_path / "ws")
    found = json.loads((tmp_path / "s3/shop_item2attributes.json").read_text())
    assert found == {"1": [1, 2], "2": [2], "3": []}


@pytest.mark.parametrize("form", FORMS)
def test_what_a_form_cannot_hold_is_refused(tmp_path: Path, form: str) -> None:
    lists = [[(f"i{n}", START + n * 60_000_000) for n in range(6)], [("a", START)]]
    path = source(tmp_path, ["u", "v"], lists)
    kwargs: dict[str, Any] = {"valid_from": "2017-07-14T02:43:30", "test_from": "2017-07-14T02:45:30", "split": "time"}
    if form != "s3rec":
        kwargs = {"valid_from": "2030-01-01", "test_from": "2030-01-02", "split": "time"}
    preprocess(str(path), workspace=tmp_path / "ws", options=PreprocessOptions(name="shop", **kwargs))
    said = "not split by leaving one out" if form == "s3rec" else "no event in valid"
    with pytest.raises(InputError, match=said):
        convert("shop", to=form, out=tmp_path / "out", workspace=tmp_path / "ws")


@pytest.mark.parametrize("form", ["csv", "rectools", "recbole"])
def test_items_that_look_like_lists(tmp_path: Path, form: str) -> None:
    """A file of such items alone would be read as lists; among others they are items."""
    events = [(name, START + n * 60_000_000) for n, name in enumerate(["(1)", "b", "c"])]
    path = str(source(tmp_path, ["u"], [events]))
    preprocess(path, workspace=tmp_path / "alone", options=PreprocessOptions(name="shop"))
    with pytest.raises(InputError, match=r"'\(1\)' for one, look like lists"):
        convert("shop", to=form, out=tmp_path / "out", workspace=tmp_path / "alone")
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())
    moved = [("d", START), *events]
    lists = [moved, [("e", START), *moved]]
    folder = preprocess(
        str(source(tmp_path, ["u", "v"], lists)), workspace=tmp_path / "ws", options=PreprocessOptions(name="shop")
    ).folder
    again = convert_and_read_back(tmp_path / "ws", "shop", form, tmp_path / "out")
    assert read_sequences(again) == read_sequences(folder)


def test_ids_with_line_breaks(tmp_path: Path) -> None:
    path = source(tmp_path, ["u"], [[("a\nb", START), ("c", START + 1), ("d", START + 2)]])
    preprocess(str(path), workspace=tmp_path / "ws", options=PreprocessOptions(name="shop"))
    for form in ("csv", "recbole", "rectools"):
        with pytest.raises(InputError, match="line break"):
            convert("shop", to=form, out=tmp_path / form, workspace=tmp_path / "ws")
    convert("shop", to="s3rec", out=tmp_path / "s3", workspace=tmp_path / "ws")


def test_no_artifact_is_written_over(tmp_path: Path) -> None:
    preprocess("demo", workspace=tmp_path)
    with pytest.raises(UsageError, match="is an artifact"):
        convert("demo", to="csv", out=tmp_path / "demo" / "sasrec", workspace=tmp_path)
    with pytest.raises(UsageError, match="is unknown"):
        convert("demo", to="libfm", out=tmp_path / "out", workspace=tmp_path)


def test_s3recs_own_file_comes_back_byte_for_byte(shared_data: Path, tmp_path: Path) -> None:
    raw = shared_data / "raw" / "s3rec"
    preprocess("amazon-beauty", workspace=tmp_path / "ws", raw=raw)
    convert("amazon-beauty", to="s3rec", out=tmp_path / "out", workspace=tmp_path / "ws")
    assert (tmp_path / "out/amazon-beauty.txt").read_bytes() == (raw / "Beauty.txt").read_bytes()


@sampled("form", ["csv", "recbole"], quick=["recbole"])
def test_grocery_goes_out_and_comes_back(shared_data: Path, tmp_path: Path, form: str) -> None:
    made = preprocess("grocery", workspace=tmp_path, raw=shared_data).folder
    again = convert_and_read_back(tmp_path, "grocery", form, tmp_path / "out")
    before, after = read_manifest(made), read_manifest(again)
    assert after.sequences_sha256 == before.sequences_sha256
