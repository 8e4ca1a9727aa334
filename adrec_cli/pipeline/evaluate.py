"""`adrec evaluate`: ranks held-out items with a checkpoint and reports metrics with their protocol."""

from __future__ import annotations

from pathlib import Path

from adrec_cli.artifacts.evaluation import Evaluation
from adrec_cli.artifacts.workspace import Workspace
from adrec_cli.evaluating.options import EvaluationOptions
from adrec_cli.events import OnEvent, ignore
from adrec_cli.loading.opening import (
    Checkpoint,
    Dataset,
    dataset_folder_of,
    open_checkpoint,
    open_dataset,
)
from adrec_cli.models.registry import BASELINE
from adrec_cli.training.processes import ALONE, Processes


def evaluate(
    name: str,
    *,
    workspace: Path,
    dataset_name: str | None = None,
    options: EvaluationOptions = EvaluationOptions(),
    on_event: OnEvent = ignore,
    processes: Processes = ALONE,
) -> Evaluation:
    """Evaluate a checkpoint, or "mostpop", and store the result under `reports/`.

    Args:
        name: path or bare name of a checkpoint.
        workspace: where datasets are.
        dataset_name: None takes the checkpoint's, or the only one.
        options: what to rank and how.
        on_event: called with `RankingProgress`.
        processes: that share it, of which this is the first; the others call `share_evaluation`.

    Raises:
        ArtifactError: dataset or checkpoint missing, damaged or not matching.
        InputError: nothing to rank, or a bad negatives file.
    """
    dataset, checkpoint = processes.agree(lambda: _open(Workspace(workspace), name, dataset_name, processes))
    # Not before all of it is there: it loads PyTorch.
    from adrec_cli.evaluating.evaluation import evaluate_opened

    return evaluate_opened(dataset, checkpoint, options, on_event, processes)


def share_evaluation(
    name: str, *, workspace: Path, dataset_name: str | None, options: EvaluationOptions, processes: Processes
) -> None:
    """Rank the batches of this process's turns, while the first process does the rest with `evaluate`.

    Raises:
        AdrecError: raised in any of the processes.
    """
    dataset, checkpoint = processes.agree(lambda: _open(Workspace(workspace), name, dataset_name, processes))
    from adrec_cli.evaluating.evaluation import rank_held_out

    rank_held_out(dataset, checkpoint, options, processes=processes)


def _open(
    space: Workspace, name: str, dataset_name: str | None, processes: Processes
) -> tuple[Dataset, Checkpoint | None]:
    if name == BASELINE:
        return open_dataset(space.dataset_folder(dataset_name)), None
    path = space.find_checkpoint(name, dataset_name)
    dataset = open_dataset(dataset_folder_of(space, path, dataset_name))
    return dataset, open_checkpoint(path, dataset, once=processes.once)
