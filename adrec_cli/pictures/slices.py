"""Where models are good, from their evaluations; one picture per protocol."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from adrec_cli.artifacts.evaluation import Evaluation, list_evaluations, read_evaluation
from adrec_cli.artifacts.evaluation_sets import comparable_groups, find_replaced, find_training_seed
from adrec_cli.errors import ArtifactError, UsageError
from adrec_cli.loading.opening import Dataset
from adrec_cli.models.registry import MODELS, find_facts, list_trainable
from adrec_cli.pictures.options import PictureOptions
from adrec_cli.pictures.picture import Picture, display_name, model_colours
from adrec_cli.plots.metric_interval import MetricInterval
from adrec_cli.plots.slices import SliceRow, draw_slices
from adrec_cli.plots.style import Look
from adrec_cli.wording import command, say_count

DEFAULT_METRIC = "ndcg@10"
_DEFINED = ("head", "long")


def slices(dataset: Dataset, options: PictureOptions) -> list[Picture]:
    """Return a picture for each protocol under which some model was evaluated on this data.

    Raises:
        ArtifactError: there is no evaluation, or one is damaged.
        UsageError: an unknown metric, or matplotlib is not installed.
    """
    found = [
        evaluation
        for evaluation in map(read_evaluation, list_evaluations(dataset.folder))
        if evaluation.sequences_sha256 == dataset.manifest.sequences_sha256 and _is_final(evaluation)
    ]
    replaced = find_replaced(dataset.folder, found)
    groups = comparable_groups([one for one in found if one not in replaced])
    if not groups:
        name = dataset.manifest.dataset
        raise ArtifactError(
            f"{name} has no evaluation of these data",
            hint=f"make one with: {command('evaluate', 'CHECKPOINT', dataset=name)}",
        )
    metric = options.metric or DEFAULT_METRIC
    known = dict.fromkeys(name for group in groups for one in group for name in one.metrics)
    if metric not in known:
        raise UsageError(f"unknown metric {metric!r}", hint=f"one of: {', '.join(known)}")
    groups = [group for group in groups if any(metric in one.metrics for one in group)]
    pictures: list[Picture] = []
    for group in groups:
        made = _picture(dataset, _choose_trainings(group), metric, options.look)
        # Of one protocol there are several where models were ranked against different items.
        same = sum(one[0].protocol == group[0].protocol for one in groups[: len(pictures)])
        pictures.append(replace(made, name=f"{made.name}-{same + 1}") if same else made)
    return pictures


def _choose_trainings(group: Sequence[Evaluation]) -> list[Evaluation]:
    """Return one evaluation for each model: of the model itself, or where that has none, of its lowest seed."""

    def place(one: Evaluation) -> int:
        seed = find_training_seed(one)
        return -1 if seed is None else seed

    return list({one.model: one for one in sorted(group, key=place, reverse=True)}.values())


def _is_final(evaluation: Evaluation) -> bool:
    """Return whether an evaluation is of a model's last stage."""
    stages = find_facts(evaluation.model).stages if evaluation.model in MODELS else {}
    return evaluation.stage in ("", *list(stages)[-1:])


def _picture(dataset: Dataset, evaluations: list[Evaluation], metric: str, look: Look) -> Picture:
    order = [*list_trainable(), ""]
    evaluations = sorted(evaluations, key=lambda one: order.index(one.model) if one.model in order else len(order))
    without = [display_name(one.model) for one in evaluations if metric not in one.metrics]
    evaluations = [one for one in evaluations if metric in one.metrics]
    protocol, name = evaluations[0].protocol, dataset.manifest.dataset
    rows = [
        SliceRow(name="all", about=f"{say_count(evaluations[0].cases, 'target')}", models=_of_all(evaluations, metric))
    ]
    rows += [
        SliceRow(name=part, about=f"{say_count(told['cases'], 'target')}", models=_of_part(evaluations, part, metric))
        for part, told in evaluations[0].slices.items()
        if 0 < told["cases"] < evaluations[0].cases
    ]
    title = f"Where models are good on {name}: {metric.upper()}"
    defined = [
        f"{part}: {evaluations[0].slices[part]['definition']}" for part in _DEFINED if part in evaluations[0].slices
    ]
    drawn = [f"sampled items: {evaluations[0].negatives_source}"] if evaluations[0].negatives_source else []
    seeded = [
        f"{display_name(one.model)} with seed {seed}"
        for one in evaluations
        if (seed := find_training_seed(one)) is not None
    ]
    about = "; ".join([f"{name}, {protocol}", *drawn, *seeded, *defined])
    colours = model_colours(one.model for one in evaluations)
    figure = draw_slices(rows, metric=metric.upper(), title=title, about=about, colours=colours, look=look)
    note = f"{', '.join(without)} left out, evaluated without {metric.upper()}" if without else ""
    name = f"slices-{protocol.replace('/', '-')}"
    return Picture(name=name, title=title, about=about, look=look, figure=figure, note=note)


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
