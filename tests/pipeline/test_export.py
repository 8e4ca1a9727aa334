"""Exported graphs score as we do, for any number of histories."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from adrec_cli.artifacts.atomic import file_sha256
from adrec_cli.artifacts.item_vectors import ids_sha256
from adrec_cli.config import merge
from adrec_cli.errors import ArtifactError, UsageError
from adrec_cli.experiments.options import ExperimentOptions
from adrec_cli.models.registry import MODELS
from adrec_cli.models.sampling import FAST_SAMPLING
from adrec_cli.pipeline import export as exporting
from adrec_cli.pipeline.export import export
from adrec_cli.pipeline.recommend import recommend
from adrec_cli.pipeline.train import train
from adrec_cli.recommending.graph_options import GraphOptions
from adrec_cli.recommending.options import RecommendOptions
from tests.conftest import TINY
from tests.tiers import sampled
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
    (scores,) = session.run(["scores"], {"items": items, "lengths": np.array([3])})
    best = [ids[index] for index in np.argsort(-scores[0], kind="stable")[:5]]
    options = RecommendOptions(k=5, include_seen=True, sampling=FAST_SAMPLING)
    found = recommend(histories=[history], workspace=workspace, model=model, options=options).results[0]
    assert best == [item.item_id for item in found.items]


@pytest.mark.parametrize("model", ["adrec", "sasrec"])
def test_names_and_metadata_are_as_documented(workspace, onnx, model):
    made, onnxruntime = onnx
    session = onnxruntime.InferenceSession(str(made[model].path), providers=["CPUExecutionProvider"])
    length = 10
    shapes = {"items": ["histories", length], "lengths": ["histories"], "scores": ["histories", 41]}
    assert {one.name: one.shape for one in (*session.get_inputs(), *session.get_outputs())} == shapes
    told, listed = session.get_modelmeta().custom_metadata_map, json.loads(made[model].items_path.read_text())
    assert set(told) == MADE_OF
    for name, value in told.items():
        assert value == (listed[name] if isinstance(listed[name], str) else json.dumps(listed[name])), name
    assert told["max_length"] == str(length)
    assert told["checkpoint_sha256"] == file_sha256(workspace / "tiny" / model / f"{STAGE[model]}.safetensors")
    assert told["item_ids_sha256"] == ids_sha256(listed["item_ids"][1:])


MADE_OF = {"model", "dataset", "checkpoint_sha256", "items_sha256", "item_ids_sha256", "max_length", "k",
           "include_seen", "adrec_version"}  # fmt: skip
STAGE = {"adrec": "finetune", "sasrec": "train"}


@pytest.mark.parametrize("suffix", ["pt2", "onnx"])
@sampled("k,include_seen", [(1, False), (7, True), (7, False), (40, False)], quick=[(40, False)])
def test_the_best_items_are_those_that_we_recommend(workspace, tmp_path, suffix, k, include_seen):
    if suffix == "onnx":
        for name in ("onnx", "onnxscript", "onnxruntime"):
            pytest.importorskip(name, reason="the extra export is not installed")
    options = GraphOptions(k=k, include_seen=include_seen)
    done = export(tmp_path / f"m.{suffix}", workspace=workspace, model="sasrec", options=options)
    assert done.difference < 1e-4
    described = json.loads(done.items_path.read_text())
    assert (described["k"], described["include_seen"]) == (k, include_seen)
    histories = [["i1", "i2", "i5"], ["i3"], ["i7", "i7", "i8", "i9", "i1", "i2", "i3", "i4", "i5", "i6"]]
    items, lengths = _number(histories, described)
    scores, numbers = _run(done.path, items, lengths)
    assert scores.shape == numbers.shape == (3, k)
    found = recommend(
        histories=histories,
        workspace=workspace,
        model="sasrec",
        options=RecommendOptions(k=k, include_seen=include_seen),
    )
    for mine, theirs, values in zip(found.results, numbers, scores, strict=True):
        shown = [described["item_ids"][number] for number in theirs[np.isfinite(values)]]
        assert shown == [item.item_id for item in mine.items]
        assert values[np.isfinite(values)] == pytest.approx([item.score for item in mine.items], abs=1e-4)


def _number(histories, described):
    """Return histories as a graph takes them."""
    items = np.zeros((len(histories), described["max_length"]), dtype=np.int64)
    for row, history in zip(items, histories, strict=True):
        row[: len(history)] = [described["item_ids"].index(item) for item in history]
    return items, np.array([len(history) for history in histories])


def _run(path, items, lengths):
    if path.suffix == ".onnx":
        import onnxruntime

        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        return session.run(["scores", "recommended"], {"items": items, "lengths": lengths})
    found = torch.export.load(path).module()(torch.from_numpy(items), torch.from_numpy(lengths))
    return [one.numpy() for one in found]


def test_a_graph_runs_where_adrec_is_not(workspace, onnx, tmp_path):
    """The page's own lines, in a process that has ONNX Runtime and NumPy alone."""
    done = export(tmp_path / "top.onnx", workspace=workspace, model="sasrec", options=GraphOptions(k=3))
    page = (Path(exporting.__file__).parents[1] / "serving" / "README.md").read_text()
    (script,) = re.findall(r"```python\n(.*?onnxruntime.*?)```", page, re.DOTALL)
    script = script.replace('["17", "42"]', '["i1", "i2"]')
    alone = "import sys\nsys.modules.update(dict.fromkeys(('adrec_cli', 'torch', 'polars', 'pyarrow', 'onnx')))\n"
    ran = subprocess.run(
        [sys.executable, "-I", "-c", alone + script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    expected = recommend(
        histories=[["i1", "i2"]], workspace=workspace, model="sasrec", options=RecommendOptions(k=3)
    ).results[0]
    shown = [line.split() for line in ran.stdout.splitlines()]
    assert [item for item, _ in shown] == [item.item_id for item in expected.items]
    assert [float(score) for _, score in shown] == pytest.approx([item.score for item in expected.items], abs=1e-4)
    assert done.path.is_file()


@sampled(
    "name",
    [name for name in MODELS if name not in ("adrec", "sasrec") and MODELS[name].exported_outputs],
    quick=["hstu"],
)
@sampled("repeats", ["none", "learned"], quick=["learned"])
def test_every_graph_that_a_model_offers_scores_as_the_model(tmp_path, name, repeats):
    model = small_model(name, {"repeats": repeats})
    run = exporting._write_torch(exporting._program(model), tmp_path / "m.pt2", {})
    for output in model.exported_outputs:
        assert exporting._measure_difference(model, output, run) < 1e-4


@pytest.mark.thorough
@pytest.mark.parametrize("options", [{"padding_key": True}, {"positions": "learned"}, {"scores": "cosine"}])
def test_a_graph_of_other_options_scores_as_we_do(workspace, tmp_path, options):
    shutil.copytree(workspace, tmp_path / "workspace")
    padded = merge(TINY, {"model": options})
    train("tiny", workspace=tmp_path / "workspace", experiment=ExperimentOptions(overrides=padded))
    assert export(tmp_path / "m.pt2", workspace=tmp_path / "workspace", model="adrec").difference < 1e-4


@sampled("model,suffix", [("adrec", "pt2"), ("sasrec", "onnx")], quick=[("sasrec", "onnx")])
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
    with pytest.raises(UsageError, match="k=41 is more than the 40 items there are"):
        export(tmp_path / "m.pt2", workspace=workspace, model="sasrec", options=GraphOptions(k=41))
    with pytest.raises(UsageError, match="without k= a graph gives the scores of all items"):
        GraphOptions(include_seen=True)
    with pytest.raises(UsageError, match="cannot be exported"):
        export(tmp_path / "m.pt2", workspace=workspace, model="pretrain")
    monkeypatch.setattr(exporting, "TOLERANCE", -1.0)
    with pytest.raises(ArtifactError, match="differ from ours"):
        export(tmp_path / "m.pt2", workspace=workspace, model="sasrec")
    assert not list(tmp_path.iterdir()), "nothing that is wrong is left"


@pytest.fixture(scope="module")
def graph(tmp_path_factory):
    """A SASRec and what runs its graph."""
    model = small_model("sasrec", {})
    path = tmp_path_factory.mktemp("graph") / "m.pt2"
    return model, exporting._write_torch(exporting._program(model), path, {})


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), 1.0])
@pytest.mark.parametrize("count", [1, 64])
def test_one_wrong_score_is_a_difference(graph, wrong, count):
    model, right = graph

    def run(items_BL, lengths_B):
        (scores_BV,) = right(items_BL, lengths_B)
        if len(items_BL) == count:
            scores_BV[-1, 2] += wrong
        return (scores_BV,)

    assert exporting._measure_difference(model, "next_item", right) <= exporting.TOLERANCE
    assert not exporting._measure_difference(model, "next_item", run) <= exporting.TOLERANCE


