"""Which checkpoint of a model's folder is the current one, and that it is this data set's."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import pytest

from adrec_cli.errors import ArtifactError
from adrec_cli.experiments.options import ExperimentOptions
from adrec_cli.loading.current import current_checkpoint, open_beside_items
from adrec_cli.loading.opening import open_dataset
from adrec_cli.pipeline.run import RunOptions, run
from tests.conftest import TINY, write_interactions

SMALL = {name: TINY["model"][name] for name in ("hidden_size", "max_length", "heads")}


@pytest.fixture(scope="module")
def promoted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a data set with a promoted model."""
    folder = tmp_path_factory.mktemp("promoted")
    write_interactions(folder / "shop.csv", users=40)
    tables = {"model": SMALL, "stages": {"train": {"epochs": 1}}}
    options = RunOptions(experiment=ExperimentOptions(overrides=tables))
    run(str(folder / "shop.csv"), workspace=folder / "workspace", model_name="sasrec", options=options)
    return folder / "workspace/shop"


def test_the_promoted_one_is_current_then_the_last_stage_then_none(promoted: Path, tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    shutil.copytree(promoted, folder)
    found = current_checkpoint(folder / "sasrec")
    assert found is not None
    assert found.parent.name == "promoted"
    (folder / "sasrec/current.json").unlink()
    assert current_checkpoint(folder / "sasrec") == folder / "sasrec/train.safetensors"
    (folder / "sasrec/train.safetensors").unlink()
    assert current_checkpoint(folder / "sasrec") is None


def test_a_promoted_one_that_is_another_now_is_refused(promoted: Path, tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    shutil.copytree(promoted, folder)
    found = current_checkpoint(folder / "sasrec")
    assert found is not None
    found.write_bytes(found.read_bytes() + b"\\0")
    with pytest.raises(ArtifactError, match="was replaced"):
        current_checkpoint(folder / "sasrec")


@pytest.mark.parametrize("name", ["a", "zoo"])
def test_one_of_another_data_set_is_refused_whatever_its_name(name: str, promoted: Path) -> None:
    dataset, path = open_dataset(promoted), current_checkpoint(promoted / "sasrec")
    assert path is not None
    assert open_beside_items(path, dataset)[1] is None
    other = dataclasses.replace(dataset, manifest=dataclasses.replace(dataset.manifest, dataset=name))
    with pytest.raises(ArtifactError, match=f"was trained on dataset 'shop', here is '{name}'"):
        open_beside_items(path, other)
