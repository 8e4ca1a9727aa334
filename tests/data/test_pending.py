"""What waits beside a data set: whole, checked, cleaned, and spoken of."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from adrec_cli.artifacts.atomic import file_sha256
from adrec_cli.artifacts.changing import recover_dataset
from adrec_cli.artifacts.dataset import verify_dataset
from adrec_cli.artifacts.manifest import read_manifest, write_manifest
from adrec_cli.data.pending import read_pending
from adrec_cli.errors import AdrecError, ArtifactError
from adrec_cli.pipeline.clean import removable
from adrec_cli.pipeline.preprocess import PreprocessOptions, preview
from adrec_cli.pipeline.verify import verify
from tests.data.table_files import START, Row, history, read_sequences, run, write_csv
from tests.robustness.faults import refusing

SHOP: list[Row] = history("anna", ["a", "b", "c"]) + history("ben", ["a", "b", "c"]) + history("cleo", ["a", "d"])
NIGHT: list[Row] = history("cleo", ["c"], START + 600)


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A data set with a 2-core of items and a 3-core of users: cleo and d wait."""
    options = {"min_user_interactions": 3, "min_item_interactions": 2}
    return run(write_csv(tmp_path / "shop.csv", SHOP), tmp_path, **options).folder


def test_what_waits_is_told_and_kept_in_order(shop: Path, tmp_path: Path) -> None:
    pending = read_pending(shop / "pending.parquet")
    assert pending.interactions.user_ids.to_list() == ["cleo"]
    assert pending.interactions.item_ids.to_list() == ["a", "d"]
    assert pending.position.tolist() == [0, 1]
    night = write_csv(tmp_path / "night.csv", [*NIGHT, ("anna", "d", START + 600), ("dora", "a", START)])
    seen = preview(str(night), workspace=tmp_path, options=PreprocessOptions(update=shop))
    result = run(night, tmp_path, update=shop)
    for notes in (seen.notes, result.notes):
        assert "interactions before and after: train 2 -> 4, valid 2 -> 3, test 2 -> 3" in notes
        assert "pending.parquet holds 1 interaction of 1 user back: later updates may bring them in" in notes
    assert read_sequences(shop)["cleo"] == ["a", "d", "c"]


def test_a_damaged_file_stops_updates_and_nothing_else(shop: Path, tmp_path: Path) -> None:
    path = shop / "pending.parquet"
    content = bytearray(path.read_bytes())
    content[8] ^= 1
    path.write_bytes(content)
    verify_dataset(shop, read_manifest(shop))
    found = {one.path: one for one in verify(tmp_path).verdicts}
    assert found["shop/pending.parquet"].status == "damaged"
    assert found["shop/manifest.json"].status == "whole"
    with pytest.raises(ArtifactError, match=r"pending\.parquet is damaged"):
        run(write_csv(tmp_path / "night.csv", NIGHT), tmp_path, update=shop)
    path.unlink()
    with pytest.raises(ArtifactError, match=r"pending\.parquet is missing"):
        run(write_csv(tmp_path / "night.csv", NIGHT), tmp_path, update=shop)
    again = run(tmp_path / "shop.csv", tmp_path, min_user_interactions=3, min_item_interactions=2)
    assert not again.skipped, "what is missing is made again"
    assert {one.status for one in verify(tmp_path).verdicts} == {"whole"}


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda table: table.replace_schema_metadata({b"adrec.pending_version": b"2"}), "format version 2"),
        (lambda table: table.replace_schema_metadata(None), "format version none"),
        (lambda table: table.drop_columns(["position"]), "columns user_id, item_id, timestamp"),
        (lambda table: pa.concat_tables([table, table]), "two interactions have one position|outside"),
    ],
)
def test_a_file_of_another_form_is_refused(shop: Path, tmp_path: Path, change, match: str) -> None:  # type: ignore[no-untyped-def]
    path = shop / "pending.parquet"
    pq.write_table(change(pq.read_table(path)), path)
    write_manifest(shop, dataclasses.replace(read_manifest(shop), pending_sha256=file_sha256(path)))
    with pytest.raises(ArtifactError, match=match):
        run(write_csv(tmp_path / "night.csv", NIGHT), tmp_path, update=shop)


def test_a_data_set_made_without_one_says_what_is_gone(shop: Path, tmp_path: Path) -> None:
    write_manifest(shop, dataclasses.replace(read_manifest(shop), pending_sha256=None))
    assert [one.path for one in removable(tmp_path)] == [shop / "pending.parquet"]
    (shop / "pending.parquet").unlink()
    result = run(write_csv(tmp_path / "night.csv", NIGHT), tmp_path, update=shop)
    assert [line for line in result.warnings if "made without a pending.parquet" in line]
    assert (shop / "pending.parquet").is_file()
    result = run(write_csv(tmp_path / "next.csv", history("cleo", ["b"], START + 900)), tmp_path, update=shop)
    assert result.warnings == []