@pytest.mark.parametrize(("name", "more", "beside"), [("m.onnx", 0, False), ("m.onnx", 1, True), ("m.pt2", 1, False)])
def test_only_an_onnx_graph_of_two_gigabytes_has_a_file_beside_it(name: str, more: int, beside: bool) -> None:
    """Its own part, which is not weights, is below 16 MiB."""
    network = torch.nn.Module()
    network.register_buffer("weight", torch.empty(2**31 - 2**24 + more, dtype=torch.uint8, device="meta"))
    found = exporting._data_path(Path(name), network, "0123456789abcdef0")
    assert found == (Path("m.0123456789abcdef.data") if beside else None)


def test_weights_that_are_too_large_for_a_graph_lie_beside_it(workspace, onnx, tmp_path, monkeypatch):
    made, onnxruntime = onnx
    small = made["sasrec"]
    monkeypatch.setattr(exporting, "_MOST_IN_ONE_FILE", 1000)
    done = export(tmp_path / "m.onnx", workspace=workspace, model="sasrec")
    described = json.loads(done.items_path.read_text())
    assert done.data_path == tmp_path / f"m.{done.checkpoint_sha256[:16]}.data"
    assert (described["data"], described["data_sha256"]) == (done.data_path.name, file_sha256(done.data_path))
    assert done.path.stat().st_size < small.path.stat().st_size
    inputs = {"items": np.ones((2, described["max_length"]), dtype=np.int64), "lengths": np.array([1, 5])}
    both = [onnxruntime.InferenceSession(str(one.path)).run(None, inputs)[0] for one in (small, done)]
    assert np.array_equal(*both)
    names = {"m.items.json", "m.onnx", done.data_path.name}
    assert {path.name for path in tmp_path.glob("m.*")} == names

    def write_the_same(program, path, made_of, data_name):
        path.write_bytes(done.path.read_bytes())
        path.with_name(data_name).write_bytes(done.data_path.read_bytes())
        return lambda items_BL, lengths_B: (torch.zeros(len(items_BL), len(described["item_ids"])),)

    monkeypatch.setattr(exporting, "TOLERANCE", -1.0)
    monkeypatch.setattr(exporting, "_program", lambda network, options: None)
    monkeypatch.setattr(exporting, "_write_onnx", write_the_same)
    with pytest.raises(ArtifactError, match="differ"):
        export(tmp_path / "bad.onnx", workspace=workspace, model="sasrec")
    assert not list(tmp_path.glob("bad*")), "nothing is left of what failed"
