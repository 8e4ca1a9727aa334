"""What a power cut leaves: the manifest is the moment of change, and all it names lasts before it does."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from adrec_cli.pipeline.preprocess import PreprocessOptions, preprocess
from adrec_cli.schema import ITEMS_FILE, MANIFEST_FILE, PENDING_FILE, SEQUENCES_FILE


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Renames and syncs in order: ("rename", new name), ("sync", name)."""
    seen: list[tuple[str, str]] = []
    replace, sync = os.replace, os.fsync

    def replaced(source: Path, target: Path) -> None:
        replace(source, target)
        seen.append(("rename", Path(target).name))

    def synced(descriptor: int) -> None:
        sync(descriptor)
        seen.append(("sync", Path(os.readlink(f"/proc/self/fd/{descriptor}")).name))

    monkeypatch.setattr(os, "replace", replaced)
    monkeypatch.setattr(os, "fsync", synced)
    return seen


def test_names_last_before_the_manifest_says_them_and_it_lasts_before_they_move(
    calls: list[tuple[str, str]], tmp_path: Path
) -> None:
    source = tmp_path / "log.csv"
    rows = [f"u{k % 4},i{k % 3},{1_600_000_000 + k}" for k in range(24)] + ["u9,i9,1600000100"]
    source.write_text("\n".join(["user_id,item_id,timestamp", *rows]) + "\n")
    preprocess(str(source), workspace=tmp_path / "w", options=PreprocessOptions(min_interactions=2, name="shop"))
    committed = calls.index(("rename", MANIFEST_FILE))
    folder = [number for number, call in enumerate(calls) if call == ("sync", "shop")]
    for name in (SEQUENCES_FILE, ITEMS_FILE, PENDING_FILE):
        written = next(number for number, (call, of) in enumerate(calls) if call == "sync" and name in of)
        named = [number for number, (call, of) in enumerate(calls) if call == "rename" and of.startswith(f".{name}")]
        moved = calls.index(("rename", name))
        assert written < named[0] <= named[-1] < committed < moved
        assert any(named[-1] < number < committed for number in folder)
        assert any(committed < number < moved for number in folder)
        assert any(moved < number for number in folder)
