"""`adrec tune`: searches options that do well on validation, and writes the best as TOML for `--config`."""

from __future__ import annotations

import dataclasses
import itertools
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adrec_cli.artifacts.atomic import write_bytes
from adrec_cli.artifacts.json_files import content_sha256
from adrec_cli.artifacts.lock import exclusive_to_learn
from adrec_cli.artifacts.provenance import code_sha256, key_of
from adrec_cli.artifacts.workspace import Workspace
from adrec_cli.config import merge
from adrec_cli.errors import UsageError
from adrec_cli.experiments.experiment import Experiment
from adrec_cli.experiments.keys import plugins_of
from adrec_cli.experiments.options import ExperimentOptions
from adrec_cli.experiments.validation import name_monitored_protocol
from adrec_cli.experiments.work import UNATTENDED, Work
from adrec_cli.loading.opening import Dataset, as_it_is_now, open_dataset
from adrec_cli.models.registry import DEFAULT_MODEL
from adrec_cli.schema import FORMAT_VERSION, SWEEPS_FOLDER
from adrec_cli.sweeping.command_line import tune_command
from adrec_cli.sweeping.events import TrialDone, TrialStarted
from adrec_cli.sweeping.names import folder_name
from adrec_cli.sweeping.option_keys import as_settings, resolve_option
from adrec_cli.sweeping.optuna_study import propose, require_optuna
from adrec_cli.sweeping.search_space import SearchSpace, search_space
from adrec_cli.sweeping.space_files import read_space
from adrec_cli.sweeping.toml_text import toml_text
from adrec_cli.sweeping.trial_training import TrialTraining
from adrec_cli.sweeping.trials import IMPOSSIBLE, Trial, best_of, read_trials, write_trials
from adrec_cli.sweeping.tune_options import TuneOptions
from adrec_cli.wording import option

SEARCH_FILE, BEST_FILE = "search.json", "best.toml"
_MOST_ENDS = 64
"""Combinations of other options tried before an end is called impossible."""


@dataclass(frozen=True, kw_only=True)
class Search:
    """What a search found.

    Attributes:
        dataset, model, name: which search.
        command: that makes it again.
        folder: of everything it wrote.
        metric, protocol: of all values; validation, one deterministic step, as training monitors it.
        trials: all of them, in order.
        best: the best trial; None where none is done.
        config: the TOML file with the best options; None where there is none.
        timed_out: it ended before all trials because of the time.
    """

    dataset: str
    model: str
    name: str
    command: str
    folder: Path
    metric: str
    protocol: str
    trials: list[Trial]
    best: Trial | None
    config: Path | None
    timed_out: bool


def tune(
    dataset_name: str | None,
    *,
    model_name: str = DEFAULT_MODEL,
    workspace: Path,
    tuning: TuneOptions,
    experiment: ExperimentOptions = ExperimentOptions(),
    work: Work = UNATTENDED,
) -> Search:
    """Try options on validation, each trial guided by those before it; what was tried before counts.

    The test items are not looked at: whoever wants to know how good the result is on them trains with `best.toml` and
    evaluates once.

    Args:
        dataset_name: preprocessed; None takes the only one in the workspace.
        model_name: registered.
        workspace: where datasets are.
        tuning: what is searched and for how long.
        experiment: presets, TOML and flags of what is not searched.
        work: called with `TrialStarted`, `TrialDone` and the events of training.

    Raises:
        UsageError: an unknown or ambiguous option, an end of a range that is impossible, or Optuna is missing.
        LockedError: the same search is at work, or somebody is being forgotten.
        AdrecError: as `run_stage`; a trial that diverges is noted instead.
    """
    require_optuna()
    dataset = open_dataset(Workspace(workspace).dataset_folder(dataset_name))
    named = dataset.manifest.dataset
    base = experiment.on_dataset(model_name, named)
    if tuning.space:
        tuning = _take_space(tuning, base)
    searching = _Searching(
        dataset=dataset,
        experiment=experiment,
        base=base,
        space=search_space(tuning.search, base),
        tuning=tuning,
        folder=dataset.folder / SWEEPS_FOLDER / _name_folder(tuning, model_name),
        work=work,
    )
    searching.check_ends()
    command = tune_command(named, model_name, tuning, experiment)
    purpose = f"tune {named} {option('name', searching.folder.name)}"
    with exclusive_to_learn(dataset.folder, [searching.folder], purpose, work.waiting):
        return dataclasses.replace(searching, dataset=as_it_is_now(dataset)).go_through(command)


def _take_space(tuning: TuneOptions, base: Experiment) -> TuneOptions:
    """Return what is searched with the options of a space's file spelled out, those apart that are asked for anyway."""
    asked = {path for one in tuning.search for path in resolve_option(one.key, base)}
    of_space = [
        one for one in read_space(tuning.space, base.model_name) if asked.isdisjoint(resolve_option(one.key, base))
    ]
    name = tuning.name or folder_name(["tune", Path(tuning.space).stem], base.model_name)
    return dataclasses.replace(tuning, search=(*tuning.search, *of_space), space="", name=name)


def _name_folder(tuning: TuneOptions, model_name: str) -> str:
    return tuning.name or folder_name(["tune", *(one.key for one in tuning.search)], model_name)


