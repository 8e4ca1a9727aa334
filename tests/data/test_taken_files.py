"""A file counts once: known by its rows, not by its bytes; and hash and rows are of one content."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adrec_cli.data.interactions import Interactions
from adrec_cli.data.reading import source_content
from adrec_cli.data.reading.row_hashes import content_sha256
from adrec_cli.data.reading.steady_files import look_at
from adrec_cli.errors import InputError
from adrec_cli.pipeline.preprocess import PreprocessOptions, preview
from tests.data.table_files import START, Row, history, read_sequences, run, write_csv
from tests.examples import tries

FIRST = history("anna", ["a", "b", "c"]) + history("ben", ["b", "c"])
NIGHT = [*history("anna", ["d", "a"], START + 600), ("anna", "a", START + 660)]
HEADER = "user_id,item_id,timestamp"


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A data set that keeps duplicates and has taken NIGHT."""
    folder = run(write_csv(tmp_path / "shop.csv", FIRST), tmp_path, duplicates="keep").folder
    assert not run(write_csv(tmp_path / "night.csv", NIGHT), tmp_path, update=folder).skipped
    return folder


def as_gzip(path: Path) -> Path:
    path.write_bytes(gzip.compress(write_csv(path.with_suffix(".plain"), NIGHT).read_bytes()))
    return path


def as_parquet(path: Path) -> Path:
    pl.DataFrame(NIGHT, schema=["user_id", "item_id", "timestamp"], orient="row").write_parquet(path)
    return path


def with_blank_line(path: Path) -> Path:
    write_csv(path, NIGHT).write_text(path.read_text() + "\n")
    return path


@pytest.mark.parametrize(
    "repeat",
    [
        lambda folder: with_blank_line(folder / "blank.csv"),
        lambda folder: as_gzip(folder / "packed.csv.gz"),
        lambda folder: as_parquet(folder / "night.parquet"),
        lambda folder: write_csv(folder / "turned.csv", [(i, t, u) for u, i, t in NIGHT], "item_id,timestamp,user_id"),
        lambda folder: write_csv(folder / "backwards.csv", NIGHT[::-1]),
        lambda folder: write_csv(folder / "more.csv", [(*row, "x") for row in NIGHT], f"{HEADER},note"),
        lambda folder: write_csv(folder / "again.csv", NIGHT),
    ],
)
def test_the_same_rows_in_other_bytes_add_nothing(shop: Path, tmp_path: Path, repeat) -> None:  # type: ignore[no-untyped-def]
    before = {path.name: path.read_bytes() for path in shop.iterdir() if path.is_file()}
    source = repeat(tmp_path)
    result = run(source, tmp_path, update=shop)
    assert result.skipped
    if source.name != "again.csv":
        assert f"{source.name} adds nothing" in result.notes[0]
    assert {path.name: path.read_bytes() for path in shop.iterdir() if path.is_file()} == before
    assert (
        preview(str(source), workspace=tmp_path, options=PreprocessOptions(update=shop)).statistics["interactions"] == 8
    )


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("cut", [1, 3, 7], ids=["nearly all is there", "half is there", "nearly nothing is there"])
def test_a_file_that_has_grown_since_it_was_taken_is_refused(shop: Path, tmp_path: Path, cut: int, force: bool) -> None:
    """A log that is added to, or an upload that was cut off when it was taken: what is there would count again."""
    whole = history("ben", ["d", "a", "c", "b", "a", "d", "b", "c"], START + 900)
    log = write_csv(tmp_path / "log.csv", whole[:-cut])
    taken = run(log, tmp_path, update=shop).manifest.statistics["interactions"]
    for name in ("log.csv", "whole.csv"):
        with pytest.raises(InputError, match=rf"{name} begins with log\.csv, whose rows would count again") as refused:
            run(write_csv(tmp_path / name, whole), tmp_path, update=shop, force=force)
    assert refused.value.hint is not None
    assert refused.value.hint.endswith("adrec rollback --data")
    rest = run(write_csv(tmp_path / "rest.csv", whole[-cut:]), tmp_path, update=shop)
    assert rest.manifest.statistics["interactions"] == taken + cut


