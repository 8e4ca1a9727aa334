"""Whether a run differs from the base by more than chance, on the same users."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt

from adrec_cli.artifacts.sweep_files import RunDifference
from adrec_cli.ranking.bootstrap import Values
from adrec_cli.ranking.metrics import metric_of_users
from adrec_cli.ranking.significance import differences_to
from adrec_cli.sweeping.design import BASE
from adrec_cli.sweeping.results import Outcome


def differences_to_base(
    outcomes: Sequence[Outcome], users: Mapping[str, npt.NDArray[np.int64]], metric: str
) -> list[RunDifference]:
    """Return how each run differs from the base; nothing where no base was run.

    Args:
        outcomes: finished runs.
        users: of each case, by part.
        metric: such as ndcg@10.
    """
    found = []
    for part, of_cases in users.items():
        by_run = _by_run_and_seed(outcomes, part, of_cases, metric)
        base = by_run.pop(BASE, {})
        common = {run: sorted(base.keys() & seeds) for run, seeds in by_run.items()}
        paired = {
            run: np.mean([by_run[run][seed] - base[seed] for seed in seeds], axis=0)
            for run, seeds in common.items()
            if seeds
        }
        if not paired:
            continue
        nothing = np.zeros_like(next(iter(paired.values())))
        tested = differences_to(nothing, list(paired.values()))
        for run, difference in zip(paired, tested, strict=True):
            told: dict[str, Any] = asdict(difference)
            found.append(RunDifference(run=run, part=part, metric=metric, seeds=len(common[run]), **told))
    return found


def _by_run_and_seed(
    outcomes: Sequence[Outcome], part: str, users: npt.NDArray[np.int64], metric: str
) -> dict[str, dict[int, Values]]:
    found: dict[str, dict[int, Values]] = {}
    for outcome in outcomes:
        for measured in outcome.measured:
            if measured.part == part:
                values = metric_of_users(np.array(measured.ranks), users, metric)
                found.setdefault(outcome.run.name, {})[outcome.run.seed] = values
    return found
