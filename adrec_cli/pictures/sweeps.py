"""What sweeps found, one picture a sweep."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import polars as pl

from adrec_cli.artifacts.sweep_files import read_sweep, sweep_folders
from adrec_cli.errors import ArtifactError, UsageError
from adrec_cli.loading.opening import Dataset
from adrec_cli.pictures.options import PictureOptions
from adrec_cli.pictures.picture import Picture, display_name
from adrec_cli.plots.metric_interval import MetricInterval
from adrec_cli.plots.style import USUAL, Look
from adrec_cli.plots.sweep import BASE, SweepPoint, draw_sweep
from adrec_cli.sweeping.results import Summary, summarize_runs
from adrec_cli.wording import command, say_count


def sweeps(dataset: Dataset, options: PictureOptions) -> list[Picture]:
    """Return a picture of each sweep of these data that has a result.

    Raises:
        ArtifactError: there is none, or one is damaged.
        UsageError: an unknown metric, or matplotlib is not installed.
    """
    found = [sweep_picture(dataset, folder, options.metric, options.look) for folder in sweep_folders(dataset.folder)]
    pictures = [picture for picture in found if picture is not None]
    if not pictures:
        name = dataset.manifest.dataset
        raise ArtifactError(
            f"{name} has no result of a sweep", hint=f"make one: {command('sweep', name, vary='lambda=0.001,0.01,0.1')}"
        )
    return pictures


def sweep_picture(dataset: Dataset, folder: Path, metric: str | None = None, look: Look = USUAL) -> Picture | None:
    """Return the picture of one sweep; None where it is of other data, or has nothing to draw.

    Args:
        dataset: of the sweep.
        folder: of the sweep.
        metric: None takes the one that its runs are compared by.
        look: of the picture.

    Raises:
        ArtifactError: it is damaged.
        UsageError: an unknown metric, or matplotlib is not installed.
    """
    record, table = read_sweep(folder)
    if not table.height or record.sequences_sha256 != dataset.manifest.sequences_sha256:
        return None
    metric = metric or record.monitor
    table = table.filter(pl.col("metric") == metric)
    if not table.height:
        raise UsageError(f"sweep {record.name} has no metric {metric!r}", hint=f"it was compared by {record.monitor}")
    summaries = summarize_runs(table)
    points = _points(summaries, table, record.base_values)
    if not any(point.key for point in points):
        return None
    name = dataset.manifest.dataset
    title = f"Sweep {record.name}: {display_name(record.model)} on {name}"
    seeds = max(summary.seeds for summary in summaries)
    spread = (
        f"{say_count(seeds, 'seed')}, 95% intervals over seeds" if seeds > 1 else "one seed, 95% intervals over users"
    )
    protocols = ", ".join(dict.fromkeys(summary.protocol for summary in summaries))
    about = f"{name}, {protocols}; {spread}; ringed or dotted: the options that the others vary"
    figure = draw_sweep(points, metric=metric.upper(), title=title, about=about, look=look)
    return Picture(name=f"sweep-{record.name}", title=title, about=about, look=look, figure=figure)


def _points(summaries: list[Summary], table: pl.DataFrame, base_values: Mapping[str, str]) -> list[SweepPoint]:
    """Return a point a run and part; the base stands once more at its own value of each option that is varied."""
    # An option with several values at once, one per stage, has no place on a line; a grid has no panel for one option.
    keys = {summary.key for summary in summaries}
    own = {key: value for key, value in base_values.items() if key in keys and "," not in value}
    has_base = any(summary.run == BASE for summary in summaries)
    points = []
    for summary in summaries:
        seeds = table.filter((pl.col("run") == summary.run) & (pl.col("part") == summary.part))["metric_value"]
        point = SweepPoint(
            name=summary.run,
            key=summary.key,
            value=summary.value,
            part=summary.part,
            metric=MetricInterval(value=summary.mean, lower=summary.lower, upper=summary.upper),
            seeds=seeds.to_list(),
        )
        if summary.run == BASE:
            points += [point, *(dataclasses.replace(point, key=key, value=value) for key, value in own.items())]
        elif not (has_base and _same(own.get(summary.key, ""), summary.value)):
            points.append(point)
    return points


def _same(one: str, other: str) -> bool:
    try:
        return float(one) == float(other)
    except ValueError:
        return one == other