def test_of_files_that_are_read_together_none_begins_with_another(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    write_csv(tmp_path / "logs/1.csv", FIRST)
    write_csv(tmp_path / "logs/2.csv", FIRST + NIGHT)
    with pytest.raises(InputError, match=r"2\.csv begins with 1\.csv"):
        run(tmp_path / "logs", tmp_path, duplicates="keep")
    made = run(tmp_path / "logs", tmp_path)
    assert made.manifest.statistics["interactions"] == len({*FIRST, *NIGHT}), "where they are dropped it does no harm"
    assert run(write_csv(tmp_path / "logs/2.csv", FIRST + NIGHT + NIGHT), tmp_path, update=made.folder)


def test_a_file_of_items_may_grow(tmp_path: Path) -> None:
    items = [("a", "A"), ("b", "B"), ("c", "C"), ("d", "D")]
    header = "item_id,title"
    given = write_csv(tmp_path / "items.csv", items[:3], header)
    made = run(write_csv(tmp_path / "shop.csv", FIRST), tmp_path, duplicates="keep", items=given).folder
    given = write_csv(tmp_path / "items.csv", items, header)
    grown = run(write_csv(tmp_path / "night.csv", NIGHT), tmp_path, update=made, items=given)
    assert grown.manifest.statistics["interactions"] == len(FIRST + NIGHT)


def test_by_force_they_add_nothing_either(shop: Path, tmp_path: Path) -> None:
    result = run(tmp_path / "night.csv", tmp_path, force=True, update=shop)
    assert not result.skipped
    assert result.manifest.statistics["interactions"] == 8
    assert [entry["name"] for entry in result.manifest.sources] == ["shop.csv", "night.csv"]


@pytest.mark.parametrize(
    "rows",
    [NIGHT[:-1], [NIGHT[0], *NIGHT], [("ben", *row[1:]) for row in NIGHT], [(u, i, t + 1) for u, i, t in NIGHT]],
)
def test_other_rows_count(shop: Path, tmp_path: Path, rows: list[Row]) -> None:
    result = run(write_csv(tmp_path / "other.csv", rows), tmp_path, update=shop)
    assert result.manifest.statistics["interactions"] == 8 + len(rows)


def test_a_copy_in_the_same_folder_counts_once(tmp_path: Path) -> None:
    parts = tmp_path / "log"
    parts.mkdir()
    for name in ("a.csv", "a (1).csv", "b.csv"):
        write_csv(parts / name, NIGHT if name[0] == "a" else FIRST)
    workspace = tmp_path / "workspace"
    first = run(parts, workspace, duplicates="keep")
    assert first.manifest.statistics["interactions"] == 8
    assert [line for line in first.notes if "adds nothing" in line]
    assert run(parts, workspace, duplicates="keep").skipped


def test_files_without_times_may_say_the_same_twice(tmp_path: Path) -> None:
    parts = tmp_path / "log"
    parts.mkdir()
    for name in ("monday.csv", "tuesday.csv"):
        write_csv(parts / name, [("anna", "milk"), ("anna", "tea")], "user_id,item_id")
    made = run(parts, tmp_path / "workspace", duplicates="keep")
    assert sorted(read_sequences(made.folder)["anna"]) == ["milk", "milk", "tea", "tea"]


EVENTS = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc"), st.integers(0, 3)), max_size=8)


def interactions_of(events: list[tuple[str, str, int]], more: str = "") -> Interactions:
    """Code events; `more` ids occur in no event."""
    users, items = (sorted({*(event[column] for event in events), *more}) for column in (0, 1))
    return Interactions(
        user=np.array([users.index(event[0]) for event in events], dtype=np.int32),
        item=np.array([items.index(event[1]) for event in events], dtype=np.int32),
        time=np.array([event[2] for event in events], dtype=np.int64),
        part=None,
        user_ids=pl.Series(users, dtype=pl.String),
        item_ids=pl.Series(items, dtype=pl.String),
    )


@given(EVENTS, EVENTS, st.randoms(use_true_random=False))
@settings(max_examples=tries(100), deadline=None)
def test_equal_hashes_are_equal_rows(first, second, random) -> None:  # type: ignore[no-untyped-def]
    def hash_of(events: list[tuple[str, str, int]], more: str = "") -> str:
        return content_sha256(interactions_of(events, more), slice(0, len(events)))

    assert (hash_of(first) == hash_of(second)) == (sorted(first) == sorted(second))
    shuffled = random.sample(first, len(first))
    assert hash_of(shuffled, more="abcxyz") == hash_of(first)
    behind = interactions_of(second + first)
    assert content_sha256(behind, slice(len(second), None)) == hash_of(first)


def test_the_hash_is_the_same_for_ever() -> None:
    """Data sets on disk remember it."""
    rows = interactions_of([("a", "b", 1), ("b", "ü", 2), ("a", "b", 1)])
    assert content_sha256(rows, slice(0, 3))[:12] == "9cc6b0781963"


def test_rows_that_are_not_wanted_tell_files_apart(tmp_path: Path) -> None:
    header = f"{HEADER},rating"
    rows = [(*row, 5) for row in NIGHT]
    made = run(write_csv(tmp_path / "shop.csv", rows, header), tmp_path, duplicates="keep", min_rating=3).folder
    night = write_csv(tmp_path / "night.csv", [("anna", "z", START, 1), *rows], header)
    assert run(night, tmp_path, update=made).manifest.statistics["interactions"] == 2 * len(NIGHT)


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("change", ["append", "in place", "replace"])
def test_a_file_that_changes_while_it_is_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str, old: bool
) -> None:
    source = write_csv(tmp_path / "shop.csv", FIRST)
    if old:
        os.utime(source, (START, START))
    before = source.stat()
    read = source_content.read_interactions

    def read_and_change(*arguments, **options):  # type: ignore[no-untyped-def]
        found = read(*arguments, **options)
        if change == "replace":
            write_csv(tmp_path / "new.csv", NIGHT).replace(source)
        elif change == "append":
            write_csv(source, [*FIRST, *NIGHT])
        else:
            source.write_text(source.read_text().replace("anna", "emma"))
            os.utime(source, ns=(before.st_atime_ns, before.st_mtime_ns))
        return found

    monkeypatch.setattr(source_content, "read_interactions", read_and_change)
    with pytest.raises(InputError, match="changed while it was read"):
        run(source, tmp_path)
    assert not (tmp_path / "shop" / "manifest.json").exists()


def test_a_change_that_no_clock_shows_is_seen_in_a_fresh_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write_csv(tmp_path / "shop.csv", FIRST)
    file = look_at(source)
    assert file.fresh
    source.write_text(source.read_text().replace("anna", "emma"))
    monkeypatch.setattr("adrec_cli.data.reading.steady_files._stamp", lambda path: file.stamp)
    with pytest.raises(InputError, match="changed while it was read"):
        file.require_unchanged()
