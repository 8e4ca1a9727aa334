"""Evaluated models side by side: averaged over seeds, ordered, each tested against the best baseline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from adrec_cli.artifacts.evaluation import Evaluation
from adrec_cli.artifacts.ranks import TargetRanks
from adrec_cli.artifacts.training_log import TrainingCosts
from adrec_cli.errors import UsageError
from adrec_cli.models.registry import DEFAULT_MODEL
from adrec_cli.ranking.bootstrap import Values, bootstrap_intervals
from adrec_cli.ranking.metrics import metric_names, metric_of_users
from adrec_cli.ranking.significance import Difference, differences_to
from adrec_cli.wording import option


@dataclass(frozen=True, kw_only=True)
class ComparedModel:
    """One model of a comparison.

    Attributes:
        name: as asked for, such as adrec or adrec/pretrain; model and stage are what that is.
        metrics: by name, averaged over users, and over seeds if there are several.
        intervals: [lower, upper] bound of each at 95%, a bootstrap over users.
        spread: standard deviation of each over the seeds; empty with one.
        differences: by metric, to the reference; empty for the reference itself.
        seeds: of the trainings.
        training_seconds, processor_seconds, epochs: of one training, from the logs of its stages; None where they do
            not tell.
        tried: settings of it that sweeps and searches on these data have tried.
        seconds_per_user: of ranking one target.
        parameters: numbers in the model.
        reports: files with everything else.
    """

    name: str
    model: str
    stage: str
    metrics: dict[str, float]
    intervals: dict[str, list[float]]
    spread: dict[str, float]
    differences: dict[str, Difference]
    seeds: list[int]
    training_seconds: float | None
    processor_seconds: float | None
    epochs: float | None
    tried: int
    seconds_per_user: float
    parameters: int
    reports: list[str]


@dataclass(frozen=True, kw_only=True)
class ModelComparison:
    """All models side by side.

    Attributes:
        protocol, negatives_source: of every figure.
        metrics: that were asked for; the first one decides.
        reference: the model that differences are to; None with a single model.
        users, cases: every model was ranked on.
        models: the best one first.
        left_out: models that are not compared, and why.
    """

    dataset: str
    protocol: str
    negatives_source: str
    metrics: list[str]
    reference: str | None
    users: int
    cases: int
    models: list[ComparedModel]
    left_out: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A model, evaluated once for each of its seeds.

    Attributes:
        name: as asked for; model: registered.
        seeds: of the trainings; empty for MostPopular.
        costs: of each training; None where they are not known.
        evaluations, ranks: one per seed.
        tried: settings that sweeps and searches have tried.
    """

    name: str
    model: str
    seeds: list[int]
    costs: list[TrainingCosts | None]
    evaluations: list[Evaluation]
    ranks: list[TargetRanks]
    tried: int = 0

    def values(self, metric: str) -> Values:
        """Return the metric of each user, averaged over the seeds."""
        values: Values = np.mean([of_users(ranks, metric) for ranks in self.ranks], axis=0)
        return values


def put_side_by_side(
    dataset_name: str, measured: Sequence[Measured], *, metrics: Sequence[str], against: str | None, left_out: list[str]
) -> ModelComparison:
    """Put models side by side, the best one first.

    Args:
        dataset_name: they were evaluated on.
        measured: the models.
        metrics: to test differences in; the first one decides on the order and the best baseline.
        against: the name of the model to compare with; None for the best baseline.
        left_out: passed on.

    Raises:
        UsageError: as `require_comparable`, or `against` is not among them.
    """
    all_evaluations = [evaluation for one in measured for evaluation in one.evaluations]
    require_comparable(all_evaluations, [ranks for one in measured for ranks in one.ranks])
    decisive = metrics[0]
    measured = sorted(measured, key=lambda one: -one.values(decisive).mean())
    reference = _choose_reference(measured, against)
    found: list[dict[str, Difference]] = [{} for _ in measured]
    others = [(one, told) for one, told in zip(measured, found, strict=True) if one is not reference]
    for metric in metrics if reference else ():
        assert reference is not None
        of_metric = differences_to(reference.values(metric), [one.values(metric) for one, _ in others])
        for (_, told), difference in zip(others, of_metric, strict=True):
            told[metric] = difference
    first = all_evaluations[0]
    return ModelComparison(
        dataset=dataset_name,
        protocol=first.protocol,
        negatives_source=first.negatives_source,
        metrics=list(metrics),
        reference=reference.name if reference else None,
        users=first.users,
        cases=first.cases,
        models=[_summarize(one, told) for one, told in zip(measured, found, strict=True)],
        left_out=left_out,
    )


