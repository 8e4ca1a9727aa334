"""Models with content from `encode` to recommendations: keys, hashes, other encoders, and what is refused."""

from __future__ import annotations

import itertools
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from adrec_cli.artifacts.checkpoint import load_checkpoint
from adrec_cli.artifacts.checkpoint_metadata import read_metadata
from adrec_cli.artifacts.item_vectors import read_item_vectors
from adrec_cli.content.options import EncodeOptions
from adrec_cli.errors import ArtifactError, UsageError
from adrec_cli.experiments.experiment import compose
from adrec_cli.experiments.options import ExperimentOptions
from adrec_cli.experiments.work import ComputeOptions, Work
from adrec_cli.loading.opening import open_checkpoint, open_dataset, restore_model
from adrec_cli.pipeline.encode import encode
from adrec_cli.pipeline.preprocess import PreprocessOptions, preprocess
from adrec_cli.pipeline.train import train
from tests.conftest import TINY, write_interactions
from tests.robustness.processes import typed_here
from tests.tiers import sampled

CATEGORIES = EncodeOptions(encoders=("categories=category",))
QUICK = {"training": {"batch_size": 32}, "stages": {"train": {"epochs": 2}}}
KINDS = ("init", "sum", "adapter", "only")


def trained(workspace: Path, content: str, *, model: str = "sasrec", **more: Any) -> Path:
    """Train for a moment; return the checkpoint of the last stage."""
    tables = TINY if model == "adrec" else QUICK | {"model": {"hidden_size": 16, "heads": 2, "max_length": 10}}
    tables = {**tables, "model": {**tables["model"], "content": content, **more}}
    results = train(
        "shop", model_name=model, workspace=workspace, experiment=ExperimentOptions(overrides=tables),
        work=Work(options=ComputeOptions(threads=1)),
    )  # fmt: skip
    return results[-1].path


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with an encoded data set."""
    folder = tmp_path_factory.mktemp("content")
    write_interactions(folder / "shop.csv")
    rows = [{"item_id": f"i{n}", "category": f"c{n % 3}|d{n % 5}|e{n % 7}"} for n in range(40)]
    pl.DataFrame(rows).write_csv(folder / "items.csv")
    options = PreprocessOptions(items=folder / "items.csv")
    preprocess(str(folder / "shop.csv"), workspace=folder / "ws", options=options)
    encode("shop", workspace=folder / "ws", options=CATEGORIES)
    return folder / "ws"


@pytest.fixture
def shop(source: Path, tmp_path: Path) -> Path:
    shutil.copytree(source, tmp_path / "ws")
    return tmp_path / "ws"


@sampled(
    "content,model",
    itertools.product(KINDS, ["sasrec", "adrec"]),
    quick=[("init", "sasrec"), ("sum", "adrec"), ("adapter", "sasrec"), ("only", "adrec")],
)
def test_a_model_is_trained_and_says_what_it_was_trained_with(content: str, model: str, shop: Path) -> None:
    path = trained(shop, content, model=model)
    vectors = read_item_vectors(shop / "shop")
    metadata = read_metadata(path)
    assert metadata.content == {
        "vectors_sha256": vectors.vectors_sha256, "encoders_sha256": vectors.encoders_sha256
    }  # fmt: skip
    assert metadata.config["content_width"] == (0 if content == "init" else vectors.vectors_VC.shape[1])
    dataset = open_dataset(shop / "shop")
    restored = restore_model(open_checkpoint(path, dataset), torch.device("cpu"))
    assert restored.computes_item_vectors == (content != "init")
    drawing = ["--steps", 1, "--noise", "zero"] if model == "adrec" else []
    asked = typed_here(["recommend", "--workspace", shop, "--model", model, "--user", "u3", "-k", 50, "--json",
                        "--threads", 1, "--include-seen", *drawing])  # fmt: skip
    assert asked.exit_code == 0, asked.stderr
    ids = re.findall(r'"item_id": "(\w+)"', asked.stdout)
    assert len(ids) == 40, "neither padding nor anything unknown is there"
    assert set(ids) == {f"i{n}" for n in range(40)}


def test_without_content_nothing_is_said_of_it(shop: Path, source: Path) -> None:
    with_vectors = load_checkpoint(trained(shop, "none"))
    (shop / "shop/items.vectors.safetensors").unlink()
    assert with_vectors[1].content == {}
    shutil.rmtree(shop / "shop/sasrec")
    without = load_checkpoint(trained(shop, "none"))
    assert all(torch.equal(with_vectors[0][name], without[0][name]) for name in without[0])
    assert with_vectors[1].run_key == without[1].run_key
    assert b'"content":' not in trained(shop, "none").read_bytes()[:4096].split(b'"config"')[0]


def test_other_content_is_other_work(shop: Path) -> None:
    first = read_metadata(trained(shop, "sum"))
    assert read_metadata(trained(shop, "sum")) == first
    encode("shop", workspace=shop, options=EncodeOptions(encoders=("categories=category",), width=5))
    again = read_metadata(trained(shop, "sum"))
    assert again.run_key != first.run_key
    assert again.config["content_width"] == 5


def test_content_that_is_not_there_or_of_other_items(shop: Path, tmp_path: Path) -> None:
    path = shop / "shop/items.vectors.safetensors"
    path.rename(tmp_path / "aside")
    with pytest.raises(ArtifactError, match="does not exist") as caught:
        trained(shop, "sum")
    assert caught.value.hint == "make it with: adrec encode shop"
    write_interactions(tmp_path / "more.csv", items=41, seed=8)
    preprocess(str(tmp_path / "more.csv"), workspace=shop, options=PreprocessOptions(update=shop / "shop"))
    (tmp_path / "aside").rename(path)
    with pytest.raises(ArtifactError, match="other items") as caught:
        trained(shop, "sum")
    assert caught.value.hint == "encode them as before: adrec encode shop --like shop"
    assert typed_here(["encode", "shop", "--like", "shop", "--workspace", shop]).exit_code == 0
    trained(shop, "sum")


def test_a_later_stage_does_not_go_on_in_another_space(shop: Path) -> None:
    trained(shop, "sum", model="adrec")
    encode("shop", workspace=shop, options=EncodeOptions(encoders=("categories=item_id,category",), width=9))
    done = typed_here(["align", "--from", "pretrain", "--workspace", shop, "--epochs", 1, "--threads", 1])
    assert "other encoders of items" in done.require_one_error(4)


@pytest.mark.parametrize(
    ("tables", "said"),
    [
        ({"training": {"embedding_optimizer": "rowwise_adagrad"},
          "stages": {"train": {"ranking_loss": "sampled_softmax"}}}, "steps rows"),
        ({"stages": {"train": {"embedding_decay": 0.5}}}, "shrinks a table"),
    ],
)  # fmt: skip
def test_options_that_change_rows_of_a_table_are_refused(tables: dict[str, Any], said: str, shop: Path) -> None:
    tables = {**tables, "model": {"content": "sum", "hidden_size": 16, "heads": 2}}
    with pytest.raises(UsageError, match=said):
        train("shop", model_name="sasrec", workspace=shop, experiment=ExperimentOptions(overrides=tables))


@pytest.mark.parametrize("kind", ["sum", "adapter", "only"])
def test_a_preset_for_tables_goes_with_content_but_for_what_shrinks_them(kind: str, shop: Path) -> None:
    quick = [f"--set=stages.{name}.epochs=1" for name in ("pretrain", "align", "finetune")]
    sizes = ["--set=model.hidden_size=8", "--set=model.heads=2", "--set=model.max_length=8"]
    asked = [
        "train",
        "shop",
        "--preset",
        "rechorus",
        f"--set=model.content={kind}",
        "--workspace",
        shop,
        "--threads",
        1,
    ]
    done = typed_here([*asked, *quick, *sizes])
    assert done.exit_code == 0, done.stderr
    assert done.stderr.count("is left out") == 1
    said = f"align: embedding_decay = 0.7 is left out, as model.content = '{kind}' computes item vectors"
    assert said in " ".join(done.stderr.split())
    trained_with = read_metadata(shop / "shop/adrec/align.safetensors").training["stages"]["align"]
    assert trained_with["embedding_decay"] == 0
    refused = typed_here([*asked, *quick, *sizes, "--set=stages.align.embedding_decay=0.7"])
    assert "shrinks a table" in refused.require_one_error(2)


@pytest.mark.parametrize("content", ["none", "init"])
def test_with_a_table_a_preset_holds_whole(content: str) -> None:
    composed = compose("adrec", preset="rechorus", overrides={"model": {"content": content}})
    assert composed.stages["align"].embedding_decay == 0.7
    assert composed.left_out == {}


def test_an_item_that_never_occurred_is_pushed_nowhere(shop: Path) -> None:
    """Its own vector stays out of it, whatever was drawn."""
    dataset = open_dataset(shop / "shop")
    path = trained(shop, "sum")
    tensors, _ = load_checkpoint(path)
    learnt = tensors["item_embedding.content.learnt_V"].numpy()
    occurred = np.zeros(41, dtype=bool)
    for user in range(dataset.sequences.users):
        occurred[dataset.sequences.history(user)[: dataset.sequences.train_end[user]]] = True
    assert np.array_equal(learnt, occurred)
