"""Trains the stages of a sweep's runs, each once, however many runs need it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from adrec_cli.artifacts.matching_paths import matching_paths
from adrec_cli.artifacts.provenance import key_of
from adrec_cli.artifacts.training_log import stage_costs
from adrec_cli.experiments.adoption import adopt_stage
from adrec_cli.experiments.experiment import Experiment
from adrec_cli.experiments.keys import stage_key
from adrec_cli.experiments.stage import run_stage
from adrec_cli.experiments.work import Work
from adrec_cli.loading.opening import Checkpoint, Dataset, open_checkpoint
from adrec_cli.models.registry import find_facts
from adrec_cli.schema import SWEEPS_FOLDER
from adrec_cli.sweeping.events import StageShared

STAGES_FOLDER = "stages"


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainedStage:
    """A stage that a run needs, trained now, before, or by another run.

    Attributes:
        stage, checkpoint: its name and its result, opened.
        skipped: it was there already.
        seconds: its epochs took, whenever and for whichever run it was trained.
    """

    stage: str
    checkpoint: Checkpoint
    skipped: bool
    seconds: float


def pin_experiment(experiment: Experiment, base: Experiment, stage_name: str) -> Experiment:
    """Return an experiment with everything as in the base that a stage does not depend on.

    These are the stages after it, and options of the network on which nothing depends in it nor in those before it.
    Runs with equal pinned experiments have the same stage, to the byte of its checkpoint.
    """
    names = list(experiment.stages)
    so_far = names[: names.index(stage_name) + 1]
    model_type = find_facts(experiment.model_name)
    unread = frozenset.intersection(
        *(model_type.unread_options.get(experiment.stages[name].output, frozenset()) for name in so_far)
    )
    model = dataclasses.replace(experiment.model, **{name: getattr(base.model, name) for name in unread})
    stages = {name: (experiment if name in so_far else base).stages[name] for name in names}
    return dataclasses.replace(experiment, model=model, stages=stages)


def stage_folder(sweep: Path, experiment: Experiment, base: Experiment, stage_name: str) -> Path:
    """Return where a stage lies in a sweep's folder; equal stages have the same place in every sweep."""
    tables = pin_experiment(experiment, base, stage_name).tables()
    key = key_of({"model": experiment.model_name, **tables})
    return sweep / STAGES_FOLDER / f"{experiment.model_name}-{stage_name}-{key[:12]}"


def train_shared_stages(
    dataset: Dataset,
    experiment: Experiment,
    base: Experiment,
    sweep: Path,
    *,
    work: Work,
    done: set[Path],
) -> list[TrainedStage]:
    """Train the stages of a run; one that this sweep, another sweep or the model's folder has is taken as it is.

    Args:
        dataset: to learn from.
        experiment: of the run.
        base: of the sweep.
        sweep: its folder, whose lock the caller holds.
        work: called with `StageShared` and the events of `run_stage`; its `force` still trains each stage only once.
        done: folders of the stages this command has made sure of; added to.

    Raises:
        AdrecError: as `run_stage`.
    """
    trained: list[TrainedStage] = []
    parent: Checkpoint | None = None
    for name in experiment.planned:
        folder = stage_folder(sweep, experiment, base, name)
        own = pin_experiment(experiment, base, name)
        force = work.options.force and folder not in done
        if not force:
            swept = sorted(matching_paths(dataset.folder, f"{SWEEPS_FOLDER}/*/{STAGES_FOLDER}/{folder.name}"))
            adopt_stage(
                folder, [dataset.folder / experiment.model_name, *swept], name, stage_key(dataset, own, name, parent)
            )
        forced = dataclasses.replace(work, options=dataclasses.replace(work.options, force=force))
        result = run_stage(dataset, own, name, parent=parent, work=forced, folder=folder)
        done.add(folder)
        if result.skipped:
            work.on_event(StageShared(stage=name, path=result.path))
        parent = open_checkpoint(result.path, dataset)
        costs = stage_costs(result.path, result.metadata)
        trained.append(
            TrainedStage(
                stage=name, checkpoint=parent, skipped=result.skipped,
                seconds=result.seconds if costs is None else costs.seconds,
            )
        )  # fmt: skip
    return trained
