"""`adrec status`: what is in a workspace, what is current, out of date or unfinished, and what to type next.

Only manifests and the headers of checkpoints are read, so that it answers at once; `adrec verify` looks at all else.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypeVar

from adrec_cli.artifacts.checkpoint_metadata import CheckpointMetadata, read_metadata
from adrec_cli.artifacts.lock import find_holder
from adrec_cli.artifacts.manifest import Manifest, read_manifest
from adrec_cli.artifacts.promotion import Current, read_current
from adrec_cli.artifacts.tensor_text import read_text
from adrec_cli.artifacts.workspace import Workspace
from adrec_cli.errors import AdrecError, ArtifactError
from adrec_cli.models.registry import DEFAULT_MODEL
from adrec_cli.schema import CHECKPOINT_SUFFIX, MANIFEST_FILE, STATE_SUFFIX
from adrec_cli.wording import command, option

T = TypeVar("T")

UP_TO_DATE: Final = "up to date"
UNFINISHED: Final = "unfinished"
OUT_OF_DATE: Final = "out of date"
LOCKED: Final = "in use"
DAMAGED: Final = "damaged"


@dataclass(frozen=True, kw_only=True)
class NextStep:
    """Something to type.

    Attributes:
        command: a command line.
        why: what it is good for.
    """

    command: str
    why: str


@dataclass(frozen=True, kw_only=True)
class StageStatus:
    """A stage of a model that was trained, or begun.

    Attributes:
        name: of the stage.
        finished: whether its checkpoint is that of its newest training; else it can go on from its saved state.
        epoch: of the weights kept, or the last one that was done.
        metric, value, protocol: by which it was validated; "" and None where it was not.
        trained_at: when its checkpoint was written, ISO 8601, UTC; "" where there is none.
    """

    name: str
    finished: bool
    epoch: int
    metric: str = ""
    value: float | None = None
    protocol: str = ""
    trained_at: str = ""


@dataclass(frozen=True, kw_only=True)
class PromotedStatus:
    """The promoted model: what recommends, whatever is trained meanwhile.

    Attributes:
        checkpoint: its file, relative to the model's folder.
        metric, value, protocol: why it was promoted.
        promoted_at: ISO 8601, UTC.
        earlier: how many can be gone back to.
    """

    checkpoint: str
    metric: str
    value: float | None
    protocol: str
    promoted_at: str
    earlier: int


@dataclass(frozen=True, kw_only=True)
class ModelStatus:
    """A model of a data set.

    Attributes:
        name: of its folder.
        state: "up to date", "unfinished", "out of date", "in use" or "damaged".
        detail: more on its state; "" where there is nothing to say.
        stages: trained or begun, the oldest one first.
        missing: names of the stages that its training goes through and that nobody has begun.
        promoted: None where nothing is.
        next: what to type; None where nothing is to be done.
    """

    name: str
    state: str
    detail: str
    stages: list[StageStatus]
    missing: list[str]
    promoted: PromotedStatus | None
    next: NextStep | None


@dataclass(frozen=True, kw_only=True)
class DatasetStatus:
    """A data set of the workspace.

    Attributes:
        name: of its folder.
        state: "up to date", "in use" or "damaged".
        detail: more on its state.
        users, items, interactions: counts; 0 where it is damaged.
        first_event, last_event: ISO 8601, UTC; "" where no times are known.
        made_at: when it was last changed, ISO 8601, UTC.
        generation: its number among all that the data set has been.
        models: that were trained on it.
    """

    name: str
    state: str
    detail: str = ""
    users: int = 0
    items: int = 0
    interactions: int = 0
    first_event: str = ""
    last_event: str = ""
    made_at: str = ""
    generation: int = 0
    models: list[ModelStatus]


@dataclass(frozen=True, kw_only=True)
class WorkspaceStatus:
    """What is in a workspace.

    Attributes:
        workspace: where was looked.
        note: why nothing was found there; "" where something was.
        datasets: by name.
        next: what to type, the most urgent first.
    """

    workspace: Path
    note: str
    datasets: list[DatasetStatus]
    next: list[NextStep]


def status(workspace: Path, *, named: Path | None = None) -> WorkspaceStatus:
    """Return what is in a workspace; nothing is changed or locked.

    Args:
        workspace: a folder, which may be missing.
        named: the workspace as commands must name it; None where they find it by themselves.

    Raises:
        ArtifactError: the folder is none of a workspace, or was named and is missing.
    """
    names = Workspace(workspace).datasets()
    if not names:
        return WorkspaceStatus(
            workspace=workspace, note=_explain_nothing(workspace, named), datasets=[], next=_first_steps(named)
        )
    datasets = [_dataset(workspace / name, named) for name in names]
    return WorkspaceStatus(workspace=workspace, note="", datasets=datasets, next=list(_next_steps(datasets, named)))


def _explain_nothing(workspace: Path, named: Path | None) -> str:
    """Return why there is no data set; what is not a workspace at all is an error.

    Raises:
        ArtifactError: see `status`.
    """
    ways = f"{command('run', 'demo', workspace=named)}, or name another folder with {option('workspace', 'DIR')}"
    where = workspace.absolute()
    if (workspace / MANIFEST_FILE).is_file():
        raise ArtifactError(
            f"{where} is the folder of a data set, not a workspace", hint=command("status", workspace=where.parent)
        )
    if workspace.exists() and not workspace.is_dir():
        raise ArtifactError(f"{where} is a file, not a workspace", hint=ways)
    if Workspace(Path()).datasets():
        raise ArtifactError(
            f"no data set in {where}, but there are some in the folder you are in",
            hint=command("status", workspace="."),
        )
    if named is not None and not workspace.exists():
        raise ArtifactError(f"{where} does not exist", hint=ways)
    return f"nothing here yet: no data set in {where}" + ("" if workspace.exists() else ", which does not exist")


def _first_steps(named: Path | None) -> list[NextStep]:
    return [
        NextStep(command=command("run", "demo", workspace=named), why="try it on generated data: no file, no network"),
        NextStep(command=command("preprocess", "FILE", workspace=named), why="your own interactions, to train on"),
    ]


def _dataset(folder: Path, named: Path | None) -> DatasetStatus:
    holder = find_holder(folder)
    made_at = _format_change_time(folder / MANIFEST_FILE)
    try:
        manifest = read_manifest(folder)
    except AdrecError as error:
        models = [_model(inner, None, named) for inner in _model_folders(folder)]
        return DatasetStatus(name=folder.name, state=DAMAGED, detail=error.message, made_at=made_at, models=models)
    known = manifest.statistics
    return DatasetStatus(
        name=folder.name,
        state=LOCKED if holder else UP_TO_DATE,
        detail=f"by {holder}" if holder else "",
        **{name: known[name] for name in ("users", "items", "interactions")},
        first_event=str(known.get("first_time") or ""),
        last_event=str(known.get("last_time") or ""),
        made_at=made_at,
        generation=manifest.generation,
        models=[_model(inner, manifest, named) for inner in _model_folders(folder)],
    )


def _model_folders(folder: Path) -> list[Path]:
    """Return the folders in a data set's that hold checkpoints, or states of stages that were begun."""
    with contextlib.suppress(OSError):
        return sorted({path.parent for path in folder.glob(f"*/*{CHECKPOINT_SUFFIX}") if path.parent.name[0] != "."})
    return []


