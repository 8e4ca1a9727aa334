"""What a later adrec wrote is called that, by every reader, and no hint has it made again over it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from adrec_cli.artifacts.checkpoint_metadata import read_metadata
from adrec_cli.artifacts.evaluation import read_evaluation
from adrec_cli.artifacts.format_version import refuse_newer
from adrec_cli.artifacts.item_vectors import read_item_vectors, read_item_vectors_header
from adrec_cli.artifacts.manifest import read_manifest
from adrec_cli.artifacts.promotion import read_current
from adrec_cli.artifacts.tensor_file import open_tensors, write_tensors
from adrec_cli.content.options import EncodeOptions
from adrec_cli.data.options import PreprocessOptions
from adrec_cli.data.pending import read_pending
from adrec_cli.errors import ArtifactError
from adrec_cli.experiments.options import ExperimentOptions
from adrec_cli.pipeline.encode import encode
from adrec_cli.pipeline.run import RunOptions, run
from tests.conftest import TINY, write_interactions

SMALL = {name: TINY["model"][name] for name in ("hidden_size", "max_length", "heads")}
LATER = "of a later adrec; this one reads up to"


@pytest.mark.parametrize("version", [2, 77, "2", "10", 10**30])
def test_a_later_version_is_refused(version):
    with pytest.raises(ArtifactError, match=LATER) as told:
        refuse_newer(Path("file"), version)
    assert "not damaged" in told.value.hint
    assert len(told.value.message) < 120


@pytest.mark.parametrize("version", [1, 0, -5, "1", "0", None, True, "two", "2.0", 2.0, [2], {}, "", "²"])
def test_all_else_is_for_others_to_judge(version):
    assert refuse_newer(Path("file"), version) is None


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a data set with a promoted model, an evaluation, item vectors and events that wait."""
    folder = tmp_path_factory.mktemp("made")
    write_interactions(folder / "shop.csv", users=40)
    with (folder / "shop.csv").open("a") as file:
        file.write("u1,rare,1700000000\n")
    (folder / "items.csv").write_text("item_id,category\n" + "".join(f"i{n},c{n % 3}\n" for n in range(40)))
    options = RunOptions(
        preprocessing=PreprocessOptions(items=folder / "items.csv", min_item_interactions=2),
        experiment=ExperimentOptions(overrides={"model": SMALL, "stages": {"train": {"epochs": 1}}}),
    )
    run(str(folder / "shop.csv"), workspace=folder / "workspace", model_name="sasrec", options=options)
    encode("shop", workspace=folder / "workspace", options=EncodeOptions(encoders=("categories",)))
    return folder / "workspace/shop"


def rewrite_json(path: Path) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), "format_version": 3, "more": "of later"}))


def rewrite_tensors(path: Path) -> None:
    with open_tensors(path) as file:
        tensors, _ = file.load()
        text = dict(file.text)
    write_tensors(path, tensors, {**text, "format_version": "3", "more": "of later"})


def rewrite_table(path: Path) -> None:
    table = pq.read_table(path)
    pq.write_table(table.replace_schema_metadata({b"adrec.pending_version": b"3"}), path)


READERS: dict[str, tuple[str, Callable[[Path], None], Callable[[Path], object]]] = {
    "manifest": ("manifest.json", rewrite_json, lambda path: read_manifest(path.parent)),
    "current": ("sasrec/current.json", rewrite_json, lambda path: read_current(path.parent)),
    "evaluation": ("reports/*test.json", rewrite_json, read_evaluation),
    "checkpoint": ("sasrec/train.safetensors", rewrite_tensors, read_metadata),
    "item vectors": ("items.vectors.safetensors", rewrite_tensors, lambda path: read_item_vectors(path.parent)),
    "their header": ("items.vectors.safetensors", rewrite_tensors, lambda path: read_item_vectors_header(path.parent)),
    "pending": ("pending.parquet", rewrite_table, read_pending),
}


@pytest.mark.parametrize("name", READERS)
def test_no_reader_calls_it_damaged(name: str, made: Path, tmp_path: Path) -> None:
    pattern, rewrite, read = READERS[name]
    folder = tmp_path / "shop"
    shutil.copytree(made, folder)
    path = min(folder.glob(pattern))
    read(path)
    rewrite(path)
    with pytest.raises(ArtifactError, match=LATER) as told:
        read(path)
    assert "is damaged" not in told.value.message
