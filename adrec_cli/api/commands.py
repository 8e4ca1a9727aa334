"""`preprocess`, `train` and `evaluate` as functions, with the options of the commands by keyword."""

from __future__ import annotations

import os
import threading
import warnings
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, Unpack

from adrec_cli.api.frames import ArrowFrame, as_files, is_frame, require_source
from adrec_cli.api.keywords import Evaluating, Preprocessing, Training
from adrec_cli.api.places import Place, locate, locate_by_checkpoint
from adrec_cli.api.results import (
    EvaluatedModel,
    PreparedDataset,
    TrainedModel,
)
from adrec_cli.artifacts.workspace import find_own_workspace
from adrec_cli.choices import take_options
from adrec_cli.data.options import PreprocessOptions
from adrec_cli.errors import UsageError
from adrec_cli.evaluating.given_negatives import Looking
from adrec_cli.evaluating.options import EvaluationOptions
from adrec_cli.events import OnEvent, ignore
from adrec_cli.experiments.options import TrainingOptions
from adrec_cli.models.registry import DEFAULT_MODEL
from adrec_cli.wording import option

_FRAMES = ("items", "join")


def preprocess(
    source: Place | ArrowFrame,
    *,
    workspace: Place | None = None,
    raw: Place | None = None,
    force: bool = False,
    on_event: OnEvent = ignore,
    **options: Unpack[Preprocessing],
) -> PreparedDataset:
    """Make a data set of a workspace from raw interactions: `preprocess(events, name="shop")`.

    Args:
        source: a named data set, the path of a file, a folder of parts or a glob; or a frame of Polars, pandas, PyArrow
            or anything else with Arrow's `__arrow_c_stream__`, one row per event, which then needs a `name`;
            with `sql` the name of the data set.
        workspace: folder of all data sets; None takes $ADREC_WORKSPACE, else ./workspace.
        raw: folder where files of named data sets are looked for before anything is downloaded.
        force: make it again even if nothing has changed, or if it has grown by updates.
        on_event: gets `DownloadProgress` and `FilterApplied`.
        options: columns, filters, split, as `adrec preprocess` has them.

    Returns:
        what was made; what seems wrong with the source is a Python warning too.

    Raises:
        InputError: the source is missing, bad or withdrawn, or nothing is left of it.
        UsageError: options are wrong, or a data set would be replaced that has grown by updates.
        LockedError: another run works on the data set; nothing was changed.
        ArtifactError: the data set to update is missing or damaged.
        StorageError: reading or writing failed.
    """
    given: dict[str, Any] = {key: value for key, value in options.items() if value is not None}
    update = given.pop("update", None)
    require_source(source, "source")
    folder = None if raw is None else Path(raw)
    from adrec_cli.data.source_names import require_raw_searched

    require_raw_searched("a frame" if is_frame(source) else str(source), folder)
    if is_frame(source) and update is None and "name" not in given:
        raise UsageError("a frame has no name that the data set could have", hint=f"give it {option('name', 'shop')}")
    with as_files(source=source, **{key: given.pop(key, None) for key in _FRAMES}) as paths:
        place = paths.pop("source")
        taken = take_options(PreprocessOptions(), {**given, **paths}, caller="preprocess")
        if update is not None:
            taken = replace(taken, update=_find_folder(update, workspace))
        from adrec_cli.pipeline import preprocess as pipeline

        done = pipeline.preprocess(
            place,
            workspace=find_own_workspace() if workspace is None else Path(workspace),
            raw=folder,
            options=taken,
            force=force,
            on_event=on_event,
        )
    for warning in done.warnings:
        warnings.warn(warning, stacklevel=2)
    return PreparedDataset.of(done)


def _find_folder(dataset: Place, workspace: Place | None) -> Path:
    from adrec_cli.artifacts.workspace import Workspace

    root, name = locate(dataset, workspace)
    return Workspace(root).dataset_folder(name)


def train(
    dataset: Place | None = None,
    *,
    model: str = DEFAULT_MODEL,
    workspace: Place | None = None,
    on_event: OnEvent = ignore,
    **options: Unpack[Training],
) -> TrainedModel:
    """Train all stages of a model in a row, each skipped when it is up to date: `train("shop", epochs=20)`.

    Args:
        dataset: its name in the workspace, its folder, or what `preprocess` returned; None takes the only one.
        model: a registered name.
        workspace: where names are looked up; None takes $ADREC_WORKSPACE, else ./workspace.
        on_event: called with what happens, such as `StepDone` and `EpochDone`.
        options: of the training, as `adrec train` has them; `set` takes any option of the TOML file.

    Raises:
        InterruptedRun: stopped, with Ctrl-C for one, after saving; the same call goes on where it stopped.
        DivergedError: a loss is not finite; what was saved before stays.
        AdrecError: as the command.
    """
    taken = take_options(TrainingOptions(), options, caller="train")
    root, name = locate(dataset, workspace)
    from adrec_cli.experiments.work import Work
    from adrec_cli.pipeline.train import train as run_all_stages
    from adrec_cli.runtime import StopRequest

    stop = StopRequest()
    with ExitStack() as stack:
        # Python lets no other thread handle signals.
        if threading.current_thread() is threading.main_thread():
            stack.enter_context(stop.install())
        stages = run_all_stages(
            name,
            model_name=model,
            workspace=root,
            experiment=taken.experiment(model),
            work=Work(options=taken.compute, stop=stop, on_event=on_event),
        )
    return TrainedModel.of(model, stages)


def evaluate(
    name: Place,
    *,
    dataset: Place | None = None,
    workspace: Place | None = None,
    raw: Place | None = None,
    on_event: OnEvent = ignore,
    **options: Unpack[Evaluating],
) -> EvaluatedModel:
    """Rank held-out items with a checkpoint, and store the result as the command does: `evaluate("finetune")`.

    Args:
        name: path or bare name of a checkpoint, what `train` returned, or "mostpop" for the baseline.
        dataset: as for `train`; None takes the checkpoint's.
        workspace: where names are looked up; None takes $ADREC_WORKSPACE, else ./workspace.
        raw: folder where published negatives are looked for before anything is downloaded.
        on_event: called with `RankingProgress`.
        options: as `adrec evaluate` has them; `negatives` is a number, a file, or published ones.

    Raises:
        ArtifactError: dataset or checkpoint missing, damaged or not matching.
        InputError: nothing to rank, or a bad negatives file.
        UsageError: options are wrong.
    """
    given: dict[str, Any] = {key: value for key, value in options.items() if value is not None}
    from adrec_cli.data.named_negatives import require_negatives_searched

    root, dataset_name = locate_by_checkpoint(name, dataset, workspace)
    negatives = given.get("negatives")
    folder = None if raw is None else Path(raw)
    require_negatives_searched(None if negatives is None else str(negatives), folder)
    file: dict[str, Any] = {}
    if isinstance(negatives, str | os.PathLike) and not os.fspath(negatives).isdecimal():
        looking = Looking(raw=folder, workspace=root, on_event=on_event)
        part = given.get("part", EvaluationOptions.part)
        path, called = looking.find(os.fspath(given.pop("negatives")), part)
        file = {"negatives_file": path, "negatives_name": called}
    taken = take_options(EvaluationOptions(**file), given, caller="evaluate")
    from adrec_cli.pipeline import evaluate as pipeline

    done = pipeline.evaluate(
        os.fspath(name), workspace=root, dataset_name=dataset_name, options=taken, on_event=on_event
    )
    return EvaluatedModel.of(done)
