"""What reverse steps buy and cost, from the figures that an evaluation at several numbers of steps prints."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from adrec_cli.errors import ArtifactError, InputError, UsageError
from adrec_cli.loading.opening import Dataset
from adrec_cli.pictures.options import PictureOptions
from adrec_cli.pictures.picture import Picture, display_name
from adrec_cli.pictures.slices import DEFAULT_METRIC
from adrec_cli.plots.metric_interval import MetricInterval
from adrec_cli.plots.steps import StepsPoint, draw_steps
from adrec_cli.plots.style import Look
from adrec_cli.wording import command, say_count


def steps(dataset: Dataset, options: PictureOptions) -> list[Picture]:
    """Return a picture of each file of `options.steps`.

    Raises:
        ArtifactError: there is none.
        InputError: a file is not what an evaluation at several numbers of steps prints, or is of other data.
        UsageError: an unknown metric, or matplotlib is not installed.
    """
    if not options.steps:
        raise ArtifactError(
            "no figures of reverse steps were given",
            hint=f"{command('evaluate', 'CHECKPOINT', steps='1,2,4', json=True)} > steps.json, "
            f"then {command('plot', steps='steps.json')}",
        )
    return [_picture(dataset, path, options.metric or DEFAULT_METRIC, options.look) for path in options.steps]


def _picture(dataset: Dataset, path: Path, metric: str, look: Look) -> Picture:
    study = _read(path)
    name = dataset.manifest.dataset
    if study["dataset"] != name:
        raise InputError(f"{path} is of {study['dataset']}, not of {name}")
    first, *others = (row["metrics"] for row in study["rows"])
    known = [name for name in first if all(name in one for one in others)]
    if metric not in known:
        raise UsageError(f"unknown metric {metric!r}", hint=f"one of: {', '.join(known)}")
    points = [
        StepsPoint(
            steps=row["steps"],
            metric=MetricInterval(**dict.fromkeys(("value", "lower", "upper"), row["metrics"][metric])),
            milliseconds=row["milliseconds_per_target"],
        )
        for row in study["rows"]
    ]
    model = display_name(study["model"])
    title = f"What reverse steps buy: {model} on {name}"
    about = (
        f"{name}, {study['protocol']}, {say_count(study['cases'], 'target')}; "
        f"{study['noise']} noise, seed {study['seed']}; "
        f"{study['device']}, {say_count(study['threads'], 'thread')}"
    )
    figure = draw_steps(points, metric=metric.upper(), title=title, about=about, look=look)
    return Picture(name=f"steps-{study['model']}-{path.stem}", title=title, about=about, look=look, figure=figure)


def _read(path: Path) -> dict[str, Any]:
    try:
        study = json.loads(path.read_text(encoding="utf-8"))
        numbers = [
            row["steps"] + row["milliseconds_per_target"] + sum(row["metrics"].values()) for row in study["rows"]
        ]
        told = [study[key] for key in ("dataset", "model", "protocol", "noise", "seed", "device", "threads")]
        if not numbers or len(told) + study["cases"] < 1 or min(row["steps"] for row in study["rows"]) < 1:
            raise ValueError("it has no rows")
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path} is not what an evaluation at several numbers of steps prints: {error}",
            hint=f"{command('evaluate', 'CHECKPOINT', steps='1,2,4', json=True)} > FILE",
        ) from error
    return study  # type: ignore[no-any-return]
