"""Optuna proposes and gives up trials; it stores and prints nothing of its own.

Trials are ours, in `trials.jsonl`. A study in memory is rebuilt from them for every proposal, with a sampler seeded by
the number of the trial, so that a search that was stopped proposes what it would have proposed without the stop.
Optuna's own stores are left out: they pickle (Redis, CMA-ES), or append where a crash may leave half a line.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from typing import Any

from adrec_cli.errors import UsageError
from adrec_cli.sweeping.search_space import Searched, SearchSpace
from adrec_cli.sweeping.trials import DIVERGED, DONE, IMPOSSIBLE, PRUNED, Trial

PRUNERS = ("median", "hyperband", "none")
_UNPRUNED_TRIALS, _UNPRUNED_EPOCHS, _COMPARED_TRIALS = 5, 3, 3


def require_optuna() -> Any:
    """Return Optuna with its messages switched off.

    Raises:
        UsageError: it is not installed.
    """
    try:
        import optuna
    except ModuleNotFoundError as error:
        raise UsageError("searching needs optuna", hint="pip install 'adrec-cli[tune]'") from error
    optuna.logging.disable_default_handler()
    optuna.logging.set_verbosity(logging.ERROR)
    return optuna


class Proposal:
    """A trial under way: what is to be tried, and whether it is still worth its time.

    Attributes:
        chosen: value of each searched key.
        epochs: reported so far.
    """

    def __init__(self, trial: Any, chosen: dict[str, Any]) -> None:
        self._trial = trial
        self.chosen = chosen
        self.epochs: dict[int, float] = {}

    def report(self, epoch: int, value: float) -> None:
        """Report how good it is after a number of epochs."""
        if epoch not in self.epochs:
            self.epochs[epoch] = value
            self._trial.report(value, epoch)

    @property
    def hopeless(self) -> bool:
        """Whether others were clearly better by then."""
        return bool(self._trial.should_prune())


def propose(space: SearchSpace, trials: Sequence[Trial], *, seed: int, pruner: str, max_epochs: int) -> Proposal:
    """Return what to try next; the same trials and seed give the same proposal.

    Args:
        space: to choose from.
        trials: over by now, in order.
        seed: of the search.
        pruner: one of `PRUNERS`.
        max_epochs: of a trial, over all its stages.
    """
    optuna = require_optuna()
    number = len(trials)
    study = optuna.create_study(
        study_name="adrec",
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=_seed_of(seed, number)),
        pruner=_pruner(optuna, pruner, max_epochs),
    )
    distributions = {one.key: _distribution(optuna, one, space) for one in space.searched}
    # What diverges is as bad as can be, and the sampler should know; a metric may be below 0.
    worst = min((trial.value for trial in trials if trial.state == DONE and trial.value is not None), default=1.0) - 1
    for trial in trials:
        study.add_trial(_convert_trial(optuna, trial, space, distributions, worst))
    asked = study.ask(distributions)
    return Proposal(asked, {one.key: _decode(one, asked.params[one.key]) for one in space.searched})


def _seed_of(seed: int, number: int) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed}/search/{number}".encode()).digest()[:4], "big")


def _distribution(optuna: Any, one: Searched, space: SearchSpace) -> Any:
    if one.choices:
        # Lists are no values that Optuna takes; their places are.
        return optuna.distributions.CategoricalDistribution(list(range(len(one.choices))))
    if one.key in space.whole:
        return optuna.distributions.IntDistribution(one.low, one.high, log=one.log, step=one.step or 1)
    return optuna.distributions.FloatDistribution(one.low, one.high, log=one.log, step=one.step)


def _decode(one: Searched, value: Any) -> Any:
    return one.choices[value] if one.choices else value


def _convert_trial(optuna: Any, trial: Trial, space: SearchSpace, distributions: dict[str, Any], worst: float) -> Any:
    """Return one of our trials as Optuna has them; what diverged has the worst value."""
    states = optuna.trial.TrialState
    params = {
        one.key: one.choices.index(trial.chosen[one.key]) if one.choices else trial.chosen[one.key]
        for one in space.searched
    }
    value = {DONE: trial.value, DIVERGED: worst}.get(trial.state)
    return optuna.trial.create_trial(
        state={DONE: states.COMPLETE, DIVERGED: states.COMPLETE, PRUNED: states.PRUNED, IMPOSSIBLE: states.FAIL}[
            trial.state
        ],
        value=value,
        params=params,
        distributions=distributions,
        intermediate_values=trial.epochs,
    )


def _pruner(optuna: Any, name: str, max_epochs: int) -> Any:
    if name == "median":
        # Epochs are counted from 1, so the first one after the spared ones is one more.
        return optuna.pruners.MedianPruner(
            n_startup_trials=_UNPRUNED_TRIALS, n_warmup_steps=_UNPRUNED_EPOCHS + 1, n_min_trials=_COMPARED_TRIALS
        )
    if name == "hyperband":
        return optuna.pruners.HyperbandPruner(min_resource=_UNPRUNED_EPOCHS, max_resource=max(max_epochs, 4))
    if name == "none":
        return optuna.pruners.NopPruner()
    raise UsageError(f"unknown pruner {name!r}", hint=f"one of: {', '.join(PRUNERS)}")
