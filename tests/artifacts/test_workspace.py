"""Names of data sets and checkpoints: one is found; none and several are errors that list what there is."""

from __future__ import annotations

from pathlib import Path

import pytest

from adrec_cli.artifacts.workspace import Workspace
from adrec_cli.errors import ArtifactError, UsageError


@pytest.fixture
def space(tmp_path, monkeypatch) -> Workspace:
    """Two data sets; both have a finetune of adrec, one has a train of sasrec, with states beside them."""
    root = tmp_path / "workspace"
    for name in ("shop/adrec/finetune", "shop/sasrec/train", "b[a]r/adrec/finetune"):
        path = root / f"{name}.safetensors"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
        path.with_name(f"{path.stem}.state.safetensors").write_bytes(b"x")
    for name in ("shop", "b[a]r"):
        (root / name / "manifest.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    return Workspace(root)


@pytest.mark.parametrize("suffix", ["", ".safetensors"])
def test_a_name_that_one_has_is_found(space, suffix):
    assert space.find_checkpoint(f"train{suffix}") == space.root / "shop/sasrec/train.safetensors"
    for dataset in ("shop", "b[a]r"):
        found = space.find_checkpoint(f"finetune{suffix}", dataset)
        assert found == space.root / dataset / "adrec/finetune.safetensors"


def test_a_path_is_taken_as_it_is_and_never_looked_for(space):
    path = Path("workspace/shop/sasrec/train.safetensors")
    assert space.find_checkpoint(str(path)) == path
    for wrong in ("workspace/shop/sasrec/other.safetensors", "elsewhere/train.safetensors", "a/train"):
        with pytest.raises(ArtifactError, match=f"^{wrong} does not exist$"):
            space.find_checkpoint(wrong)


def test_a_name_that_several_have_is_told_with_all_of_them(space):
    with pytest.raises(UsageError, match=r"finetune\.safetensors is ambiguous: ") as told:
        space.find_checkpoint("finetune")
    assert str(space.root / "shop/adrec/finetune.safetensors") in told.value.message
    assert str(space.root / "b[a]r/adrec/finetune.safetensors") in told.value.message


def test_a_name_that_none_has_is_told_with_what_there_is(space):
    with pytest.raises(ArtifactError, match=r"^no checkpoint align\.safetensors in ") as told:
        space.find_checkpoint("align")
    listed = "b[a]r/adrec/finetune.safetensors, shop/adrec/finetune.safetensors, shop/sasrec/train.safetensors"
    assert told.value.hint == f"available: {listed}", "no states of trainings"
    with pytest.raises(ArtifactError) as told:
        space.find_checkpoint("train", "b[a]r")
    assert told.value.hint == "available: b[a]r/adrec/finetune.safetensors"
    with pytest.raises(ArtifactError, match="dataset 'bar' is not in"):
        space.find_checkpoint("finetune", "bar")
    (space.root / "empty").mkdir()
    (space.root / "empty/manifest.json").write_text("{}")
    with pytest.raises(ArtifactError) as told:
        space.find_checkpoint("train", "empty")
    assert told.value.hint == "train one with: adrec train empty"


@pytest.mark.parametrize("made", [False, True])
def test_an_empty_workspace_is_told_with_where_it_is_and_the_two_ways_on(tmp_path, monkeypatch, made):
    monkeypatch.chdir(tmp_path)
    if made:
        Path("w").mkdir()
    missing = "" if made else ", which does not exist"
    for find, wanted in [
        (lambda space: space.dataset_folder(None), "data set"),
        (lambda space: space.find_checkpoint("align"), "checkpoint align.safetensors"),
    ]:
        with pytest.raises(ArtifactError) as told:
            find(Workspace(Path("w")))
        assert str(told.value) == f"no {wanted} in {tmp_path / 'w'}{missing}"
        assert told.value.hint.startswith("try generated data with: adrec run demo (or say where")


def test_all_checkpoints_are_listed_without_states(space):
    assert [str(path.relative_to(space.root)) for path in space.checkpoints()] == [
        "b[a]r/adrec/finetune.safetensors", "shop/adrec/finetune.safetensors", "shop/sasrec/train.safetensors",
    ]  # fmt: skip
    assert [path.parent.name for path in space.checkpoints("shop")] == ["adrec", "sasrec"]


def test_a_data_set_of_nearly_this_name_is_offered(space):
    with pytest.raises(ArtifactError) as caught:
        space.dataset_folder("sohp")
    assert caught.value.hint.startswith("did you mean shop? Or make it with: ")
    with pytest.raises(ArtifactError) as caught:
        space.dataset_folder("grocery")
    assert "did you mean" not in caught.value.hint
