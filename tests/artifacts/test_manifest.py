"""Manifests with a right checksum that nobody could have written are refused, whichever field it is."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from adrec_cli.artifacts.manifest import Manifest, read_manifest, write_manifest
from adrec_cli.errors import ArtifactError

WHOLE = Manifest(
    dataset="shop",
    sources=[{"name": "shop.csv"}],
    parameters={"found": {}},
    statistics={"users": 1, "items": 2, "interactions": 3},
    sequences_sha256="0" * 64,
    items_sha256="1" * 64,
    adrec_version="0.2.0",
    reading={"columns": {}},
    pending_sha256="2" * 64,
)
NO_COUNTS = [None, -1, True, 1.5, "1"]
NO_TABLES = [None, [], 1, "x"]
NO_TABLE_LISTS = [None, {}, 1, "x", [1], [None], [{}, "x"]]
NO_HASHES = ["", "0" * 63, "0" * 65, "0" * 63 + "g", 1]
WRONG: dict[str, list[Any]] = {
    "dataset": [None, 1, "", "../x", "a/b", "x" * 101],
    "sources": NO_TABLE_LISTS,
    "withdrawn": NO_TABLE_LISTS,
    "parameters": [*NO_TABLES, *({"found": wrong} for wrong in NO_TABLES)],
    "reading": [*NO_TABLES, *({"columns": wrong} for wrong in NO_TABLES)],
    "forgotten": NO_TABLES,
    "generation": NO_COUNTS,
    "former": NO_COUNTS,
    "keep_data": NO_COUNTS,
    "statistics": [
        *NO_TABLES,
        *(WHOLE.statistics | {name: wrong} for name in WHOLE.statistics for wrong in (*NO_COUNTS, 0, 2**63)),
    ],
    "sequences_sha256": [*NO_HASHES, None],
    "items_sha256": [*NO_HASHES, None],
    "pending_sha256": NO_HASHES,
    "format_version": [0, 3, "2", True, None],
}


@pytest.mark.parametrize(("name", "wrong"), [(name, value) for name, values in WRONG.items() for value in values])
def test_a_value_that_no_field_has_is_refused(tmp_path: Path, name: str, wrong: Any) -> None:
    folder = tmp_path / "shop"
    folder.mkdir()
    write_manifest(folder, WHOLE)
    assert read_manifest(folder) == WHOLE
    write_manifest(folder, replace(WHOLE, **{name: wrong}))
    with pytest.raises(ArtifactError) as refused:
        read_manifest(folder)
    assert str(folder / "manifest.json") in refused.value.message
    assert refused.value.hint


def test_every_field_that_something_depends_on_is_checked() -> None:
    assert {field.name for field in fields(Manifest)} - set(WRONG) == {"adrec_version"}