@dataclass(frozen=True, kw_only=True)
class _Searching:
    """A search under way."""

    dataset: Dataset
    experiment: ExperimentOptions
    base: Experiment
    space: SearchSpace
    tuning: TuneOptions
    folder: Path
    work: Work

    def check_ends(self) -> None:
        """Refuse a search of which an end or a choice is impossible whatever the others are."""
        for one in self.space.searched:
            others = [other for other in self.space.searched if other is not one]
            combined = itertools.product(*(other.ends for other in others))
            keys = [other.key for other in others]
            together = [
                {},
                *(dict(zip(keys, values, strict=True)) for values in itertools.islice(combined, _MOST_ENDS)),
            ]
            for value in one.ends:
                self._require_possible([{one.key: value, **chosen} for chosen in together])

    def _require_possible(self, candidates: Sequence[dict[str, Any]]) -> None:
        refused: UsageError | None = None
        for chosen in candidates:
            try:
                self._compose(chosen)
            except UsageError as error:
                refused = refused or error
            else:
                return
        if refused is not None:
            raise refused

    def go_through(self, command: str) -> Search:
        """Go through the trials that are left."""
        path = self.folder / f"trials-{self._key()[:12]}.jsonl"
        trials = [] if self.tuning.fresh else read_trials(path)
        self._describe(command, path)
        training = TrialTraining(
            dataset=self.dataset, base=self.base, folder=self.folder, space=self.space, work=self.work
        )
        started, timed_out = time.monotonic(), False
        while len(trials) < self.tuning.trials and not timed_out:
            trials.append(self._try(training, trials))
            write_trials(path, trials)
            best = best_of(trials)
            self._tell(trials[-1], best)
            timed_out = self.tuning.timeout is not None and time.monotonic() - started > self.tuning.timeout
        best = best_of(trials)
        return Search(
            dataset=self.dataset.manifest.dataset,
            model=self.base.model_name,
            name=self.folder.name,
            command=command,
            folder=self.folder,
            metric=self.base.training.monitor,
            protocol=name_monitored_protocol(self.dataset, self.base.training).code,
            trials=trials,
            best=best,
            config=self._write_best(best) if best else None,
            timed_out=timed_out and len(trials) < self.tuning.trials,
        )

    def _try(self, training: TrialTraining, trials: Sequence[Trial]) -> Trial:
        number = len(trials) + 1
        proposal = propose(
            self.space, trials, seed=self.tuning.seed, pruner=self.tuning.pruner, max_epochs=training.max_epochs
        )
        self.work.on_event(TrialStarted(number=number, trials=self.tuning.trials, chosen=proposal.chosen))
        try:
            experiment = self._compose(proposal.chosen)
        except UsageError as error:
            return Trial(
                number=number, chosen=proposal.chosen, state=IMPOSSIBLE, value=None, epochs={}, seconds=0.0,
                error=error.message,
            )  # fmt: skip
        trial = training.run(number, proposal, experiment)
        best = best_of([*trials, trial])
        training.tidy(self._compose(best.chosen) if best else None, experiment)
        if best is trial and trials and (before := best_of(trials)):
            training.tidy(experiment, self._compose(before.chosen))
        return trial

    def _compose(self, chosen: Mapping[str, Any]) -> Experiment:
        tables = merge(self.experiment.overrides, self.space.tables(chosen))
        options = dataclasses.replace(self.experiment, overrides=tables)
        return options.on_dataset(self.base.model_name, self.dataset.manifest.dataset)

    def _key(self) -> str:
        """Return a hash of everything that trials must have in common to be compared."""
        return key_of(
            {
                "code": code_sha256(),
                **({"plugins": plugins} if (plugins := self._plugins()) else {}),
                "sequences": self.dataset.manifest.sequences_sha256,
                "items": self.dataset.manifest.items_sha256,
                "model": self.base.model_name,
                "base": self.base.tables(),
                "search": [one.typed for one in self.space.searched],
                "seed": self.tuning.seed,
                "pruner": self.tuning.pruner,
            }
        )

    def _plugins(self) -> dict[str, Any]:
        planned = self.base.planned
        return {name: used for name in planned if (used := plugins_of(self.base, name))}

    def _tell(self, trial: Trial, best: Trial | None) -> None:
        self.work.on_event(
            TrialDone(
                trial=trial,
                metric=self.base.training.monitor,
                best=best.number if best else None,
                best_value=best.value if best else None,
            )
        )
        if best is trial:
            self._write_best(trial)

    def _write_best(self, best: Trial) -> Path:
        path = self.folder / BEST_FILE
        protocol = name_monitored_protocol(self.dataset, self.base.training).code
        comments = [
            f"{self.base.model_name} on {self.dataset.manifest.dataset}: {self.base.training.monitor} "
            f"{best.value:.4f} ({protocol}), trial {best.number} of {self.folder.name}",
            *(f"searched: {setting}" for setting in as_settings(self.space.tables(best.chosen))),
        ]
        write_bytes(path, toml_text(self._compose(best.chosen).tables(), comments=comments).encode())
        return path

    def _describe(self, command: str, trials: Path) -> None:
        content: dict[str, Any] = {
            "format_version": FORMAT_VERSION,
            "dataset": self.dataset.manifest.dataset,
            "model": self.base.model_name,
            "name": self.folder.name,
            "command": command,
            "monitor": self.base.training.monitor,
            "protocol": name_monitored_protocol(self.dataset, self.base.training).code,
            "sequences_sha256": self.dataset.manifest.sequences_sha256,
            "base": self.base.tables(),
            "trials": trials.name,
        }
        content["search_sha256"] = content_sha256(content)
        write_bytes(self.folder / SEARCH_FILE, (json.dumps(content, indent=2) + "\n").encode())
