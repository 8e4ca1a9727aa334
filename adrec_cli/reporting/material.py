"""Everything a report tells of, read from a dataset's folder and checked; nothing is computed again or written."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adrec_cli.artifacts.atomic import file_sha256
from adrec_cli.artifacts.checkpoint import verify_checkpoint
from adrec_cli.artifacts.checkpoint_metadata import CheckpointMetadata
from adrec_cli.artifacts.damaged import read_each
from adrec_cli.artifacts.evaluation import Evaluation, list_evaluations, read_evaluation
from adrec_cli.artifacts.evaluation_sets import find_replaced
from adrec_cli.artifacts.promotion import read_current
from adrec_cli.artifacts.steadily import read_steadily
from adrec_cli.artifacts.sweep_files import SweepRecord, read_sweep, sweep_folders
from adrec_cli.errors import AdrecError
from adrec_cli.loading.opening import Dataset
from adrec_cli.loading.registered import find_unregistered
from adrec_cli.loading.trained import models_in, stage_checkpoints
from adrec_cli.sweeping.results import Summary, summarize_runs
from adrec_cli.sweeping.trials import Trial
from adrec_cli.sweeping.tried import read_search, search_files


@dataclass(frozen=True, kw_only=True)
class StageTold:
    """A stage's checkpoint and how its training went.

    Attributes:
        metadata, sha256: of the checkpoint.
        path: relative to the dataset's folder.
        epochs: that were run; 0 where the log is missing.
        seconds: they took.
        fits: the checkpoint was trained on the data set as it is.
        promoted: it is the one that `recommend` uses.
    """

    metadata: CheckpointMetadata
    sha256: str
    path: str
    epochs: int
    seconds: float
    fits: bool
    promoted: bool


@dataclass(frozen=True, kw_only=True)
class SweepTold:
    """A sweep: its own records, and its figures over the seeds."""

    record: SweepRecord
    summaries: list[Summary]


@dataclass(frozen=True, kw_only=True)
class SearchTold:
    """A search: what `search.json` says, and its trials."""

    about: dict[str, Any]
    trials: list[Trial]


@dataclass(frozen=True, kw_only=True)
class Material:
    """What a report tells of.

    Attributes:
        dataset: opened.
        models: stages of each trained model, in the order they ran.
        evaluations: of any protocol.
        sweeps, searches: by name.
        left_out: one line for each artifact that is damaged or of other data.
    """

    dataset: Dataset
    models: dict[str, list[StageTold]]
    evaluations: list[Evaluation]
    sweeps: list[SweepTold]
    searches: list[SearchTold]
    left_out: list[str]


def gather_material(dataset: Dataset) -> Material:
    """Read all artifacts of a dataset; what is damaged is noted and left out.

    Raises:
        StorageError: the file system refused.
    """
    left_out: list[str] = []
    models = {}
    left_out += [error.message for error in find_unregistered(dataset.folder).values()]
    for model in models_in(dataset.folder):
        told = [_stage(dataset, model, path, left_out) for path in stage_checkpoints(dataset.folder / model, model)]
        if there := [stage for stage in told if stage is not None]:
            models[model] = there
    return Material(
        dataset=dataset,
        models=models,
        evaluations=_evaluations(dataset, models, left_out),
        sweeps=_sweeps(dataset, left_out),
        searches=_searches(dataset, left_out),
        left_out=left_out,
    )


def _stage(dataset: Dataset, model: str, path: Path, left_out: list[str]) -> StageTold | None:
    try:
        # Read whole: a report of weights that are damaged would be worth nothing.
        metadata, sha256 = read_steadily(lambda: [path], lambda: (verify_checkpoint(path), file_sha256(path)))
        current = read_current(dataset.folder / model)
    except AdrecError as error:
        left_out.append(error.message)
        return None
    rows = _log(path.with_suffix(".jsonl"))
    manifest = dataset.manifest
    return StageTold(
        metadata=metadata,
        sha256=sha256,
        path=path.relative_to(dataset.folder).as_posix(),
        epochs=len(rows),
        seconds=sum(float(row.get("seconds", 0.0)) for row in rows),
        fits=(metadata.items_sha256, metadata.sequences_sha256) == (manifest.items_sha256, manifest.sequences_sha256),
        promoted=current is not None and current.sha256 == sha256,
    )


def _log(path: Path) -> list[dict[str, Any]]:
    try:
        rows = [json.loads(line) for line in path.read_text().splitlines()]
    except (OSError, ValueError):
        return []
    return [row for row in rows if isinstance(row, dict)]


def _evaluations(dataset: Dataset, models: Mapping[str, Sequence[StageTold]], left_out: list[str]) -> list[Evaluation]:
    found = []
    for path, evaluation in read_each(list_evaluations(dataset.folder), read_evaluation, left_out):
        if evaluation.sequences_sha256 != dataset.manifest.sequences_sha256:
            left_out.append(f"{path.name} is of other data: evaluate again")
        else:
            found.append(evaluation)
    known = {stage.path: stage.sha256 for stages in models.values() for stage in stages}
    replaced = find_replaced(dataset.folder, found, known)
    left_out += [f"{Path(one.path).name} is of a checkpoint that is not there now: evaluate again" for one in replaced]
    return [one for one in found if one not in replaced]


def _sweeps(dataset: Dataset, left_out: list[str]) -> list[SweepTold]:
    found = []
    for folder, (record, results) in read_each(sweep_folders(dataset.folder), read_sweep, left_out):
        if record.sequences_sha256 != dataset.manifest.sequences_sha256:
            left_out.append(f"sweep {folder.name} is of other data: run it again")
        elif len(results):
            found.append(SweepTold(record=record, summaries=summarize_runs(results)))
    return found


def _searches(dataset: Dataset, left_out: list[str]) -> list[SearchTold]:
    found = []
    for path, (about, trials) in read_each(search_files(dataset.folder), read_search, left_out):
        if about["sequences_sha256"] != dataset.manifest.sequences_sha256:
            left_out.append(f"search {path.parent.name} is of other data: search again")
            continue
        if trials:
            found.append(SearchTold(about=about, trials=trials))
    return found
