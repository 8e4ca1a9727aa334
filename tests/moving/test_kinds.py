"""What adrec writes into a data set's folder is moved, and nothing that could lie elsewhere."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adrec_cli.moving.kinds import KINDS, find_kind, list_belongings
from adrec_cli.moving.moved import MovedFile, describe_moved
from tests.moved_shops import nights, read_visible

__all__ = ["nights"]

WRITTEN = {
    "manifest.json": "data",
    "sequences.parquet": "data",
    "pending.parquet": "data",
    "generations/000001/items.parquet": "former data",
    "items.vectors.safetensors": "item vectors",
    "adrec/promoted/704661f4b0b90d4f.safetensors": "promoted model",
    "adrec/promoted/704661f4b0b90d4f.items.index": "promoted model",
    "adrec/finetune.safetensors": "model",
    "adrec/finetune.state.safetensors": "model",
    "adrec/nights.jsonl": "model",
    "sasrec/seed-2/train.jsonl": "model",
    "adrec/current.json": "which model is current",
    "sweeps/lambda+mse_weight/sweep.json": "sweep",
    "sweeps/lambda/results.parquet": "sweep",
    "sweeps/a/stages/adrec-finetune-0123456789ab/finetune.safetensors": "sweep",
    "sweeps/a/stages/adrec-finetune-0123456789ab/measured-valid-0123456789ab.json": "sweep",
    "sweeps/sasrec+tune+learning_rate/best.toml": "sweep",
    "sweeps/sasrec+tune+learning_rate/trials-0123456789ab.jsonl": "sweep",
    "reports/adrec-finetune-loo-full-test.ranks.parquet": "result",
    "reports/report.html": "result",
    "reports/card-adrec.md": "result",
    "reports/curves.svg": "result",
}
SEGMENTS = [
    "",
    ".",
    "..",
    "adrec",
    "reports",
    "promoted",
    "generations",
    "sweeps",
    "stages",
    "seed-1",
    "000001",
    "/",
    "~",
]
ENDS = [
    "manifest.json",
    "x.safetensors",
    "x.jsonl",
    ".x.tmp",
    "current.json",
    ".lock",
    "x\n.json",
    "x\0.jsonl",
    "a\\b.svg",
]


@pytest.mark.parametrize(("path", "kind"), WRITTEN.items())
def test_what_adrec_writes_has_a_kind(path: str, kind: str) -> None:
    assert find_kind(path) == kind


def test_every_kind_is_tried() -> None:
    assert set(WRITTEN.values()) == set(KINDS)


@pytest.mark.parametrize(
    "path",
    [
        "notes.txt", "adrec/notes.txt", ".lock", "adrec/.lock", "reports/.x.json.1.tmp", "reports/a/b.json",
        "x.safetensors", "reports/x.safetensors", "generations/x/manifest.json", "generations/x.jsonl",
        "adrec/promoted/x.safetensors",
        "/etc/passwd", "../shop/manifest.json", "adrec/../manifest.json", "adrec//x.jsonl", "adrec/x.jsonl\n",
        "C:/x.jsonl", "adrec/x\u202e.jsonl", "adrec\\x.jsonl", "", "manifest.json/", "sweeps/.a/sweep.json",
        "sweeps/../adrec/x.jsonl",
    ],
)  # fmt: skip
def test_what_adrec_does_not_write_has_none(path: str) -> None:
    assert find_kind(path) is None


@given(
    st.lists(st.sampled_from(SEGMENTS) | st.text(max_size=3), max_size=4), st.sampled_from(ENDS) | st.text(max_size=4)
)
def test_a_path_that_has_a_kind_stays_in_the_folder_and_is_spelled_in_one_way(folders: list[str], name: str) -> None:
    path = "/".join([*folders, name])
    if find_kind(path) is not None:
        assert os.path.normpath(f"/shop/{path}") == f"/shop/{path}"
        assert PurePosixPath(path).as_posix() == path
        assert all(part[0] not in ".~" and part.isprintable() for part in path.split("/"))


def test_all_of_a_workspace_belongs_to_it(nights: tuple[Path, Path]) -> None:
    for workspace in nights:
        found = list_belongings(workspace / "shop")
        assert found.paths == sorted(read_visible(workspace / "shop"))
        assert not found.others


def test_what_somebody_else_has_laid_there_is_listed_apart(tmp_path: Path) -> None:
    shop, elsewhere = tmp_path / "shop", tmp_path / "elsewhere"
    for path in (
        shop / "manifest.json",
        shop / "adrec/notes.txt",
        elsewhere / "x.json",
        shop / ".scratch/manifest.json",
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    os.mkfifo(shop / "items.parquet")
    (shop / "reports").symlink_to(elsewhere)
    found = list_belongings(shop)
    assert found.paths == ["manifest.json"]
    assert found.others == ["adrec/notes.txt", "items.parquet", "reports"]


@pytest.mark.parametrize(("path", "kind"), [("manifest.json", "data"), ("adrec/finetune.safetensors", "model")])
def test_a_file_is_listed_with_what_it_is(path, kind):
    assert describe_moved(path, 7) == MovedFile(path=path, kind=kind, bytes=7)
