"""Exported vectors: their inner products are the scores of `recommend`, and `encode` reads them back."""

from __future__ import annotations

import errno
import itertools
import json
import os
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest

from adrec_cli import load_recommender
from adrec_cli.artifacts.item_vectors import read_item_vectors
from adrec_cli.config import merge
from adrec_cli.content.options import EncodeOptions
from adrec_cli.errors import ArtifactError, InputError, LockedError, StorageError, UsageError
from adrec_cli.experiments.options import ExperimentOptions
from adrec_cli.models.sampling import FAST_SAMPLING
from adrec_cli.pipeline import export_vectors as exporting
from adrec_cli.pipeline.encode import encode
from adrec_cli.pipeline.export_vectors import export_vectors
from adrec_cli.pipeline.recommend import recommend
from adrec_cli.pipeline.train import train
from adrec_cli.recommending import vectors as listing
from adrec_cli.recommending.options import RecommendOptions
from tests.conftest import TINY
from tests.tiers import sampled

SMALL = {"training": TINY["training"], "stages": {"train": {"epochs": 2}}}
TABLES = {
    "adrec": TINY,
    "sasrec": merge(SMALL, {"model": {"hidden_size": 16, "max_length": 10, "heads": 2, "blocks": 1}}),
    "gru4rec": merge(SMALL, {"model": {"hidden_size": 16, "max_length": 10, "gru_size": 8}}),
    "dreamrec": merge(SMALL, {"model": {"hidden_size": 16, "max_length": 10, "heads": 2, "diffusion_steps": 4}}),
}
USERS = ["u0", "u7", "u119"]


@pytest.fixture(scope="module")
def workspace(tiny_source, tmp_path_factory):
    """A workspace with four models, which tests only read."""
    workspace = tmp_path_factory.mktemp("vectors") / "workspace"
    shutil.copytree(tiny_source, workspace)
    for model, tables in TABLES.items():
        train("tiny", model_name=model, workspace=workspace, experiment=ExperimentOptions(overrides=tables))
    return workspace


