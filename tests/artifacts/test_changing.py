"""What a writer that was killed leaves is seen before anybody reads."""

from __future__ import annotations

import pytest

from adrec_cli.artifacts.changing import needs_recovery


def test_a_folder_that_nobody_was_killed_in_needs_nothing(workspace):
    folder = workspace / "tiny"
    assert not needs_recovery(folder)
    for name in (".hidden", "file.tmp", "manifest.json.next"):
        (folder / name).write_bytes(b"x")
    assert not needs_recovery(folder)


@pytest.mark.parametrize("name", [".items.parquet.123.tmp", ".sequences.parquet.next"])
def test_a_file_that_was_not_put_in_its_place_needs_recovery(workspace, name):
    (workspace / "tiny" / name).write_bytes(b"half")
    assert needs_recovery(workspace / "tiny")


def test_a_damaged_manifest_is_for_whoever_reads_it(workspace):
    (workspace / "tiny/manifest.json").write_text("{")
    assert not needs_recovery(workspace / "tiny")
