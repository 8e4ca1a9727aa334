"""Training curves from the logs beside the checkpoints, one picture a model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from adrec_cli.artifacts.atomic import storage_error
from adrec_cli.artifacts.checkpoint_metadata import CheckpointMetadata, read_metadata
from adrec_cli.errors import ArtifactError
from adrec_cli.loading.opening import Dataset
from adrec_cli.loading.trained import models_in
from adrec_cli.models.registry import find_facts
from adrec_cli.models.stages import TrainingConfig
from adrec_cli.pictures.options import PictureOptions
from adrec_cli.pictures.picture import Picture, display_name
from adrec_cli.plots.training_curves import StageCurve, draw_training_curves
from adrec_cli.schema import CHECKPOINT_SUFFIX
from adrec_cli.wording import command, option, say_count

LOG_SUFFIX = ".jsonl"


def curves(dataset: Dataset, options: PictureOptions) -> list[Picture]:
    """Return the training curves of every model that has a log.

    Raises:
        ArtifactError: no model has one, or one is damaged.
    """
    pictures = [
        _picture(dataset, model, logs, options)
        for model in models_in(dataset.folder)
        if (logs := _logs(dataset.folder / model))
    ]
    if not pictures:
        name = dataset.manifest.dataset
        raise ArtifactError(f"{name} has no log of a training", hint=f"train first: {command('run', name)}")
    return pictures


def _logs(folder: Path) -> list[Path]:
    """Return the logs of a model's stages that are there, in the order the stages run in."""
    paths = [folder / f"{stage}{LOG_SUFFIX}" for stage in find_facts(folder.name).stages]
    return [path for path in paths if path.is_file()]


def _picture(dataset: Dataset, model: str, logs: list[Path], options: PictureOptions) -> Picture:
    checkpoints = [path.with_suffix(CHECKPOINT_SUFFIX) for path in logs]
    finished = [read_metadata(path) for path in checkpoints if path.is_file()]
    monitor = finished[-1].metrics["monitor"] if finished else TrainingConfig().monitor
    kept = {metadata.stage: metadata.epoch for metadata in finished}
    title = f"Training of {display_name(model)} on {dataset.manifest.dataset}"
    about = _about(dataset, finished)
    figure = draw_training_curves(
        [_curve(path, monitor, kept) for path in logs],
        title=title,
        about=about,
        monitor=monitor.upper(),
        over=options.over,
        look=options.look,
    )
    return Picture(name=f"curves-{model}", title=title, about=about, look=options.look, figure=figure)


def _about(dataset: Dataset, finished: list[CheckpointMetadata]) -> str:
    parts = [f"{dataset.manifest.dataset}, {say_count(dataset.items.height, 'item')}"]
    if finished:
        parts += [f"validation {finished[-1].metrics['protocol']}", f"seed {finished[-1].seed}"]
    return "; ".join([*parts, "★ the epoch whose weights are kept"])


def _curve(path: Path, monitor: str, kept: dict[str, int]) -> StageCurve:
    stage, rows = path.stem, _rows(path)
    names = list(dict.fromkeys(name for row in rows for name in row["losses"]))
    improved = [row["epoch"] for row in rows if row["improved"]]
    return StageCurve(
        stage=stage,
        seconds=[row["seconds"] for row in rows],
        losses={name: [row["losses"].get(name) for row in rows] for name in names},
        metric=[row["valid"].get(monitor) for row in rows],
        effective_rank=[row.get("effective_rank") for row in rows],
        kept_epoch=kept.get(stage, improved[-1] if improved else 0),
    )


def _rows(path: Path) -> list[dict[str, Any]]:
    """Read a log.

    Raises:
        ArtifactError: it is not what a training writes.
    """
    try:
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        numbers = [row["seconds"] + row["epoch"] + sum(row["losses"].values()) + len(row["valid"]) for row in rows]
        if not numbers:
            raise ValueError("it is empty")
    except OSError as error:
        raise storage_error("read", path, error) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArtifactError(
            f"{path} is damaged: {error}", hint=f"train that stage again with {option('force', True)}"
        ) from error
    return rows
