"""A model that is promoted while another process looks for the current one, and removes what that one has found."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from adrec_cli.artifacts import promotion
from adrec_cli.artifacts.manifest import read_manifest
from adrec_cli.artifacts.promotion import read_current
from adrec_cli.data import sequences
from adrec_cli.errors import ArtifactError
from adrec_cli.experiments.options import ExperimentOptions
from adrec_cli.inspecting.embeddings import open_embeddings
from adrec_cli.loading import current, opening
from adrec_cli.loading.making_ready import Opening
from adrec_cli.pipeline.preprocess import PreprocessOptions, preprocess
from adrec_cli.pipeline.run import RunOptions, run
from adrec_cli.promotion.options import PromotionOptions
from adrec_cli.schema import ITEMS_FILE, MANIFEST_FILE, SEQUENCES_FILE
from tests.conftest import TINY, write_interactions

SMALL = {name: TINY["model"][name] for name in ("hidden_size", "max_length", "heads")}


@pytest.fixture(scope="module")
def two_nights(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two workspaces: after one night, and after the next, whose model took the place of the first."""
    folder = tmp_path_factory.mktemp("nights")
    for name, users in (("first", 40), ("second", 50)):
        write_interactions(folder / "shop.csv", users=users)
        run(
            str(folder / "shop.csv"), workspace=folder / "workspace", model_name="sasrec",
            options=RunOptions(
                experiment=ExperimentOptions(overrides={"model": SMALL, "stages": {"train": {"epochs": 1}}}),
                promotion=PromotionOptions(tolerance=1.0),
            ),
        )  # fmt: skip
        shutil.copytree(folder / "workspace", folder / name)
    return folder / "first", folder / "second"


def swap(workspace: Path, two_nights: tuple[Path, Path]) -> None:
    """Do what the second night and a forgetting did: another model is current, the first one is gone."""
    first = read_current(two_nights[0] / "shop/sasrec")
    assert first is not None
    shutil.copytree(two_nights[1], workspace, dirs_exist_ok=True)
    for path in (workspace / "shop/sasrec/promoted").glob(f"{first.sha256[:16]}*"):
        path.unlink()


def once_before(function: Callable[..., object], happen: Callable[[], None]) -> Callable[..., object]:
    """Return a function before whose first call something happens."""
    left = [happen]

    def call(*args: object, **named: object) -> object:
        if left:
            left.pop()()
        return function(*args, **named)

    return call


@pytest.mark.parametrize("moment", ["after current.json was read", "after the model was found"])
def test_the_model_that_is_current_then_is_opened(two_nights, tmp_path, monkeypatch, moment):
    workspace = tmp_path / "workspace"
    shutil.copytree(two_nights[0], workspace)
    if moment == "after the model was found":
        opened = once_before(current.open_with_items, lambda: swap(workspace, two_nights))
        monkeypatch.setattr(current, "open_with_items", opened)
    else:
        read = promotion.read_current
        seen = []

        def read_and_swap(folder: Path) -> object:
            found = read(folder)
            if not seen:
                seen.append(found)
                swap(workspace, two_nights)
            return found

        monkeypatch.setattr(promotion, "read_current", read_and_swap)
    found = Opening(workspace=workspace, dataset_name="shop", model="sasrec", device="cpu", threads=1).open()
    expected = read_current(two_nights[1] / "shop/sasrec")
    assert expected is not None
    assert found.checkpoint.sha256 == expected.sha256
    assert found.sequences.users == 50


def test_the_vectors_that_are_inspected_are_those_of_the_model_that_is_current_then(two_nights, tmp_path, monkeypatch):
    workspace = tmp_path / "workspace"
    shutil.copytree(two_nights[0], workspace)
    opened = once_before(current.open_with_items, lambda: swap(workspace, two_nights))
    monkeypatch.setattr(current, "open_with_items", opened)
    (found,) = open_embeddings(["sasrec"], workspace=workspace, dataset_name="shop")
    expected = read_current(two_nights[1] / "shop/sasrec")
    assert expected is not None
    assert found.checkpoint.sha256 == expected.sha256


