"""Where models are good, from their evaluations; one picture per protocol."""

from __future__ import annotations

from adrec_cli.artifacts.evaluation import Evaluation, list_evaluations, read_evaluation
from adrec_cli.errors import ArtifactError, UsageError
from adrec_cli.loading.opening import Dataset
from adrec_cli.models.registry import MODELS, find_facts, list_trainable
from adrec_cli.pictures.options import PictureOptions
from adrec_cli.pictures.picture import Picture, display_name, model_colours
from adrec_cli.plots.metric_interval import MetricInterval
from adrec_cli.plots.slices import SliceRow, draw_slices
from adrec_cli.plots.style import Look
from adrec_cli.wording import command

DEFAULT_METRIC = "ndcg@10"
_DEFINED = ("head", "long")


def slices(dataset: Dataset, options: PictureOptions) -> list[Picture]:
    """Return a picture for each protocol under which some model was evaluated on this data.

    Raises:
        ArtifactError: there is no evaluation, or one is damaged.
        UsageError: an unknown metric, or matplotlib is not installed.
    """
    by_protocol: dict[str, list[Evaluation]] = {}
    for path in list_evaluations(dataset.folder):
        evaluation = read_evaluation(path)
        if evaluation.sequences_sha256 == dataset.manifest.sequences_sha256 and _is_final(evaluation):
            by_protocol.setdefault(evaluation.protocol, []).append(evaluation)
    if not by_protocol:
        name = dataset.manifest.dataset
        raise ArtifactError(
            f"{name} has no evaluation of these data",
            hint=f"make one with: {command('evaluate', 'CHECKPOINT', dataset=name)}",
        )
    return [_picture(dataset, found, options.metric or DEFAULT_METRIC, options.look) for found in by_protocol.values()]


def _is_final(evaluation: Evaluation) -> bool:
    """Return whether an evaluation is of a model's last stage."""
    stages = find_facts(evaluation.model).stages if evaluation.model in MODELS else {}
    return evaluation.stage in ("", *list(stages)[-1:])


def _picture(dataset: Dataset, evaluations: list[Evaluation], metric: str, look: Look) -> Picture:
    order = [*list_trainable(), ""]
    evaluations = sorted(evaluations, key=lambda one: order.index(one.model) if one.model in order else len(order))
    if metric not in evaluations[0].metrics:
        raise UsageError(f"unknown metric {metric!r}", hint=f"one of: {', '.join(evaluations[0].metrics)}")
    protocol, name = evaluations[0].protocol, dataset.manifest.dataset
    rows = [SliceRow(name="all", about=f"{evaluations[0].cases:,} targets", models=_of_all(evaluations, metric))]
    rows += [
        SliceRow(name=part, about=f"{told['cases']:,} targets", models=_of_part(evaluations, part, metric))
        for part, told in evaluations[0].slices.items()
        if 0 < told["cases"] < evaluations[0].cases
    ]
    title = f"Where models are good on {name}: {metric.upper()}"
    defined = [
        f"{part}: {evaluations[0].slices[part]['definition']}" for part in _DEFINED if part in evaluations[0].slices
    ]
    about = "; ".join([f"{name}, {protocol}", *defined])
    colours = model_colours(one.model for one in evaluations)
    figure = draw_slices(rows, metric=metric.upper(), title=title, about=about, colours=colours, look=look)
    return Picture(name=f"slices-{protocol.replace('/', '-')}", title=title, about=about, look=look, figure=figure)


def _of_all(evaluations: list[Evaluation], metric: str) -> dict[str, MetricInterval]:
    return {display_name(one.model): _interval(one.metrics[metric], one.intervals[metric]) for one in evaluations}


def _of_part(evaluations: list[Evaluation], part: str, metric: str) -> dict[str, MetricInterval]:
    parts = {display_name(one.model): one.slices.get(part, {}) for one in evaluations}
    return {
        model: _interval(told["metrics"][metric], told["intervals"][metric])
        for model, told in parts.items()
        if metric in told.get("metrics", {})
    }


def _interval(value: float, bounds: list[float]) -> MetricInterval:
    return MetricInterval(value=value, lower=bounds[0], upper=bounds[1])
