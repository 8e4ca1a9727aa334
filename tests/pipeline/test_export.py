"""Exported graphs score as we do, for any number of histories."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch

from adrec_cli.artifacts.atomic import file_sha256
from adrec_cli.config import merge
from adrec_cli.errors import ArtifactError, UsageError
from adrec_cli.experiments.options import ExperimentOptions
from adrec_cli.models.registry import MODELS
from adrec_cli.models.sampling import FAST_SAMPLING
from adrec_cli.pipeline import export as exporting
from adrec_cli.pipeline.export import export
from adrec_cli.pipeline.recommend import recommend
from adrec_cli.pipeline.train import train
from adrec_cli.recommending.options import RecommendOptions
from tests.conftest import TINY
from tests.variants import small_model

SASREC = {
    "model": {"hidden_size": 16, "max_length": 10, "heads": 2, "blocks": 1},
    "training": TINY["training"],
    "stages": {"train": {"epochs": 3}},
}


@pytest.fixture(scope="module")
def workspace(tiny_source, tmp_path_factory):
    """A workspace with an ADRec and a SASRec, which tests only read."""
    workspace = tmp_path_factory.mktemp("export") / "workspace"
    shutil.copytree(tiny_source, workspace)
    train("tiny", workspace=workspace, experiment=ExperimentOptions(overrides=TINY))
    train("tiny", model_name="sasrec", workspace=workspace, experiment=ExperimentOptions(overrides=SASREC))
    return workspace


@pytest.fixture(scope="module")
def onnx(workspace, tmp_path_factory):
    """Both models as ONNX graphs, by name, and the library that runs them."""
    for name in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(name, reason="the extra export is not installed")
    folder = tmp_path_factory.mktemp("onnx")
    made = {name: export(folder / f"{name}.onnx", workspace=workspace, model=name) for name in ("adrec", "sasrec")}
    return made, pytest.importorskip("onnxruntime")


@pytest.mark.parametrize("model", ["adrec", "sasrec"])
def test_torch_scores_as_we_do(workspace, tmp_path, model):
    done = export(tmp_path / "m.pt2", workspace=workspace, model=model)
    assert done.difference < 1e-4
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.items.json", "m.pt2"]


@pytest.mark.parametrize("model", ["adrec", "sasrec"])
def test_onnx_recommends_what_we_do(workspace, onnx, model):
    made, onnxruntime = onnx
    done = made[model]
    assert done.difference < 1e-4
    described = json.loads(done.items_path.read_text())
    ids = described["item_ids"]
    session = onnxruntime.InferenceSession(str(done.path), providers=["CPUExecutionProvider"])
    history = ["i1", "i2", "i5"]
    items = np.zeros((1, described["max_length"]), dtype=np.int64)
    items[0, :3] = [ids.index(item) for item in history]
    names = [entry.name for entry in session.get_inputs()]
    (scores,) = session.run(None, {names[0]: items, names[1]: np.array([3])})
    best = [ids[index] for index in np.argsort(-scores[0], kind="stable")[:5]]
    options = RecommendOptions(k=5, include_seen=True, sampling=FAST_SAMPLING)
    found = recommend(histories=[history], workspace=workspace, model=model, options=options).results[0]
    assert best == [item.item_id for item in found.items]


@pytest.mark.parametrize(
    "name", [name for name in MODELS if name not in ("adrec", "sasrec") and MODELS[name].exported_outputs]
)
@pytest.mark.parametrize("repeats", ["none", "learned"])
def test_every_graph_that_a_model_offers_scores_as_the_model(tmp_path, name, repeats):
    model = small_model(name, {"repeats": repeats})
    run = exporting._write_torch(exporting._program(model), tmp_path / "m.pt2")
    for output in model.exported_outputs:
        assert exporting._measure_difference(model, output, run) < 1e-4


@pytest.mark.parametrize("options", [{"padding_key": True}, {"positions": "learned"}])
def test_a_graph_with_a_padding_key_or_positions_scores_as_we_do(workspace, tmp_path, options):
    shutil.copytree(workspace, tmp_path / "workspace")
    padded = merge(TINY, {"model": options})
    train("tiny", workspace=tmp_path / "workspace", experiment=ExperimentOptions(overrides=padded))
    assert export(tmp_path / "m.pt2", workspace=tmp_path / "workspace", model="adrec").difference < 1e-4


@pytest.mark.parametrize(("model", "suffix"), [("adrec", "pt2"), ("sasrec", "onnx")])
def test_a_graph_adds_the_bias_of_repeats(workspace, tmp_path, model, suffix):
    if suffix == "onnx":
        for name in ("onnx", "onnxscript", "onnxruntime"):
            pytest.importorskip(name, reason="the extra export is not installed")
    shutil.copytree(workspace, tmp_path / "workspace")
    tables = merge(TINY if model == "adrec" else SASREC, {"model": {"repeats": "never"}})
    train("tiny", model_name=model, workspace=tmp_path / "workspace", experiment=ExperimentOptions(overrides=tables))
    assert export(tmp_path / f"m.{suffix}", workspace=tmp_path / "workspace", model=model).difference < 1e-4


def test_what_cannot_be_exported(workspace, tmp_path, monkeypatch):
    with pytest.raises(UsageError, match="does not say what to write"):
        export(tmp_path / "m.h5", workspace=workspace, model="adrec")
    with pytest.raises(UsageError, match="cannot be exported"):
        export(tmp_path / "m.pt2", workspace=workspace, model="pretrain")
    monkeypatch.setattr(exporting, "TOLERANCE", -1.0)
    with pytest.raises(ArtifactError, match="differ from ours"):
        export(tmp_path / "m.pt2", workspace=workspace, model="adrec")
    assert not list(tmp_path.iterdir()), "nothing that is wrong is left"


def test_weights_that_are_too_large_for_a_graph_lie_beside_it(workspace, onnx, tmp_path, monkeypatch):
    made, onnxruntime = onnx
    small = made["sasrec"]
    monkeypatch.setattr(exporting, "_MOST_IN_ONE_FILE", 1000)
    done = export(tmp_path / "m.onnx", workspace=workspace, model="sasrec")
    described = json.loads(done.items_path.read_text())
    assert done.data_path == tmp_path / f"m.{done.checkpoint_sha256[:16]}.data"
    assert (described["data"], described["data_sha256"]) == (done.data_path.name, file_sha256(done.data_path))
    assert done.path.stat().st_size < small.path.stat().st_size
    inputs = {"items_bl": np.ones((2, described["max_length"]), dtype=np.int64), "lengths_b": np.array([1, 5])}
    both = [onnxruntime.InferenceSession(str(one.path)).run(None, inputs)[0] for one in (small, done)]
    assert np.array_equal(*both)
    names = {"m.items.json", "m.onnx", done.data_path.name}
    assert {path.name for path in tmp_path.glob("m.*")} == names

    def write_the_same(program, path, data_name):
        path.write_bytes(done.path.read_bytes())
        path.with_name(data_name).write_bytes(done.data_path.read_bytes())
        return lambda items_BL, lengths_B: torch.zeros(len(items_BL), len(described["item_ids"]))

    monkeypatch.setattr(exporting, "TOLERANCE", -1.0)
    monkeypatch.setattr(exporting, "_program", lambda network: None)
    monkeypatch.setattr(exporting, "_write_onnx", write_the_same)
    with pytest.raises(ArtifactError, match="differ"):
        export(tmp_path / "bad.onnx", workspace=workspace, model="sasrec")
    assert not list(tmp_path.glob("bad*")), "nothing is left of what failed"