def _model(folder: Path, manifest: Manifest | None, named: Path | None) -> ModelStatus:
    name = folder.name
    chosen = None if name == DEFAULT_MODEL else name
    again = command("train", folder.parent.name, model=chosen, workspace=named)
    stages: list[StageStatus] = []
    missing: list[str] = []
    promoted = None
    try:
        promoted = _describe_promoted(folder)
        trained = _list_checkpoints(folder)
        stages, missing = _stages(folder, trained)
        state, detail, why = _judge(stages, missing, [metadata for _, metadata in trained], manifest)
    except AdrecError as error:
        state, detail, why = DAMAGED, error.message, "it says what is damaged and how to fix it"
        again = command("verify", named or folder.parents[1])
    if manifest is not None and detail == _FORGOTTEN:
        again = command("forget", folder.parent.name, retrain=True, workspace=named)
    if holder := find_holder(folder):
        state, detail, why = LOCKED, f"by {holder}", ""
    return ModelStatus(
        name=name, state=state, detail=detail, stages=stages, missing=missing, promoted=promoted,
        next=NextStep(command=again, why=f"{name} of {folder.parent.name}: {why}") if why else None,
    )  # fmt: skip


_FORGOTTEN: Final = "it has learnt from users who were forgotten"


def _judge(
    stages: list[StageStatus], missing: list[str], trained: list[CheckpointMetadata], manifest: Manifest | None
) -> tuple[str, str, str]:
    """Return a model's state, the detail of it, and why something is to be typed; "" where nothing is."""
    if begun := [stage for stage in stages if not stage.finished]:
        detail = f"{begun[-1].name} stopped after epoch {begun[-1].epoch}"
        return UNFINISHED, detail, "go on where it stopped, with the options it began with"
    if manifest is not None and trained:
        newest = trained[-1]
        if newest.sequences_sha256 in manifest.forgotten.get("sequences", []):
            return OUT_OF_DATE, _FORGOTTEN, "train again without those who were forgotten"
        for what in ("items", "sequences"):
            if getattr(newest, f"{what}_sha256") != getattr(manifest, f"{what}_sha256"):
                return OUT_OF_DATE, f"the {what} have changed since", "train on the data as they are now"
    if missing:
        return UNFINISHED, f"without {', '.join(missing)}", "train the stages that are missing"
    return UP_TO_DATE, "", ""