@pytest.mark.thorough
@pytest.mark.parametrize("every", [3, pytest.param(1, marks=pytest.mark.slow)], ids=["some", "each"])
def test_whatever_call_fails_all_files_are_old_or_all_are_new(shop: Path, tmp_path: Path, every: int) -> None:
    night = write_csv(tmp_path / "night.csv", [*NIGHT, ("anna", "d", START + 600), ("dora", "a", START)])
    whole = tmp_path / "whole" / "shop"
    shutil.copytree(shop, whole)
    run(night, tmp_path, update=whole)
    states = [contents(shop), contents(whole)]
    assert states[0] != states[1]
    found, nth = set(), 1 - every
    while True:
        nth += every
        folder = tmp_path / "tried" / "shop"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(shop, folder)
        with refusing(folder, nth, errno.EIO) as call, contextlib.suppress(AdrecError):
            run(night, tmp_path, update=folder)
        if not call.refused:
            break
        recover_dataset(folder)
        state = contents(folder)
        assert state in states, f"call {nth}, {call.refused}"
        found.add(states.index(state))
        run(night, tmp_path, update=folder)
        assert contents(folder) == states[1]
    assert found == {0, 1}


def contents(folder: Path) -> dict[str, bytes]:
    """Return all that belongs to a data set, whatever is left of a run."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file() and path.name[0] != "."}


def test_it_goes_with_the_filters(shop: Path, tmp_path: Path) -> None:
    run(tmp_path / "shop.csv", tmp_path)
    assert not (shop / "pending.parquet").exists()
    assert read_sequences(shop)["cleo"] == ["a", "d"]


@pytest.mark.parametrize(
    ("first", "then", "said"),
    [
        ({"max_length": 3}, {"max_length": 4}, "max_length was 3"),
        ({"max_length": 3}, {"max_length": 0}, "max_length was 3"),
        ({"max_length": 3, "min_interactions": 2}, {"max_length": 4}, ""),
        ({"max_length": 4}, {"max_length": 3}, ""),
        ({}, {"duplicates": "keep"}, "duplicates were dropped"),
        ({"duplicates": "keep"}, {"duplicates": "drop"}, ""),
        ({"min_user_interactions": 3}, {"min_user_interactions": 2}, ""),
    ],
)
def test_a_filter_that_lets_more_in_says_what_is_gone(
    tmp_path: Path, first: dict[str, object], then: dict[str, object], said: str
) -> None:
    made = run(write_csv(tmp_path / "shop.csv", SHOP), tmp_path, **first).folder
    warnings = run(write_csv(tmp_path / "night.csv", NIGHT), tmp_path, update=made, **then).warnings
    assert [line for line in warnings if said and said in line] == (warnings if said else [])
    assert bool(warnings) == bool(said)


def test_what_counted_for_filters_counts_for_others_later(shop: Path, tmp_path: Path) -> None:
    run(write_csv(tmp_path / "night.csv", NIGHT), tmp_path, update=shop, min_user_interactions=2)
    assert read_sequences(shop)["cleo"] == ["a", "c"], "the items' 2-core goes on, and what waited counts"
    run(write_csv(tmp_path / "next.csv", NIGHT), tmp_path, update=shop, min_item_interactions=0)
    assert read_sequences(shop)["cleo"] == ["a", "d", "c"]


def test_a_time_split_says_that_there_is_nothing_new_to_train_on(tmp_path: Path) -> None:
    moments = {"split": "time", "valid_from": "2014-05-13T16:54:20", "test_from": "2014-05-13T16:55:20"}
    made = run(write_csv(tmp_path / "shop.csv", SHOP), tmp_path, **moments).folder
    result = run(write_csv(tmp_path / "night.csv", NIGHT), tmp_path, update=made)
    assert "interactions before and after: train 3 -> 3, valid 3 -> 3, test 2 -> 3" in result.notes
    assert [line for line in result.warnings if "all that is new in shop is held out" in line] == result.warnings != []
    late = run(write_csv(tmp_path / "late.csv", history("eve", ["a"], START)), tmp_path, update=made)
    assert late.warnings == []
    again = run(
        write_csv(tmp_path / "more.csv", history("eve", ["b"], START)), tmp_path, update=made, split="leave-one-out"
    )
    assert again.manifest.parameters["split"] == "leave-one-out"
    assert again.manifest.parameters["valid_from"] is None
