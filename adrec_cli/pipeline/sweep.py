"""`adrec sweep`: trains a model with one option after another changed, or parts left out, and compares the runs."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from adrec_cli.artifacts.atomic import write_bytes
from adrec_cli.artifacts.lock import exclusive_to_learn
from adrec_cli.artifacts.sweep_files import RunDifference, SweepRecord, write_sweep
from adrec_cli.artifacts.workspace import Workspace
from adrec_cli.errors import DivergedError, UsageError
from adrec_cli.experiments.experiment import Experiment
from adrec_cli.experiments.options import ExperimentOptions
from adrec_cli.experiments.work import UNATTENDED, Work
from adrec_cli.loading.opening import Dataset, as_it_is_now, open_dataset
from adrec_cli.models.registry import DEFAULT_MODEL
from adrec_cli.pictures.sweeps import sweep_picture
from adrec_cli.ranking.protocols import select_cases
from adrec_cli.schema import RESULTS_FILE, SWEEPS_FOLDER
from adrec_cli.sweeping.ablations import find_ablations
from adrec_cli.sweeping.command_line import sweep_command
from adrec_cli.sweeping.design import Run, base_values, plan
from adrec_cli.sweeping.differences import differences_to_base
from adrec_cli.sweeping.events import SweepRunDone, SweepRunStarted
from adrec_cli.sweeping.measuring import measure
from adrec_cli.sweeping.results import Outcome, Summary, results_table, summarize_runs
from adrec_cli.sweeping.shared_stages import train_shared_stages
from adrec_cli.sweeping.sweep_options import SweepOptions
from adrec_cli.wording import option

PICTURE_FILE = "sweep.svg"


@dataclass(frozen=True, kw_only=True)
class FailedRun:
    """A run without a result, and why."""

    run: str
    seed: int
    error: str


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """What a sweep found.

    Attributes:
        dataset, model, name: which sweep.
        command: that makes it again.
        folder: of everything it wrote; results: the Parquet file in it.
        monitor: the metric that runs are compared by.
        summaries: every metric of every run.
        differences: of every run to the base, in that metric; empty where the base was not run.
        failed: runs that diverged.
        picture: the SVG of it, with a PNG beside it; None where nothing could be drawn.
        without_picture: why not; "" if there is one, or none was to be drawn.
    """

    dataset: str
    model: str
    name: str
    command: str
    folder: Path
    results: Path
    monitor: str
    summaries: list[Summary]
    differences: list[RunDifference]
    failed: list[FailedRun]
    picture: Path | None
    without_picture: str


def sweep(
    dataset_name: str | None,
    *,
    model_name: str = DEFAULT_MODEL,
    workspace: Path,
    options: SweepOptions,
    experiment: ExperimentOptions = ExperimentOptions(),
    work: Work = UNATTENDED,
) -> Sweep:
    """Train and measure every run of a sweep; what was done before is not done again.

    Runs are measured on validation. Whoever looks at test to choose among runs has no test left, so `test` is for the
    one time when the choice is made.

    Args:
        dataset_name: preprocessed; None takes the only one in the workspace.
        model_name: registered.
        workspace: where datasets are.
        options: what is tried, and how it is measured.
        experiment: presets, TOML and flags of the base.
        work: called with `SweepRunStarted`, `SweepRunDone` and the events of training and ranking.

    Raises:
        UsageError: an unknown or ambiguous option, or a value out of range; nothing was trained.
        LockedError: the same sweep is at work, or somebody is being forgotten.
        AdrecError: as `run_stage`; a run that diverges is noted in the result instead.
    """
    dataset = open_dataset(Workspace(workspace).dataset_folder(dataset_name))
    named = dataset.manifest.dataset
    base = experiment.on_dataset(model_name, named)
    runs = plan(
        options.design, model_name=model_name, dataset_name=named, experiment=experiment,
        evaluation=options.evaluation, ablations=find_ablations(model_name),
    )  # fmt: skip
    folder = dataset.folder / SWEEPS_FOLDER / options.design.folder_name(model_name)
    purpose = f"sweep {named} {option('name', folder.name)}"
    with exclusive_to_learn(dataset.folder, [folder], purpose, work.waiting):
        dataset = as_it_is_now(dataset)
        record = SweepRecord(
            dataset=named,
            model=model_name,
            name=folder.name,
            command=sweep_command(named, model_name, options, experiment),
            monitor=base.training.monitor,
            sequences_sha256=dataset.manifest.sequences_sha256,
            base=base.tables(),
            base_values=base_values(options.design, base, options.evaluation),
            runs=[{"run": run.name, "key": run.key, "value": run.value, "seed": run.seed} for run in runs],
        )
        sweeping = _Sweeping(dataset=dataset, base=base, folder=folder, record=record, options=options, work=work)
        sweeping.go_through(runs)
        drawn, without = _draw(dataset, folder) if sweeping.outcomes and options.picture else (None, "")
    return sweeping.summarize(drawn, without)


def _draw(dataset: Dataset, folder: Path) -> tuple[Path | None, str]:
    """Write the picture of a sweep beside its figures; return where, and why not if there is none."""
    try:
        picture = sweep_picture(dataset, folder)
        if picture is None:
            return None, "there is nothing but the base"
        write_bytes(folder / PICTURE_FILE, picture.svg())
        write_bytes((folder / PICTURE_FILE).with_suffix(".png"), picture.png())
    except UsageError as error:
        return None, f"{error.message}: {error.hint}"
    return folder / PICTURE_FILE, ""


@dataclass(frozen=True, kw_only=True)
class _Sweeping:
    """A sweep under way."""

    dataset: Dataset
    base: Experiment
    folder: Path
    record: SweepRecord
    options: SweepOptions
    work: Work
    done: set[Path] = dataclasses.field(default_factory=set)
    outcomes: list[Outcome] = dataclasses.field(default_factory=list)
    failed: list[FailedRun] = dataclasses.field(default_factory=list)
    differences: list[RunDifference] = dataclasses.field(default_factory=list)

    def go_through(self, runs: Sequence[Run]) -> None:
        """Go through the runs; the table of results grows with each. At the end they are tested against the base."""
        seeds = len({run.seed for run in runs})
        self._write()
        for number, run in enumerate(runs, start=1):
            self.work.on_event(
                SweepRunStarted(run=run.name, seed=run.seed, seeds=seeds, number=number, total=len(runs))
            )
            told = self._go_through_one(run)
            self._write()
            self.work.on_event(told)
        users = {part: select_cases(self.dataset.sequences, part).users for part in self.options.parts}
        self.differences.extend(differences_to_base(self.outcomes, users, self.record.monitor))
        self._write()

    def summarize(self, picture: Path | None, without_picture: str) -> Sweep:
        """Return what was found."""
        return Sweep(
            dataset=self.record.dataset,
            model=self.record.model,
            name=self.record.name,
            command=self.record.command,
            folder=self.folder,
            results=self.folder / RESULTS_FILE,
            monitor=self.record.monitor,
            summaries=summarize_runs(results_table(self.outcomes, self.folder)),
            differences=self.differences,
            failed=self.failed,
            picture=picture,
            without_picture=without_picture,
        )

    def _go_through_one(self, run: Run) -> SweepRunDone:
        monitor = self.record.monitor
        try:
            outcome = self._outcome(run)
        except DivergedError as error:
            self.failed.append(FailedRun(run=run.name, seed=run.seed, error=error.message))
            return SweepRunDone(
                run=run.name, seed=run.seed, metric=monitor, value=None, seconds=0.0, error=error.message
            )
        self.outcomes.append(outcome)
        value = outcome.measured[0].metrics.get(monitor)
        return SweepRunDone(run=run.name, seed=run.seed, metric=monitor, value=value, seconds=outcome.seconds)

    def _write(self) -> None:
        record = dataclasses.replace(
            self.record,
            failed=[dataclasses.asdict(run) for run in self.failed],
            differences=self.differences,
        )
        write_sweep(self.folder, record, results_table(self.outcomes, self.folder))

    def _outcome(self, run: Run) -> Outcome:
        stages = train_shared_stages(
            self.dataset, run.experiment, self.base, self.folder, work=self.work, done=self.done
        )
        evaluations = [
            dataclasses.replace(self.options.evaluation, part=part, sampling=run.sampling, merging=run.merging)
            for part in self.options.parts
        ]
        return Outcome(
            run=run,
            stages=stages,
            measured=[measure(self.dataset, stages[-1].checkpoint, each, self.work.on_event) for each in evaluations],
        )
