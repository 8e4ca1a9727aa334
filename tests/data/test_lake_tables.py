"""Folders of Delta and Iceberg, written by their own libraries: what counts today, and which state was read."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adrec_cli.data.options import PreprocessOptions
from adrec_cli.errors import InputError
from adrec_cli.pipeline.preprocess import preprocess
from adrec_cli.reporting.reproduction import preprocess_command
from tests.examples import tries

pytestmark = pytest.mark.usefixtures("in_shell")

ROWS = [(f"u{user}", (user + step) % 7, 1_600_000_000 + step) for user in range(9) for step in range(6)]
EVENTS = pl.DataFrame(ROWS, schema=["user", "item", "timestamp"], orient="row")
BY_ITEM = PreprocessOptions(ties="item")

Change = tuple[str, Any]


def write_delta(folder: Path, changes: list[Change]) -> None:
    """Append and delete."""
    deltalake = pytest.importorskip("deltalake")
    for kind, what in changes:
        if kind == "append":
            deltalake.write_deltalake(str(folder), what, mode="append")
        else:
            deltalake.DeltaTable(str(folder)).delete(f"item = {what}")


def write_iceberg(folder: Path, changes: list[Change]) -> None:
    """Append and delete."""
    catalogs = pytest.importorskip("pyiceberg.catalog.memory")
    catalog = catalogs.InMemoryCatalog("here", warehouse=str(folder.parent))
    catalog.create_namespace("own")
    schema = changes[0][1].to_arrow(compat_level=pl.CompatLevel.oldest()).schema
    table = catalog.create_table("own.events", schema=schema, location=str(folder))
    for kind, what in changes:
        if kind == "append":
            table.append(what.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(table.schema().as_arrow()))
        else:
            table.delete(f"item == {what}")


WRITERS: dict[str, Callable[[Path, list[Change]], None]] = {"Delta": write_delta, "Iceberg": write_iceberg}


def read_tables(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.parquet"))}


@pytest.fixture(params=sorted(WRITERS))
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.filterwarnings("ignore::Warning:pyiceberg")
@given(
    sizes=st.lists(st.integers(1, 20), min_size=1, max_size=3), deleted=st.lists(st.integers(0, 6), max_size=2)
)  # fmt: skip
@settings(max_examples=tries(5), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_counts_is_what_a_file_of_it_gives(
    sizes: list[int], deleted: list[int], kind: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("lake")
    pieces = [EVENTS.slice(9 * place, size) for place, size in enumerate(sizes)]
    kept = pl.concat(pieces).filter(~pl.col("item").is_in(deleted))
    if kept.height < 3:
        return
    WRITERS[kind](folder / "shop", [*(("append", one) for one in pieces), *(("delete", one) for one in deleted)])
    kept.write_parquet(folder / "shop.parquet")
    table = preprocess(str(folder / "shop"), workspace=folder / "a", options=BY_ITEM)
    file = preprocess(str(folder / "shop.parquet"), workspace=folder / "b", options=BY_ITEM)
    assert table.folder.name == "shop"
    assert read_tables(table.folder) == read_tables(file.folder)


def test_the_version_that_was_read_is_remembered(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tmp").mkdir()
    write = WRITERS[kind]
    write(tmp_path / "shop", [("append", EVENTS)])
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    first = preprocess(str(tmp_path / "shop"), workspace=tmp_path / "w")
    assert first.manifest.sources[0]["table"] == kind
    assert first.manifest.sources[0]["name"] == "shop"
    assert preprocess_command(first.manifest, has_item_file=False) == "adrec preprocess shop"
    assert preprocess(str(tmp_path / "shop"), workspace=tmp_path / "w").skipped
    if kind == "Delta":
        assert first.manifest.sources[0]["version"] == 0
        write(tmp_path / "shop", [("append", EVENTS.with_columns(pl.col("timestamp") + 100))])
        more = preprocess(
            str(tmp_path / "shop"), workspace=tmp_path / "w", options=PreprocessOptions(update=first.folder)
        )
        assert [one["version"] for one in more.manifest.sources] == [0, 1]
        assert more.manifest.statistics["interactions"] == 2 * len(ROWS)
    else:
        assert first.manifest.sources[0]["version"] > 2**31
    assert list((tmp_path / "tmp").iterdir()) == []


def test_states_between_which_only_a_catalog_can_tell_are_refused(tmp_path: Path) -> None:
    write_iceberg(tmp_path / "shop", [("append", EVENTS)])
    (newest,) = (tmp_path / "shop" / "metadata").glob("00001-*.metadata.json")
    shutil.copy(newest, newest.with_name("00001-0.metadata.json"))
    with pytest.raises(InputError, match="only its catalog knows which of 2 states"):
        preprocess(str(tmp_path / "shop"), workspace=tmp_path / "w")
    newest.rename(newest.with_name("v7.metadata.json"))
    (newest.parent / "version-hint.text").write_text("7\n")
    assert preprocess(str(tmp_path / "shop"), workspace=tmp_path / "w").manifest.statistics["users"] == 9


def test_a_table_that_is_damaged_or_empty_is_told(kind: str, tmp_path: Path) -> None:
    WRITERS[kind](tmp_path / "shop", [("append", EVENTS)])
    for path in (tmp_path / "shop").rglob("*.parquet"):
        path.unlink()
    with pytest.raises(InputError, match=f"shop is a table of {kind} that cannot be read"):
        preprocess(str(tmp_path / "shop"), workspace=tmp_path / "w")
    assert not (tmp_path / "w").exists()
    WRITERS[kind](tmp_path / "none", [("append", EVENTS.clear())])
    with pytest.raises(InputError, match=f"none is a table of {kind} without rows"):
        preprocess(str(tmp_path / "none"), workspace=tmp_path / "w")
    WRITERS[kind](tmp_path / "other", [("append", EVENTS.select(a="item", b="item"))])
    with pytest.raises(InputError, match=f"^{tmp_path / 'other'}") as raised:
        preprocess(str(tmp_path / "other"), workspace=tmp_path / "w")
    assert tempfile.gettempdir() + "/adrec" not in raised.value.message + raised.value.hint


def test_what_is_not_installed_is_named(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "shop" / ("_delta_log" if kind == "Delta" else "metadata")
    folder.mkdir(parents=True)
    (folder / "v1.metadata.json").write_text("{}")
    monkeypatch.setitem(sys.modules, "deltalake" if kind == "Delta" else "pyiceberg.table", None)
    with pytest.raises(InputError, match=f"is a table of {kind}: reading it needs") as raised:
        preprocess(str(tmp_path / "shop"), workspace=tmp_path / "w")
    assert "pip install 'adrec-cli[lake]'" in raised.value.hint