def read_pair(folder: Path, suffix: str) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return the vectors of items and users by id, as any other program reads them."""
    read = []
    for name, column in (("items", "item_id"), ("users", "user_id")):
        path = folder / f"{name}{suffix}"
        if suffix == ".npy":
            ids, rows = path.with_name(f"{name}.ids.txt").read_text().splitlines(), np.load(path, allow_pickle=False)
        else:
            table = pq.read_table(path)
            ids, rows = table[column].to_pylist(), np.array(table["vector"].to_pylist(), dtype=np.float32)
        read.append(dict(zip(ids, rows, strict=True)))
    return read[0], read[1]


@sampled(
    "model,suffix",
    itertools.product(TABLES, [".parquet", ".npy"]),
    quick=list(zip(TABLES, itertools.cycle([".parquet", ".npy"]), strict=False)),
)
def test_inner_products_are_the_scores(workspace, tmp_path, monkeypatch, model, suffix):
    monkeypatch.setattr(listing, "_CHUNK_ROWS", 7)
    done = {
        name: export_vectors(tmp_path / f"{name}{suffix}", vectors=name, workspace=workspace, model=model)
        for name in ("items", "users")
    }
    items, users = read_pair(tmp_path, suffix)
    assert (len(items), len(users)) == (done["items"].rows, done["users"].rows) == (40, 120)
    options = RecommendOptions(k=100, include_seen=True, sampling=FAST_SAMPLING)
    for result in recommend(users=USERS, workspace=workspace, model=model, options=options).results:
        # Added up entry by entry, in double precision: what a user of the file would do with a pencil.
        by_hand = {item: sum(map(float, vector * users[result.user_id])) for item, vector in items.items()}
        assert {one.item_id for one in result.items} == items.keys()
        for one in result.items:
            assert by_hand[one.item_id] == pytest.approx(one.score, rel=1e-4, abs=1e-5)
    drawn = model in ("adrec", "dreamrec")
    assert [bool(done[name].assumptions) for name in ("items", "users")] == [False, drawn]


def test_parquet_says_what_it_is_and_was_made_of(workspace, tmp_path):
    items = export_vectors(tmp_path / "items.parquet", vectors="items", workspace=workspace, model="adrec")
    export_vectors(tmp_path / "users.parquet", vectors="users", workspace=workspace, model="adrec")
    schema = pq.read_schema(tmp_path / "items.parquet")
    assert [str(field.type) for field in schema] == ["string", "fixed_size_list<element: float>[16]"]
    assert pl.read_parquet(tmp_path / "items.parquet").schema == {
        "item_id": pl.String,
        "vector": pl.Array(pl.Float32, 16),
    }
    manifest = json.loads((workspace / "tiny" / "manifest.json").read_text())
    made_of = json.loads(pq.read_schema(tmp_path / "users.parquet").metadata[b"adrec"])
    assert made_of["checkpoint_sha256"] == items.checkpoint_sha256
    assert [made_of[name] for name in ("items_sha256", "sequences_sha256")] == [
        manifest["items_sha256"],
        manifest["sequences_sha256"],
    ]
    assert (made_of["sampling"]["steps"], made_of["sampling"]["noise"]) == (1, "zero")
    assert "sampling" not in json.loads(schema.metadata[b"adrec"])


@pytest.mark.parametrize("suffix", [".parquet", ".npy"])
def test_the_same_model_gives_the_same_bytes_and_encode_reads_them(workspace, tmp_path, suffix):
    shutil.copytree(workspace, tmp_path / "workspace")
    out, again = tmp_path / f"v{suffix}", tmp_path / f"again{suffix}"
    for path in (out, again):
        export_vectors(path, vectors="items", workspace=tmp_path / "workspace", model="sasrec")
    assert out.read_bytes() == again.read_bytes()
    result = encode("tiny", workspace=tmp_path / "workspace", options=EncodeOptions(vectors=(out,)))
    assert (result.items, result.width, result.silent, result.warnings) == (40, 16, 0, ())
    read = read_item_vectors(tmp_path / "workspace" / "tiny").vectors_VC
    expected = load_recommender(workspace, model="sasrec").item_vectors()["vector"].to_numpy()
    cosines = (read * expected).sum(axis=1) / np.linalg.norm(read, axis=1) / np.linalg.norm(expected, axis=1)
    assert cosines == pytest.approx(1, abs=1e-3)
    with pytest.raises(UsageError, match="is read by this command"):
        export_vectors(out, vectors="items", workspace=tmp_path / "workspace", model="sasrec")


def test_a_bias_of_the_history_is_said(workspace, tmp_path):
    shutil.copytree(workspace, tmp_path / "workspace")
    tables = merge(TABLES["sasrec"], {"model": {"repeats": "never"}})
    experiment = ExperimentOptions(overrides=tables)
    train("tiny", model_name="sasrec", workspace=tmp_path / "workspace", experiment=experiment)
    for name in ("items", "users"):
        out = tmp_path / f"{name}.parquet"
        done = export_vectors(out, vectors=name, workspace=tmp_path / "workspace", model="sasrec")
        assert "'never'" in done.warnings[0]
        assert json.loads(pq.read_schema(out).metadata[b"adrec"])["repeats"] == "never"


def test_what_is_refused_before_anything_is_written(workspace, tmp_path):
    def refuse(out: Path, vectors: str, match: str) -> None:
        with pytest.raises(UsageError, match=match):
            export_vectors(out, vectors=vectors, workspace=workspace, model="sasrec")

    refuse(tmp_path / "v.onnx", "items", "how to write vectors")
    refuse(tmp_path / "v.npy", "people", "items or users")
    refuse(workspace / "tiny" / "items.parquet", "items", "artifact")
    (tmp_path / "v.ids.txt").write_text("mine\n")
    refuse(tmp_path / "v.npy", "items", "without v.npy")
    assert [path.name for path in tmp_path.iterdir()] == ["v.ids.txt"]
    assert (tmp_path / "v.ids.txt").read_text() == "mine\n"


@pytest.mark.parametrize("suffix", [".parquet", ".npy"])
def test_what_fails_on_the_way_leaves_what_was_there(workspace, tmp_path, monkeypatch, suffix):
    out = tmp_path / f"v{suffix}"
    export_vectors(out, vectors="items", workspace=workspace, model="sasrec")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def forget(recommender: object) -> None:
        raise LockedError("a user was forgotten", hint="run the same command again")

    monkeypatch.setattr(exporting, "require_nobody_left", forget)
    with pytest.raises(LockedError):
        export_vectors(out, vectors="users", workspace=workspace, model="sasrec")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_ids_never_lie_beside_vectors_of_others(workspace, tmp_path, monkeypatch):
    out = tmp_path / "v.npy"
    export_vectors(out, vectors="items", workspace=workspace, model="sasrec")
    replace = os.replace

    def replace_vectors_only(source, target):
        if str(target).endswith(".ids.txt"):
            raise OSError(errno.ENOSPC, "full")
        replace(source, target)

    monkeypatch.setattr(os, "replace", replace_vectors_only)
    with pytest.raises(StorageError):
        export_vectors(out, vectors="users", workspace=workspace, model="sasrec")
    assert [path.name for path in tmp_path.iterdir()] == ["v.npy"]
    monkeypatch.undo()
    assert export_vectors(out, vectors="users", workspace=workspace, model="sasrec").ids_path.is_file()


def test_users_without_a_history_are_counted_and_not_invented(workspace, tmp_path, monkeypatch):
    opened = exporting.Opening(
        workspace=workspace, dataset_name=None, model="sasrec", device="cpu", threads=None
    ).open()
    offsets = opened.sequences.offsets
    offsets[1:4] = [offsets[1], offsets[1], offsets[3]]
    monkeypatch.setattr(exporting.Opening, "open", lambda _: opened)
    done = export_vectors(tmp_path / "users.parquet", vectors="users", workspace=workspace)
    assert (done.rows, done.without_history) == (119, 1)
    ids = opened.sequences.user_ids.to_list()
    assert pl.read_parquet(done.path)["user_id"].to_list() == [ids[0], *ids[2:]]
    offsets[:] = 0
    with pytest.raises(InputError, match="no user"):
        export_vectors(tmp_path / "none.parquet", vectors="users", workspace=workspace)


def test_an_id_with_a_line_break_is_no_line(workspace, tmp_path, monkeypatch):
    odd = [(pl.Series(["a", "b\nc"]), np.ones((2, 1), dtype=np.float32))]
    monkeypatch.setattr(exporting, "list_item_vectors", lambda *_: odd)
    with pytest.raises(InputError, match=r"'b\\nc' has a line break"):
        export_vectors(tmp_path / "v.npy", vectors="items", workspace=workspace, model="sasrec")
    assert not list(tmp_path.iterdir())


def test_python_returns_what_the_files_hold(workspace, tmp_path):
    loaded = load_recommender(workspace, model="dreamrec", threads=1)
    for name, frame in (("items", loaded.item_vectors()), ("users", loaded.user_vectors())):
        out = tmp_path / f"{name}.parquet"
        export_vectors(out, vectors=name, workspace=workspace, model="dreamrec")
        assert frame.equals(pl.read_parquet(out))


def test_a_model_that_is_not_there(workspace, tmp_path):
    with pytest.raises(ArtifactError):
        export_vectors(tmp_path / "v.npy", vectors="items", workspace=workspace, model="hstu")
