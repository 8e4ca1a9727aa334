"""Where models are good, from the reports of evaluations; one picture a protocol."""

from __future__ import annotations

from adrec_cli.artifacts.evaluation import Evaluation, list_evaluations, read_evaluation
from adrec_cli.errors import ArtifactError, UsageError
from adrec_cli.loading.opening import Dataset
from adrec_cli.models.registry import MODELS, find_model, list_trainable
from adrec_cli.pictures.picture import Picture, PictureOptions, display_name, model_colours
from adrec_cli.plots.metric_interval import MetricInterval
from adrec_cli.plots.slices import SliceRow, draw_slices
from adrec_cli.wording import command

DEFAULT_METRIC = "ndcg@10"
_DEFINED = ("head", "long")


def slices(dataset: Dataset, options: PictureOptions) -> list[Picture]:
    """Return a picture for each protocol under which some model was evaluated on this data.

    Raises:
        ArtifactError: there is no report, or one is damaged.
        UsageError: an unknown metric, or matplotlib is not installed.
    """
    by_protocol: dict[str, list[Evaluation]] = {}
    for path in list_evaluations(dataset.folder):
        report = read_evaluation(path)
        if report.sequences_sha256 == dataset.manifest.sequences_sha256 and _is_final(report):
            by_protocol.setdefault(report.protocol, []).append(report)
    if not by_protocol:
        name = dataset.manifest.dataset
        raise ArtifactError(
            f"{name} has no report of an evaluation of these data",
            hint=f"make one with: {command('evaluate', 'CHECKPOINT', dataset=name)}",
        )
    return [_picture(dataset, found, options.metric or DEFAULT_METRIC) for found in by_protocol.values()]


def _is_final(report: Evaluation) -> bool:
    """Return whether a report is of a model's last stage."""
    stages = find_model(report.model).stages if report.model in MODELS else {}
    return report.stage in ("", *list(stages)[-1:])


def _picture(dataset: Dataset, reports: list[Evaluation], metric: str) -> Picture:
    order = [*list_trainable(), ""]
    reports = sorted(reports, key=lambda one: order.index(one.model) if one.model in order else len(order))
    if metric not in reports[0].metrics:
        raise UsageError(f"unknown metric {metric!r}", hint=f"one of: {', '.join(reports[0].metrics)}")
    protocol, name = reports[0].protocol, dataset.manifest.dataset
    rows = [SliceRow(name="all", about=f"{reports[0].cases:,} targets", models=_of_all(reports, metric))]
    rows += [
        SliceRow(name=part, about=f"{told['cases']:,} targets", models=_of_part(reports, part, metric))
        for part, told in reports[0].slices.items()
        if 0 < told["cases"] < reports[0].cases
    ]
    title = f"Where models are good on {name}: {metric}"
    defined = [f"{part}: {reports[0].slices[part]['definition']}" for part in _DEFINED if part in reports[0].slices]
    about = "; ".join([f"{name}, {protocol}", *defined])
    colours = model_colours(one.model for one in reports)
    figure = draw_slices(rows, metric=metric, title=title, about=about, colours=colours)
    return Picture(name=f"slices-{protocol.replace('/', '-')}", title=title, about=about, figure=figure)


def _of_all(reports: list[Evaluation], metric: str) -> dict[str, MetricInterval]:
    return {display_name(one.model): _interval(one.metrics[metric], one.intervals[metric]) for one in reports}


def _of_part(reports: list[Evaluation], part: str, metric: str) -> dict[str, MetricInterval]:
    parts = {display_name(one.model): one.slices.get(part, {}) for one in reports}
    return {
        model: _interval(told["metrics"][metric], told["intervals"][metric])
        for model, told in parts.items()
        if metric in told.get("metrics", {})
    }


def _interval(value: float, bounds: list[float]) -> MetricInterval:
    return MetricInterval(value=value, lower=bounds[0], upper=bounds[1])
