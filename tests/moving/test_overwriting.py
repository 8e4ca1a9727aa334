"""What a pull and a push leave as it is: what was made here, what others pushed, and who was forgotten."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from adrec_cli.artifacts.lock import exclusive
from adrec_cli.errors import ArtifactError, LockedError
from adrec_cli.moving.arriving import Arriving
from adrec_cli.moving.comparison import Comparison
from adrec_cli.moving.marks import read_marks, write_mark
from adrec_cli.pipeline.pull import Pulling, pull
from adrec_cli.pipeline.push import push
from tests.moved_shops import read_visible
from tests.moving.conftest import FORCE, forget, require_equal

pytestmark = pytest.mark.usefixtures("in_shell")


def test_what_was_made_here_is_not_overwritten(first: Path, second: Path, tmp_path: Path, place: str) -> None:
    push("shop", place, workspace=first)
    here = tmp_path / "here"
    pull(place, workspace=here)
    log = here / "shop/adrec/finetune.jsonl"
    log.write_text(log.read_text() + "\n")
    push("shop", place, workspace=second, force=True)
    before = read_visible(here / "shop")
    with pytest.raises(
        ArtifactError, match=r"shop has changed here since it was last .*: adrec/finetune.jsonl$"
    ) as told:
        pull(place, workspace=here)
    assert "--force" in told.value.hint
    assert read_visible(here / "shop") == before
    assert pull(place, workspace=here, pulling=Pulling(dry_run=True)).overwritten == ["adrec/finetune.jsonl"]
    assert pull(place, workspace=here, pulling=FORCE).overwritten == ["adrec/finetune.jsonl"]
    require_equal(second, here)


def test_a_data_set_of_the_same_name_that_was_never_pulled_is_not_overwritten(
    first: Path, second: Path, place: str
) -> None:
    push("shop", place, workspace=first)
    before = read_visible(second / "shop")
    with pytest.raises(ArtifactError, match=r"changed here .* and \d+ more$"):
        pull(place, workspace=second)
    assert read_visible(second / "shop") == before


def test_what_others_pushed_is_not_overwritten(first: Path, second: Path, tmp_path: Path, place: str) -> None:
    push("shop", place, workspace=first)
    pull(place, workspace=tmp_path / "here")
    with pytest.raises(ArtifactError, match="was pushed from elsewhere since"):
        push("shop", place, workspace=second)
    push("shop", place, workspace=second, force=True)
    (tmp_path / "here/shop/reports/mine.svg").write_text("<svg/>")
    with pytest.raises(ArtifactError, match="was pushed from elsewhere since"):
        push("shop", place, workspace=tmp_path / "here")
    pull(place, workspace=tmp_path / "here")
    assert [one.path for one in push("shop", place, workspace=tmp_path / "here").moved] == ["reports/mine.svg"]


def test_what_is_here_and_not_there_stays(first: Path, tmp_path: Path, place: str) -> None:
    push("shop", place, workspace=first)
    extra = tmp_path / "here/shop/sasrec/train.safetensors"
    extra.parent.mkdir(parents=True)
    extra.write_bytes(b"mine")
    pull(place, workspace=tmp_path / "here")
    assert extra.read_bytes() == b"mine"


@pytest.mark.parametrize("inside", ["", "adrec"])
def test_a_run_under_way_is_waited_for_or_left_alone(inside: str, first: Path, tmp_path: Path, place: str) -> None:
    push("shop", place, workspace=first)
    here = tmp_path / "here"
    pull(place, workspace=here)
    (here / "shop/adrec/current.json").unlink()
    before = read_visible(here / "shop")
    with exclusive(here / "shop" / inside, "train"), pytest.raises(LockedError):
        pull(place, workspace=here)
    assert read_visible(here / "shop") == before
    with exclusive(first / "shop" / inside, "train"), pytest.raises(LockedError):
        push("shop", place, workspace=first)
    pull(place, workspace=here)
    require_equal(first, here)


def test_who_was_forgotten_here_is_not_brought_back(first: Path, tmp_path: Path, place: str) -> None:
    push("shop", place, workspace=first)
    here = tmp_path / "here"
    pull(place, workspace=here)
    forget(here, "u1")
    before = read_visible(here / "shop")
    for pulling in (Pulling(), FORCE):
        with pytest.raises(ArtifactError):
            pull(place, workspace=here, pulling=pulling)
        assert read_visible(here / "shop") == before
    push("shop", place, workspace=here)
    pull(place, workspace=first)
    require_equal(here, first)
    forget(first, "u2")
    push("shop", place, workspace=first)
    pull(place, workspace=here)


def test_what_changes_here_while_files_come_is_not_overwritten(
    first: Path, second: Path, tmp_path: Path, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    push("shop", place, workspace=first)
    here = tmp_path / "here"
    pull(place, workspace=here)
    push("shop", place, workspace=second, force=True)
    bring = Arriving.bring

    def change_after(self: Arriving, comparison: Comparison) -> int:
        came = bring(self, comparison)
        (here / "shop/adrec/finetune.jsonl").write_text("{}\n")
        return came

    with monkeypatch.context() as patch:
        patch.setattr(Arriving, "bring", change_after)
        with pytest.raises(ArtifactError, match=r"changed here since .*: adrec/finetune.jsonl$"):
            pull(place, workspace=here)
    assert (here / "shop/adrec/finetune.jsonl").read_text() == "{}\n"
    # What has not come cannot be put, force or not.
    push("shop", place, workspace=first, force=True)
    pull(place, workspace=here, pulling=FORCE)

    def lose_after(self: Arriving, comparison: Comparison) -> int:
        came = bring(self, comparison)
        (here / "shop/reports/mostpop-loo-full-test.json").write_text("{}")
        return came

    (here / "shop/adrec/finetune.jsonl").unlink()
    with monkeypatch.context() as patch:
        patch.setattr(Arriving, "bring", lose_after)
        with pytest.raises(ArtifactError, match="changed while the files came"):
            pull(place, workspace=here, pulling=FORCE)
    pull(place, workspace=here, pulling=FORCE)
    require_equal(first, here)


def test_what_was_remembered_by_the_first_version_is_read(tmp_path: Path) -> None:
    """In the form in which it was written then."""
    folder = tmp_path / "shop"
    path = tmp_path / ".shop.moving/marks.json"
    path.parent.mkdir()
    files = {"manifest.json": "0" * 64}
    path.write_text(json.dumps({"format_version": 1, "places": {"s3://models/shops": files}}))
    assert read_marks(folder) == {"s3://models/shops": files}
    write_mark(folder, "/elsewhere", {})
    assert json.loads(path.read_text()) == {
        "format_version": 1, "places": {"/elsewhere": {}, "s3://models/shops": files},
    }  # fmt: skip
    path.write_text(json.dumps({"format_version": 2, "places": {"s3://models/shops": files}}))
    assert read_marks(folder) == {}