def test_a_model_that_is_gone_for_good_is_an_error(two_nights, tmp_path):
    workspace = tmp_path / "workspace"
    shutil.copytree(two_nights[0], workspace)
    for path in (workspace / "shop/sasrec/promoted").iterdir():
        path.unlink()
    with pytest.raises(ArtifactError, match="which does not exist"):
        Opening(workspace=workspace, dataset_name="shop", model="sasrec", device="cpu", threads=1).open()


def test_items_that_a_model_does_not_know_are_counted_and_padding_is_none(two_nights, tmp_path):
    """All are known when it was trained; of those that the data get later, as many are unknown as there are."""
    workspace = Path(shutil.copytree(two_nights[0], tmp_path / "workspace"))
    assert (
        Opening(workspace=workspace, dataset_name=None, model=None, device="cpu", threads=1).open().unknown_items == 0
    )
    lines = "".join(f"u{user},new{item},{1_700_000_000 + item}\n" for user in range(6) for item in range(7))
    (tmp_path / "more.csv").write_text(f"user_id,item_id,timestamp\n{lines}")
    preprocess(str(tmp_path / "more.csv"), workspace=workspace, options=PreprocessOptions(update=workspace / "shop"))
    assert (
        Opening(workspace=workspace, dataset_name=None, model=None, device="cpu", threads=1).open().unknown_items == 7
    )


def test_a_model_of_other_items_is_told_from_these_by_the_hashes_of_both(two_nights, tmp_path):
    first, second = (workspace / "shop" for workspace in two_nights)
    of_first, of_second = (read_manifest(folder).items_sha256 for folder in (first, second))
    with pytest.raises(ArtifactError) as raised:
        opening.open_checkpoint(first / "sasrec/train.safetensors", opening.open_dataset(second))
    assert (
        f"was trained on other items: dataset 'shop' with items {of_first[:12]}, here is 'shop' with items "
        f"{of_second[:12]}" == raised.value.message.partition("train.safetensors ")[2]
    )


def test_only_what_lies_among_promoted_models_of_which_one_is_current_is_promoted(two_nights, tmp_path):
    workspace = Path(shutil.copytree(two_nights[0], tmp_path / "workspace"))
    folder = workspace / "shop/sasrec"
    (promoted,) = (folder / "promoted").glob("*.safetensors")
    shutil.copy(promoted, folder / "elsewhere.safetensors")

    def is_promoted(model: str) -> bool:
        return Opening(workspace=workspace, dataset_name="shop", model=model, device="cpu", threads=1).open().promoted

    assert is_promoted("sasrec")
    assert is_promoted(str(promoted))
    assert not is_promoted(str(folder / "elsewhere.safetensors"))
    assert not is_promoted(str(folder / "train.safetensors"))
    (folder / "current.json").unlink()
    assert not is_promoted(str(promoted))


def replace_data(folder: Path, new: Path) -> None:
    """Put the data of another folder in place of these, the manifest last, as a file of its own."""
    for name in (ITEMS_FILE, SEQUENCES_FILE, MANIFEST_FILE):
        shutil.copy(new / name, folder / f"{name}.next")
        os.replace(folder / f"{name}.next", folder / name)


@pytest.mark.parametrize("torn", [False, True])
def test_data_that_changed_and_came_back_meanwhile_are_read_again(
    torn: bool, two_nights: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another night came, was read in part, and was gone back from: the manifest says what it said before."""
    first, second = (workspace / "shop" for workspace in two_nights)
    folder = Path(shutil.copytree(first, tmp_path / "shop"))
    read, calls = sequences.load_items, []

    def read_others_once(path: Path) -> pl.DataFrame:
        calls.append(path)
        if len(calls) > 1:
            return read(path)
        replace_data(folder, second)
        others = read(path)
        replace_data(folder, first)
        if torn:
            raise ArtifactError("damaged")
        return others

    monkeypatch.setattr(sequences, "load_items", read_others_once)
    dataset = opening.open_dataset(folder)
    assert dataset.items.equals(read(first / ITEMS_FILE))
    assert not dataset.items.equals(read(second / ITEMS_FILE))
    assert len(calls) == 2
