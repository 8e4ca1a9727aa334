"""What adrec writes into a data set's folder is moved, and nothing that could lie elsewhere."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adrec_cli.errors import ArtifactError, StorageError
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
    "adrec/nights.jsonl": "nights",
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
    (shop / "sweeps").mkdir()
    (shop / "sweeps/stages.d").symlink_to(elsewhere)
    (shop / "adrec/deep").symlink_to(elsewhere)
    (shop / "adrec/back").symlink_to(shop)
    (shop / "adrec/more.txt").symlink_to(tmp_path / "gone")
    found = list_belongings(shop)
    assert found.paths == ["manifest.json", "sweeps/stages.d/x.json"]
    assert found.others == ["adrec/back", "adrec/deep", "adrec/more.txt", "adrec/notes.txt", "items.parquet"]


@pytest.mark.parametrize("path", WRITTEN)
def test_a_folder_that_adrec_writes_into_may_be_a_link_and_must_lead_somewhere(path: str, tmp_path: Path) -> None:
    """Every folder on the way, and the file itself."""
    (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / path).write_text("x")
    for depth in range(1, len(PurePosixPath(path).parts) + 1):
        head = PurePosixPath(*PurePosixPath(path).parts[:depth])
        shop = tmp_path / f"shop{depth}"
        (shop / head).parent.mkdir(parents=True)
        (shop / head).symlink_to(tmp_path / head)
        assert list_belongings(shop).paths == [path]
        (shop / head).unlink()
        (shop / head).symlink_to(tmp_path / "gone")
        with pytest.raises(ArtifactError, match=r"is a link to .*gone, which is not there"):
            list_belongings(shop)


def test_a_folder_that_cannot_be_read_is_not_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "adrec").mkdir()
    listed = os.listdir

    def refuse(place: Path) -> list[str]:
        if Path(place).name == "adrec":
            raise PermissionError(13, "Permission denied")
        return listed(place)

    monkeypatch.setattr(os, "listdir", refuse)
    with pytest.raises(StorageError, match=r"could not read .*adrec"):
        list_belongings(tmp_path)


@pytest.mark.parametrize(("path", "kind"), [("manifest.json", "data"), ("adrec/finetune.safetensors", "model")])
def test_a_file_is_listed_with_what_it_is(path, kind):
    assert describe_moved(path, 7) == MovedFile(path=path, kind=kind, bytes=7)
