"""Stages that several processes train together: the first one leads, the others follow its orders.

The first process runs the command as one process does. Where it comes to a stage it has the others train it too, each
the parts of its turn; files, locks and people are its own concern. What the others know of a stage is in the order, and
all weights come from the first process.
"""

from __future__ import annotations

import contextlib
import functools
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adrec_cli.errors import AdrecError, ArtifactError, Stopped, UsageError
from adrec_cli.experiments.experiment import Experiment, compose
from adrec_cli.experiments.keys import stage_key_from
from adrec_cli.experiments.preparing import prepare_training, restore_everywhere, validate_whole
from adrec_cli.experiments.work import ComputeOptions, Work
from adrec_cli.loading.opening import Checkpoint, Dataset, open_dataset
from adrec_cli.runtime import set_threads
from adrec_cli.training.events import TrainingWarning
from adrec_cli.training.item_blocks import gather_blocks
from adrec_cli.training.processes import Processes
from adrec_cli.wording import option, say_count

if TYPE_CHECKING:
    from adrec_cli.training.loop import StageTraining
    from adrec_cli.training.several_processes import SeveralProcesses


@dataclass(frozen=True, kw_only=True)
class StageOrder:
    """A stage that all processes are to train together.

    Attributes:
        folder: of the data set.
        model, tables, stage: the experiment, and which of its stages.
        parent_sha256: of the checkpoint it starts from; "" for none.
        key: of the stage; a process that comes to another has other data, options or code.
        device, threads: as `ComputeOptions`.
    """

    folder: str
    model: str
    tables: dict[str, Any]
    stage: str
    parent_sha256: str
    key: str
    device: str
    threads: int

    @classmethod
    def of(
        cls,
        dataset: Dataset,
        experiment: Experiment,
        stage: str,
        parent: Checkpoint | None,
        *,
        key: str,
        device: str,
        threads: int,
    ) -> StageOrder:
        """Return the order to train a stage; arguments as `run_stage` has them, and attributes."""
        return cls(
            folder=str(dataset.folder.resolve()),
            model=experiment.model_name,
            tables=experiment.tables(),
            stage=stage,
            parent_sha256=parent.sha256 if parent else "",
            key=key,
            device=device,
            threads=threads,
        )

    def send(self, processes: Processes) -> None:
        """Have the other processes begin, unless there are none.

        Raises:
            UsageError: they cannot share the parts of a step evenly.
        """
        if processes.count == 1:
            return
        parts = self.tables["training"]["accumulate"]
        if parts % processes.count:
            raise UsageError(
                f"{say_count(processes.count, 'process', 'processes')} cannot "
                f"share the parts of a step evenly: training.accumulate is {parts}",
                hint=option("set", f"training.accumulate={processes.count}"),
            )
        processes.send_order(asdict(self))
        # The others open the data set now.
        processes.agree(lambda: None)


def follow(work: Work, processes: SeveralProcesses) -> None:
    """Train what the first process trains, until it has ended.

    Raises:
        Stopped: it cannot be reached any more.
    """
    dataset: Dataset | None = None
    while (order := processes.wait_for_order()) is not None:
        try:
            dataset = _follow_stage(StageOrder(**order), dataset, work)
        except AdrecError:
            # The first process has it too, and decides what comes of it.
            if processes.lost:
                raise


def _follow_stage(order: StageOrder, known: Dataset | None, work: Work) -> Dataset:
    """Train the parts of this process's turn; return the data set, which the next stage may have too."""
    processes = work.processes
    dataset, experiment = processes.agree(functools.partial(_open_ordered, order, known))
    work = replace(work, options=ComputeOptions(device=order.device, threads=order.threads))
    training = prepare_training(dataset, experiment, order.stage, None, work)
    restore_everywhere(training, processes, lambda: None)

    with work.stop.defer():
        try:
            _follow_events(training, work)
        except Stopped:
            if not processes.lost:
                _hand_in_state(training)
            raise
        validate_whole(dataset, training)
        with gather_blocks(training.blocks, training.model.state_dict()):
            pass
    return dataset


def _follow_events(training: StageTraining, work: Work) -> None:
    """Go through the stage's events as the first process does."""

    def go_on() -> bool:
        if not training.finished:
            work.stop.check()
        return False

    with contextlib.closing(training.events()) as events:
        for event in events:
            # A warning hangs on figures that machines may round otherwise: nothing is agreed on after it.
            if not isinstance(event, TrainingWarning):
                save, *_ = work.processes.gather(go_on)
                if save:
                    _hand_in_state(training)


def _hand_in_state(training: StageTraining) -> None:
    """Let the first process save the state: it needs the others' blocks of item vectors."""
    if training.blocks is not None:
        training.require_finite()
        with gather_blocks(training.blocks, training.state()[0]):
            pass


def _open_ordered(order: StageOrder, known: Dataset | None) -> tuple[Dataset, Experiment]:
    set_threads(order.threads)
    experiment = compose(order.model, inherited=order.tables)
    for dataset in (known, None):
        dataset = dataset or open_dataset(Path(order.folder))
        if stage_key_from(dataset, experiment, order.stage, order.parent_sha256) == order.key:
            return dataset, experiment
    raise ArtifactError(
        f"{order.folder} or the code here differs from that of the first process",
        hint="give all machines the same data and code",
    )
