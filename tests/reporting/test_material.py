"""What a report tells of: all that is whole and of these data; the rest is named, once, and nothing is lost for it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from adrec_cli.artifacts.evaluation import Evaluation
from adrec_cli.artifacts.sweep_files import RESULT_COLUMNS, SweepRecord
from adrec_cli.data.datasets import DatasetSpec, Filters, SourceFiles
from adrec_cli.errors import ArtifactError
from adrec_cli.loading.opening import Dataset, open_dataset
from adrec_cli.reporting import material
from adrec_cli.reporting.material import gather_material
from adrec_cli.reporting.reproduction import preprocess_command
from adrec_cli.sweeping.trials import Trial
from tests.made_up import made_up
from tests.reporting.made_up import a_stage, an_evaluation


@pytest.fixture
def dataset(tiny_source: Path, tmp_path: Path) -> Dataset:
    """The data set, in a folder of its own."""
    return dataclasses.replace(open_dataset(tiny_source / "tiny"), folder=tmp_path / "tiny")


def test_of_each_kind_what_is_whole_and_of_these_data_stays(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = dataset.manifest.sequences_sha256
    row: dict[str, Any] = dict.fromkeys(RESULT_COLUMNS, "x") | {
        name: 1 for name, kind in RESULT_COLUMNS.items() if kind != pl.String
    }
    full, empty = pl.DataFrame([row], schema=RESULT_COLUMNS), pl.DataFrame(schema=RESULT_COLUMNS)
    trial = made_up(Trial, number=1)
    found: dict[str, dict[str, Any]] = {
        "evaluation": {
            "bad.json": None, "other.json": an_evaluation("sasrec", 0.1),
            "good.json": an_evaluation("adrec", 0.2, sequences_sha256=here),
            "last.json": an_evaluation("gru4rec", 0.3, sequences_sha256=here),
            "former.json": an_evaluation("hstu", 0.3, sequences_sha256=here, path="reports/former.json"),
        },
        "sweep": {
            "bad": None, "other": (made_up(SweepRecord), full),
            "empty": (made_up(SweepRecord, sequences_sha256=here), empty),
            "good": (made_up(SweepRecord, sequences_sha256=here, name="mine"), full),
        },
        "search": {
            "bad/s": None, "other/s": ({"sequences_sha256": "x"}, [trial]), "none/s": ({"sequences_sha256": here}, []),
            "good/s": ({"sequences_sha256": here, "name": "hunt"}, [trial]),
        },
    }  # fmt: skip
    listing = {"evaluation": "list_evaluations", "sweep": "sweep_folders", "search": "search_files"}
    # What is gone since it was listed is no damage.
    monkeypatch.chdir(tmp_path)
    for kind, each in found.items():
        for name in each:
            (tmp_path / name).mkdir(parents=True, exist_ok=True)

        def read(path: Path, each: dict[str, Any] = each) -> Any:
            if each[str(path)] is None:
                raise ArtifactError(f"{path} is damaged")
            return each[str(path)]

        monkeypatch.setattr(material, listing[kind], lambda folder, each=each: [Path(name) for name in each])
        monkeypatch.setattr(material, f"read_{kind}", read)

    def find_replaced(folder: Path, found: list[Evaluation], known: dict[str, str]) -> list[Evaluation]:
        return [one for one in found if one.model == "hstu"]

    monkeypatch.setattr(material, "find_replaced", find_replaced)
    told = gather_material(dataset)
    assert [one.model for one in told.evaluations] == ["adrec", "gru4rec"]
    assert [(one.record.name, len(one.summaries)) for one in told.sweeps] == [("mine", 1)]
    assert [(one.about["name"], one.trials) for one in told.searches] == [("hunt", [trial])]
    assert sorted(told.left_out) == sorted([
        "bad.json is damaged", "other.json is of other data: evaluate again", "bad is damaged",
        "former.json is of a checkpoint that is not there now: evaluate again",
        "sweep other is of other data: run it again", "bad/s is damaged", "search other is of other data: search again",
    ])  # fmt: skip


@pytest.mark.parametrize("log", [None, "whole", "damaged", "odd"])
def test_a_stage_is_told_with_its_log_and_what_it_is_of(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch, log: str | None
) -> None:
    folder = dataset.folder / "adrec"
    folder.mkdir(parents=True)
    for name in ("pretrain", "align", "finetune"):
        (folder / f"{name}.safetensors").touch()
    rows = {"whole": '{"seconds": 1.5}\n{"seconds": 2}\n{}\n', "damaged": "{", "odd": '[1]\n{"seconds": 4}\n3\n'}
    if log is not None:
        (folder / "align.jsonl").write_text(rows[log])
    manifest = dataset.manifest
    shas = {"items_sha256": manifest.items_sha256, "sequences_sha256": manifest.sequences_sha256}

    def verify(path: Path) -> Any:
        if path.stem == "pretrain":
            raise ArtifactError("pretrain is damaged")
        return a_stage("adrec", path.stem, **(shas if path.stem == "align" else {})).metadata

    monkeypatch.setattr(material, "verify_checkpoint", verify)
    monkeypatch.setattr(material, "file_sha256", lambda path: f"sha of {path.stem}")
    monkeypatch.setattr(material, "read_current", lambda folder: type("Current", (), {"sha256": "sha of finetune"}))
    told = gather_material(dataset)
    assert list(told.models) == ["adrec"]
    align, finetune = told.models["adrec"]
    epochs, seconds = {None: (0, 0.0), "whole": (3, 3.5), "damaged": (0, 0.0), "odd": (1, 4.0)}[log]
    assert (align.epochs, align.seconds) == (epochs, seconds)
    assert (align.path, align.sha256, align.metadata.stage) == ("adrec/align.safetensors", "sha of align", "align")
    assert [(one.fits, one.promoted) for one in (align, finetune)] == [(True, False), (False, True)]
    assert told.left_out == ["pretrain is damaged"]


@pytest.mark.parametrize("differs", ["items_sha256", "sequences_sha256"])
def test_a_stage_of_other_items_or_other_histories_does_not_fit(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch, differs: str
) -> None:
    (dataset.folder / "sasrec").mkdir(parents=True)
    (dataset.folder / "sasrec/train.safetensors").touch()
    shas = {name: getattr(dataset.manifest, name) for name in ("items_sha256", "sequences_sha256")}
    stage = a_stage("sasrec", "train", **{**shas, differs: "another"}).metadata
    monkeypatch.setattr(material, "verify_checkpoint", lambda path: stage)
    monkeypatch.setattr(material, "read_current", lambda folder: None)
    ((told,),) = gather_material(dataset).models.values()
    assert (told.fits, told.promoted) == (False, False)


@pytest.mark.usefixtures("in_shell")
@pytest.mark.parametrize(
    ("file", "typed"),
    [("tiny.csv", ""), ("tiny.csv.gz", ""), ("tiny", ""), ("csv.tiny", "--name tiny"), ("other.csv", "--name tiny")],
)
def test_a_data_set_is_named_where_its_file_is_called_otherwise(dataset: Dataset, file: str, typed: str) -> None:
    manifest = dataclasses.replace(dataset.manifest, sources=[{"name": file}])
    line = preprocess_command(manifest, has_item_file=False)
    assert line.startswith(f"adrec preprocess {file}")
    assert ("--name" in line) == bool(typed)
    assert typed in line


@pytest.mark.usefixtures("in_shell")
@pytest.mark.parametrize(
    ("given", "typed"),
    [(["a = 1"], ""), (None, "--where ''"), (["b = 2"], "--where 'b = 2'"), (["a = 1", "b = 2"], "--where 'b = 2'")],
)
def test_conditions_of_a_named_data_set_are_typed_where_they_are_others(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch, given: list[str] | None, typed: str
) -> None:
    spec = DatasetSpec(
        name="shop", title="", licence="", citation="", filters=Filters(where=("a = 1",)),
        sources=(SourceFiles(files=("a.csv",)),),
    )  # fmt: skip
    monkeypatch.setattr("adrec_cli.reporting.reproduction.find_named_source", lambda name: "shop")
    monkeypatch.setattr("adrec_cli.reporting.reproduction.load_dataset_spec", lambda source: spec)
    manifest = dataclasses.replace(dataset.manifest, parameters={**dataset.manifest.parameters, "where": given})
    line = preprocess_command(manifest, has_item_file=False)
    assert line.startswith("adrec preprocess shop")
    assert ("--where" in line) == bool(typed)
    assert typed in line