def _list_checkpoints(folder: Path) -> list[tuple[Path, CheckpointMetadata]]:
    """Return the checkpoints of a model's stages, the oldest one first."""
    paths = (path for path in folder.glob(f"*{CHECKPOINT_SUFFIX}") if not path.name.endswith(STATE_SUFFIX))
    return _read_by_age(paths, read_metadata)


def _read_by_age(paths: Iterable[Path], read: Callable[[Path], T]) -> list[tuple[Path, T]]:
    """Return what is read of files, the oldest one first, without those that a run removes meanwhile.

    Raises:
        ArtifactError: one is damaged.
        StorageError: one is unreadable.
    """
    found: list[tuple[int, Path, T]] = []
    for path in paths:
        try:
            told = read(path)
            found.append((path.stat().st_mtime_ns, path, told))
        except FileNotFoundError:
            continue
        except AdrecError:
            if os.path.lexists(path):
                raise
    return [(path, told) for _, path, told in sorted(found, key=lambda one: one[:2])]


def _stages(folder: Path, trained: list[tuple[Path, CheckpointMetadata]]) -> tuple[list[StageStatus], list[str]]:
    """Return the stages that were trained or begun, and the names of those that nobody has begun."""
    found = {metadata.stage: _describe_finished(path, metadata) for path, metadata in trained}
    keys = {metadata.stage: metadata.run_key for _, metadata in trained}
    for path, text in _read_by_age(folder.glob(f"*{STATE_SUFFIX}"), read_text):
        name = path.name.removesuffix(STATE_SUFFIX)
        # The state of a stage that is done says nothing: a run was killed before it could remove it.
        if text.get("run_key") != keys.get(name):
            found.pop(name, None)
            found[name] = StageStatus(name=name, finished=False, epoch=_epochs_done(text.get("position", "")))
    planned = trained[-1][1].training.get("stages", {}) if trained else {}
    missing = [name for name, options in planned.items() if name not in found and not options.get("skip")]
    return list(found.values()), missing


def _describe_finished(path: Path, metadata: CheckpointMetadata) -> StageStatus:
    monitor = metadata.metrics["monitor"]
    return StageStatus(
        name=metadata.stage,
        finished=True,
        epoch=metadata.epoch,
        metric=monitor,
        value=metadata.metrics["values"].get(monitor),
        protocol=metadata.metrics["protocol"],
        trained_at=_format_change_time(path),
    )


def _epochs_done(position: str) -> int:
    try:
        return int(json.loads(position)["epoch"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return 0


def _describe_promoted(folder: Path) -> PromotedStatus | None:
    """Return what is promoted.

    Raises:
        ArtifactError: its file is gone.
    """
    current = read_current(folder)
    while current is not None and not (folder / current.checkpoint).is_file():
        before, current = current, read_current(folder)
        # A run that has promoted another one meanwhile may have removed it.
        if current == before:
            raise ArtifactError(f"{folder / before.checkpoint}, which is promoted, does not exist")
    return None if current is None else _describe(current)


def _describe(current: Current) -> PromotedStatus:
    return PromotedStatus(
        **{name: getattr(current, name) for name in ("checkpoint", "metric", "value", "protocol", "promoted_at")},
        earlier=len(current.earlier),
    )


def _next_steps(datasets: Iterable[DatasetStatus], named: Path | None) -> Iterator[NextStep]:
    """Yield what to type: what fixes, then what goes on, then what can be done with what is there."""
    datasets = list(datasets)
    for one in datasets:
        if one.state == DAMAGED:
            yield NextStep(command=command("verify", *([named] if named else [])), why=f"{one.name} is damaged")
        elif not one.models and one.state != LOCKED:
            yield NextStep(command=command("train", one.name, workspace=named), why=f"{one.name} has no model yet")
    yield from (model.next for one in datasets for model in one.models if model.next is not None)
    for one in datasets:
        whole = [model for model in one.models if model.state == UP_TO_DATE]
        if not whole or one.state != UP_TO_DATE:
            continue
        if len(whole) > 1:
            yield NextStep(
                command=command("compare", one.name, workspace=named), why="the models side by side, with intervals"
            )
        # Who trains nothing but a baseline has no model that recommends unless he names it.
        model = None if any(one.name == DEFAULT_MODEL for one in whole) else whole[-1].name
        yield NextStep(
            command=command(
                "recommend", dataset=one.name, model=model, all=True, out=f"{one.name}.csv", workspace=named
            ),
            why="lists for all users",
        )


def _format_change_time(path: Path) -> str:
    try:
        return datetime.fromtimestamp(path.stat().st_mtime, UTC).isoformat(timespec="seconds")
    except OSError:
        return ""