def require_comparable(evaluations: Sequence[Evaluation], ranks: Sequence[TargetRanks]) -> None:
    """Refuse figures that must not stand side by side.

    Raises:
        UsageError: of different protocols, data, or sampled items.
    """
    first = evaluations[0]
    for other in evaluations[1:]:
        if other.protocol != first.protocol:
            raise UsageError(
                f"figures of different protocols cannot be compared: {first.model} {first.protocol}, "
                f"{other.model} {other.protocol}",
                hint="evaluate both in the same way",
            )
        if (other.sequences_sha256, other.items_sha256) != (first.sequences_sha256, first.items_sha256):
            raise UsageError(f"{first.model} and {other.model} were evaluated on different data")
        drawn = first.negatives_source and (first.negatives_sha256, first.seed) != (other.negatives_sha256, other.seed)
        if drawn or first.negatives_source != other.negatives_source:
            raise UsageError(f"{first.model} and {other.model} were ranked against different items")
    if any(not np.array_equal(one.users, ranks[0].users) for one in ranks):
        raise UsageError("the models were not evaluated on the same users")


def _choose_reference(measured: list[Measured], against: str | None) -> Measured | None:
    """Return what the others are compared with: the one asked for, or the best that is not ours."""
    if against is not None:
        named = [one for one in measured if one.name == against]
        if not named:
            there = ", ".join(one.name for one in measured)
            raise UsageError(f"{option('against', against)} is not compared", hint=f"one of: {there}")
        return named[0]
    if len(measured) < 2:
        return None
    baselines = [one for one in measured if one.model != DEFAULT_MODEL]
    return next(iter(baselines or measured[1:]), None)


def _summarize(measured: Measured, differences: dict[str, Difference]) -> ComparedModel:
    evaluations = measured.evaluations
    several = len(evaluations) > 1
    metrics, intervals, spread = evaluations[0].metrics, evaluations[0].intervals, {}
    if several:
        names = [name for name in metric_names() if all(name in one.metrics for one in evaluations)]
        by_name = {name: [one.metrics[name] for one in evaluations] for name in names}
        metrics = {name: float(np.mean(values)) for name, values in by_name.items()}
        spread = {name: float(np.std(values, ddof=1)) for name, values in by_name.items()}
        bounds = bootstrap_intervals(np.column_stack([measured.values(name) for name in names]))
        intervals = dict(zip(names, bounds.tolist(), strict=True))
    return ComparedModel(
        name=measured.name,
        model=measured.model,
        stage=evaluations[0].stage,
        metrics=metrics,
        intervals=intervals,
        spread=spread,
        differences=differences,
        seeds=measured.seeds,
        training_seconds=_mean([None if costs is None else costs.seconds for costs in measured.costs]),
        processor_seconds=_mean([None if costs is None else costs.processor_seconds for costs in measured.costs]),
        epochs=_mean([None if costs is None else costs.epochs for costs in measured.costs]),
        tried=measured.tried,
        seconds_per_user=float(np.mean([one.seconds / one.cases for one in evaluations])),
        parameters=evaluations[0].parameters,
        reports=[one.path for one in evaluations],
    )


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known and len(known) == len(values) else None


def of_users(ranks: TargetRanks, metric: str) -> Values:
    """Return a metric of each user, such as ndcg@10."""
    return metric_of_users(ranks.ranks, ranks.users, metric)
