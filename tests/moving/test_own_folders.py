"""A workspace is no place to push to: not itself, nothing in it, and nothing whose own folders it would share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from adrec_cli.errors import UsageError
from adrec_cli.moving.place import DATASETS_FOLDER, FORMER_FOLDER, OBJECTS_FOLDER, Place
from adrec_cli.pipeline.push import push
from tests.robustness.processes import typed_here

OWN = (DATASETS_FOLDER, OBJECTS_FOLDER, FORMER_FOLDER)


def forms(path: Path, links: Path) -> list[str]:
    """One folder by several names: its path, an address, a detour, one relative to here, and one by a link."""
    link = links / f"link-{len(list(links.glob('link-*')))}"
    link.symlink_to(path)
    return [str(path), f"file://{path}", f"{path.parent}/./no/../{path.name}", os.path.relpath(path), str(link)]


def everything_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.mark.parametrize("inside", ["", "copies", "copies/of/shop", "shop", "shop/reports", ".shop.moving", "datasets"])
def test_nothing_in_the_workspace_is_pushed_to(first: Path, tmp_path: Path, inside: str) -> None:
    before = everything_in(first)
    for place in forms(first / inside, tmp_path):
        for dry_run in (False, True):
            with pytest.raises(UsageError, match=r"^what is pushed to .* would lie among the files of .*first"):
                push("shop", place, workspace=first, dry_run=dry_run)
    assert everything_in(first) == before


@pytest.mark.parametrize("inside", ["", "shops"])
@pytest.mark.parametrize("name", OWN)
def test_nor_is_a_folder_with_a_folder_of_its_own_that_the_workspace_is_or_lies_in(
    first: Path, tmp_path: Path, name: str, inside: str
) -> None:
    workspace = tmp_path / "there" / name / inside
    workspace.parent.mkdir(parents=True)
    first.rename(workspace)
    for place in forms(tmp_path / "there", tmp_path):
        with pytest.raises(UsageError, match="would lie among the files of"):
            push("shop", place, workspace=workspace)
    assert push("shop", str(tmp_path / "elsewhere"), workspace=workspace).files


@pytest.mark.parametrize("name", OWN)
def test_nor_one_with_a_folder_of_its_own_that_leads_into_the_workspace(first: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / name).symlink_to(first / "shop")
    with pytest.raises(UsageError, match="would lie among the files of"):
        push("shop", str(tmp_path / "there"), workspace=first)


def test_a_data_set_may_lie_elsewhere(first: Path, tmp_path: Path) -> None:
    (first / "shop").rename(tmp_path / "disk")
    (first / "shop").symlink_to(tmp_path / "disk")
    with pytest.raises(UsageError, match=r"would lie among the files of .*shop"):
        push("shop", str(tmp_path / "disk/copies"), workspace=first)
    assert push("shop", str(tmp_path / "copies"), workspace=first).files


def test_the_folder_around_a_workspace_may_hold_copies(first: Path, tmp_path: Path) -> None:
    assert push("shop", str(tmp_path), workspace=first).files
    assert Place(str(tmp_path)).list_datasets() == ["shop"]


def test_what_is_typed_is_refused(first: Path) -> None:
    done = typed_here(["push", "shop", first / "copies", "--workspace", first])
    assert f"what is pushed to {first}/copies would lie among the files of {first}" in done.require_one_error(2)
