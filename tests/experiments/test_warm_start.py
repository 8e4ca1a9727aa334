"""What a training starts from: no model that may have learned what is held out now, and fresh where an item is new."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from adrec_cli.artifacts.promotion import read_current
from adrec_cli.experiments.experiment import compose
from adrec_cli.experiments.options import ExperimentOptions
from adrec_cli.experiments.warm_start import FreshStart, WarmStart, warm_start
from adrec_cli.loading.current import open_with_items
from adrec_cli.loading.opening import open_dataset
from adrec_cli.pipeline.preprocess import PreprocessOptions, preprocess
from adrec_cli.pipeline.run import RunOptions, run
from tests.conftest import write_interactions
from tests.tiers import sampled

MODELS = ("sasrec", "gru4rec")
SHORT = {
    "model": {"hidden_size": 16, "max_length": 10},
    "training": {"batch_size": 32, "seed": 1},
    "stages": {"train": {"epochs": 1}},
}
SPLITS = {
    "leave-one-out": PreprocessOptions(),
    "time": PreprocessOptions(split="time", valid_from="2020-09-13T12:31:40Z", test_from="2020-09-13T12:33:40Z"),
}


def experiment(name: str):
    return compose(name, inherited=SHORT)


@pytest.fixture(scope="module")
def nights(tmp_path_factory) -> dict[str, Path]:
    """By kind of split, a workspace in which both models were trained and promoted."""
    made = {}
    for number, (split, options) in enumerate(SPLITS.items()):
        folder = tmp_path_factory.mktemp(f"split{number}")
        write_interactions(folder / "shop.csv")
        for name in MODELS:
            run(
                str(folder / "shop.csv"),
                workspace=folder / "workspace",
                model_name=name,
                options=RunOptions(preprocessing=options, experiment=ExperimentOptions(overrides=SHORT)),
            )
        made[split] = folder
    return made


def another_day(nights, tmp_path: Path, trained: str, split: str, **changed: object) -> Path:
    """Preprocess again what one was trained on, by a split of some kind and with two items that are new."""
    shutil.copytree(nights[trained], tmp_path / "shop")
    source = tmp_path / "shop/shop.csv"
    source.write_text(source.read_text().replace(",i0,", ",new,").replace(",i7,", ",another,"))
    preprocess(str(source), workspace=tmp_path / "shop/workspace", options=replace(SPLITS[split], **changed))
    return tmp_path / "shop/workspace/shop"


@sampled("name", MODELS, quick=["gru4rec"])
@pytest.mark.parametrize("trained", SPLITS)
@pytest.mark.parametrize("split", SPLITS)
def test_a_model_of_another_kind_of_split_is_no_start(nights, tmp_path, name, trained, split):
    folder = another_day(nights, tmp_path, trained, split)
    start = warm_start(open_dataset(folder), folder / name, experiment(name))
    if trained == split:
        assert isinstance(start, WarmStart)
        return
    assert isinstance(start, FreshStart)
    code = {"leave-one-out": "loo", "time": "time"}[trained]
    assert f"is of another kind of split, {code}, and may have learned from what is held out now" in start.reason


@pytest.mark.parametrize(
    ("split", "changed", "is_start"),
    [
        ("time", {"valid_from": "2020-09-13T12:31:39Z"}, False),
        ("time", {"valid_from": "2020-09-13T12:31:41Z"}, True),
        ("time", {"test_from": "2020-09-13T12:33:30Z"}, True),
        ("leave-one-out", {"max_length": 6}, False),
        ("leave-one-out", {"min_item_interactions": 4}, False),
        ("leave-one-out", {"duplicates": "keep"}, False),
    ],
)
def test_a_model_of_another_cut_is_no_start(nights, tmp_path, split, changed, is_start):
    folder = another_day(nights, tmp_path, split, split, **changed)
    start = warm_start(open_dataset(folder), folder / "gru4rec", experiment("gru4rec"))
    assert isinstance(start, WarmStart) == is_start
    if isinstance(start, FreshStart):
        assert "was trained on another cut of the data, and may have learned from what is held out now" in start.reason


@pytest.mark.parametrize("name", MODELS)
def test_known_items_keep_their_vectors_and_new_ones_are_drawn(nights, tmp_path, name):
    """Not left at zero, where all new items would score alike, and not given another item's vector."""
    folder = another_day(nights, tmp_path, "leave-one-out", "leave-one-out")
    dataset, current = open_dataset(folder), read_current(folder / name)
    old, old_items = open_with_items(folder / name / current.checkpoint, dataset)
    start = warm_start(dataset, folder / name, experiment(name))
    assert (start.known, start.new, start.removed) == (38, 2, 2)
    vectors, before = (one.tensors["item_embedding.weight"] for one in (start.checkpoint, old))
    rows = dict(zip(old_items["item_id"], before[1:], strict=True))
    fresh = []
    for item, vector in zip(dataset.items["item_id"], vectors[1:], strict=True):
        if item in rows:
            assert torch.equal(vector, rows[item]), item
        else:
            fresh.append(vector)
    assert len(fresh) == 2
    assert not vectors[0].any()
    assert all(vector.std() > 0 for vector in fresh)
    assert not any(torch.equal(vector, row) for vector in fresh for row in [*before, fresh[0]] if vector is not row)
    for weight in set(old.tensors) - {"item_embedding.weight"}:
        assert torch.equal(start.checkpoint.tensors[weight], old.tensors[weight]), weight
    assert not any(stage.fresh for stage in start.experiment.stages.values()), "nothing that was learned is drawn again"


def test_what_differs_in_more_than_items_is_told(nights, tmp_path):
    folder = another_day(nights, tmp_path, "leave-one-out", "leave-one-out")
    dataset = open_dataset(folder)
    other = compose("sasrec", inherited={**SHORT, "model": {"hidden_size": 24, "max_length": 10}})
    assert warm_start(dataset, folder / "sasrec", other).reason.endswith(
        "is another network: hidden_size 16 instead of 24"
    )
    assert warm_start(dataset, folder / "gru4rec", experiment("sasrec")).reason.endswith("is a gru4rec")
    assert warm_start(dataset, folder / "nothing", experiment("sasrec")) == FreshStart()
    promoted = folder / "sasrec" / read_current(folder / "sasrec").checkpoint
    promoted.write_bytes(promoted.read_bytes()[:-1])
    damaged = warm_start(dataset, folder / "sasrec", experiment("sasrec"))
    assert isinstance(damaged, FreshStart)
    assert str(promoted.name) in damaged.reason
