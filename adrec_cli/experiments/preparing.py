"""A stage put together, in one process or in several alike: its starting weights, its data, how it is validated."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Mapping

import torch

from adrec_cli.data.batches import CUTS, TrainingWindows
from adrec_cli.data.sequences import Sequences
from adrec_cli.errors import ArtifactError
from adrec_cli.experiments.content import give_content, require_same_encoders
from adrec_cli.experiments.experiment import Experiment
from adrec_cli.experiments.memory import require_memory
from adrec_cli.experiments.validation import make_monitored_scorer, prepare_validation
from adrec_cli.experiments.work import Work
from adrec_cli.loading.opening import Checkpoint, Dataset
from adrec_cli.models.base import SequentialRecommender
from adrec_cli.models.item_table import item_vectors_elsewhere
from adrec_cli.models.registry import MODELS, find_model
from adrec_cli.models.soundness import require_sound
from adrec_cli.models.stages import TrainingConfig
from adrec_cli.runtime import StopRequest, make_generator, resolve_device
from adrec_cli.training.item_blocks import ItemBlocks
from adrec_cli.training.learnable import require_table
from adrec_cli.training.loop import StageTraining
from adrec_cli.training.processes import Processes

_DTYPES = {str(one): one for one in (torch.float32, torch.float16, torch.int64, torch.bool)}
"""What a state is made of."""

State = Mapping[str, torch.Tensor]
"""The tensors of a saved state by name."""


def prepare_training(
    dataset: Dataset, experiment: Experiment, stage_name: str, parent: Checkpoint | None, work: Work
) -> StageTraining:
    """Put a stage together; all processes begin with the weights of the first one.

    Args:
        dataset, experiment, stage_name: what is trained.
        parent: the checkpoint it starts from; None for fresh weights, and in processes that are not the first.
        work: whose processes all call this function.

    Raises:
        AdrecError: in any of the processes; all of them raise it.
    """
    processes, sharded = work.processes, experiment.training.shard_items

    def build() -> tuple[SequentialRecommender, torch.device]:
        device = resolve_device(processes.choose_device(work.options.device))
        require_memory(
            experiment, dataset.items.height, device, processes.here, blocks=processes.count if sharded else 1
        )
        if MODELS.origin_of(experiment.model_name) is not None:
            prefixes = experiment.training.samples == "prefixes"
            output = experiment.stages[stage_name].output
            kind = find_model(experiment.model_name)
            require_sound(kind, experiment.model, dataset.items.height, output, prefixes=prefixes)
        with item_vectors_elsewhere() if sharded and not processes.first else contextlib.nullcontext():
            model = _build_model(dataset, experiment, stage_name, parent)
        require_table(stage_name, experiment.stages[stage_name], experiment.training, model)
        return model if sharded else model.to(device), device

    model, device = processes.agree(build)
    blocks = ItemBlocks(model, processes) if sharded else None
    # No card sees the whole table.
    model = model.to(device)
    processes.share(one for name, one in model.state_dict().items() if blocks is None or not blocks.holds(name))
    return processes.agree(
        functools.partial(_put_together, dataset, experiment, stage_name, model, device, work, blocks)
    )


def _put_together(
    dataset: Dataset,
    experiment: Experiment,
    stage_name: str,
    model: SequentialRecommender,
    device: torch.device,
    work: Work,
    blocks: ItemBlocks | None,
) -> StageTraining:
    stage, shared = experiment.stages[stage_name], experiment.training
    scorer = make_monitored_scorer(model, stage.output, device)
    return StageTraining(
        name=stage_name,
        stage=stage,
        config=shared,
        model=model,
        windows=_cut(dataset.sequences, model, shared),
        validate=prepare_validation(
            dataset, scorer, shared, stop=work.stop, users=shared.monitor_users, processes=work.processes, blocks=blocks
        ),
        device=device,
        processes=work.processes,
        blocks=blocks,
    )


def _cut(sequences: Sequences, model: SequentialRecommender, config: TrainingConfig) -> TrainingWindows:
    """Cut what a model learns from, with the times of events if it reads them."""
    windows = CUTS[config.samples](sequences, model.max_length, all_events=config.windows == "all")
    return dataclasses.replace(windows, seconds=sequences.seconds) if model.reads_times else windows


def restore_everywhere(training: StageTraining, processes: Processes, restore: Callable[[], State | None]) -> bool:
    """Have all processes continue where the first one does.

    Args:
        training: put together in each process.
        processes: that train.
        restore: continues from a saved state and returns it; None without one. Only the first process calls it.

    Returns:
        Whether the first process had a state.

    Raises:
        AdrecError: raised by `restore`; all processes raise it.
    """
    found: list[State] = []

    def look() -> bool:
        if processes.first and (state := restore()) is not None:
            found.append(state)
        return bool(found)

    resumed, *_ = processes.gather(look)
    if resumed and processes.count > 1:
        _share_state(training, processes, found[0] if found else {})
    return bool(resumed)


def _share_state(training: StageTraining, processes: Processes, tensors: State) -> None:
    """Give the other processes the state of the first one, which has it whole."""
    described = {name: [list(tensor.shape), str(tensor.dtype)] for name, tensor in tensors.items()}
    text = training.state()[1] if processes.first else {}
    (outline, text), *_ = processes.gather(lambda: [described, text])
    sent, blocks = {}, training.blocks
    for name, (shape, dtype) in outline.items():
        if blocks is not None and shape and blocks.holds(name):
            whole = tensors[name] if processes.first else None
            sent[name] = blocks.hand_out(whole, _DTYPES[dtype], shape[1:], device=training.device)
            continue
        sent[name] = (
            tensors[name].to(training.device)
            if processes.first
            else torch.empty(shape, dtype=_DTYPES[dtype], device=training.device)
        )
        processes.share([sent[name]])
    if not processes.first:
        training.restore(sent, text)


def validate_whole(dataset: Dataset, training: StageTraining) -> None:
    """Rank all validation targets with the weights that are handed over, where epochs were monitored on some only.

    No signal ends it: a stage that has come so far is finished.
    """
    if not training.config.monitor_users:
        return
    scorer = make_monitored_scorer(training.model, training.stage.output, training.device)
    validate = prepare_validation(
        dataset, scorer, training.config,
        stop=StopRequest(), processes=training.processes, blocks=training.blocks,
    )  # fmt: skip
    training.position.best_metrics = dict(validate())


def _build_model(
    dataset: Dataset, experiment: Experiment, stage_name: str, parent: Checkpoint | None
) -> SequentialRecommender:
    """Build the model with the parent's weights, and fresh ones where the stage asks for them."""
    model = find_model(experiment.model_name)(experiment.model, dataset.items.height)
    if parent is not None:
        require_same_encoders(parent.metadata, dataset, experiment)
        try:
            model.load_state_dict(parent.tensors)
        except RuntimeError as error:
            differing = _name_differences(parent, experiment) or str(error).splitlines()[-1].strip()
            raise ArtifactError(
                f"{parent.path} does not fit the configuration of {stage_name}: {differing}",
                hint="leave the network as it was in the stage before, or train that one again with the same options",
            ) from error
    give_content(model, dataset, experiment)
    fresh = model.components() if parent is None else experiment.stages[stage_name].fresh
    for component in fresh:
        model.initialize(component, make_generator(experiment.training.seed, "init", component))
    return model


def _name_differences(parent: Checkpoint, experiment: Experiment) -> str:
    """Say which options of the network are not those of the checkpoint."""
    before, now = parent.metadata.config, experiment.tables()["model"]
    changed = [name for name in now if name in before and before[name] != now[name]]
    return "; ".join(f"{name} is {now[name]!r}, was {before[name]!r}" for name in changed)
