"""What a sweep found: one table of all figures, and each run's mean over its seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from adrec_cli.artifacts.sweep_files import RESULT_COLUMNS
from adrec_cli.sweeping.design import Run
from adrec_cli.sweeping.measuring import Measured
from adrec_cli.sweeping.shared_stages import TrainedStage
from adrec_cli.wording import say_count

# Two-sided 95% quantiles of Student's t with 1..30 degrees of freedom.
_T95 = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120,
    2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
)  # fmt: skip
_NORMAL95 = 1.960


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A finished run.

    Attributes:
        run: which.
        stages: it needed, in order; the last one's checkpoint was measured.
        measured: on validation, and on test where asked.
    """

    run: Run
    stages: Sequence[TrainedStage]
    measured: Sequence[Measured]

    @property
    def seconds(self) -> float:
        """All its epochs took, shared stages included."""
        return sum(stage.seconds for stage in self.stages)


@dataclass(frozen=True, kw_only=True)
class Summary:
    """One metric of a run over its seeds.

    Attributes:
        run, key, value: as `Run`.
        part, protocol, metric: of the figure.
        seeds: it is a mean of.
        mean: over seeds.
        lower, upper: of the 95% interval; with one seed over users, by bootstrap, and with several over seeds, by
            Student's t, which is what tells whether another training would come out alike.
        training_seconds, ranking_seconds: means over seeds.
    """

    run: str
    key: str
    value: str
    part: str
    protocol: str
    metric: str
    seeds: int
    mean: float
    lower: float
    upper: float
    training_seconds: float
    ranking_seconds: float


def results_table(outcomes: Sequence[Outcome], folder: Path) -> pl.DataFrame:
    """Return one row per run, seed, part and metric.

    Args:
        outcomes: in the order of the runs.
        folder: of the sweep; checkpoints are named relative to it.
    """
    rows = [
        {
            "run": outcome.run.name,
            "key": outcome.run.key,
            "value": outcome.run.value,
            "seed": outcome.run.seed,
            "part": measured.part,
            "protocol": measured.protocol,
            "metric": metric,
            "metric_value": value,
            "lower": measured.lower[metric],
            "upper": measured.upper[metric],
            "users": measured.users,
            "training_seconds": outcome.seconds,
            "ranking_seconds": measured.seconds,
            "checkpoint": outcome.stages[-1].checkpoint.path.relative_to(folder).as_posix(),
            "checkpoint_sha256": measured.checkpoint_sha256,
        }
        for outcome in outcomes
        for measured in outcome.measured
        for metric, value in measured.metrics.items()
    ]
    return pl.DataFrame(rows, schema=RESULT_COLUMNS)


def summarize_runs(table: pl.DataFrame) -> list[Summary]:
    """Return every metric of every run over its seeds, in the table's order."""
    summaries = []
    names = ("run", "key", "value", "part", "protocol", "metric")
    for group, rows in table.group_by(*names, maintain_order=True):
        values = rows["metric_value"].to_numpy()
        lower, upper = seed_interval(values) if len(values) > 1 else (rows["lower"][0], rows["upper"][0])
        summaries.append(
            Summary(
                **dict(zip(names, map(str, group), strict=True)),
                seeds=len(values),
                mean=float(values.mean()),
                lower=lower,
                upper=upper,
                training_seconds=float(rows["training_seconds"].to_numpy().mean()),
                ranking_seconds=float(rows["ranking_seconds"].to_numpy().mean()),
            )
        )
    return summaries


def name_run(summary: Summary, seeds: int) -> str:
    """Return the name of a run, with how many of a sweep's seeds have a result where some diverged."""
    return summary.run + (f" ({summary.seeds} of {say_count(seeds, 'seed')})" if summary.seeds < seeds else "")


def seed_interval(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> tuple[float, float]:
    """Return the 95% interval of the mean of at least two values, by Student's t with n - 1 degrees of freedom."""
    count = len(values)
    quantile = _T95[count - 2] if count - 2 < len(_T95) else _NORMAL95
    half = quantile * float(values.std(ddof=1)) / math.sqrt(count)
    return float(values.mean()) - half, float(values.mean()) + half
