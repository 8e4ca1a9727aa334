"""Where a model of a data set stands: what was trained, begun and promoted, and what it wants next.

Only the headers of checkpoints are read, but where a run did not promote one and nothing else is promoted.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypeVar

from adrec_cli.artifacts.checkpoint_metadata import CheckpointMetadata, read_metadata
from adrec_cli.artifacts.lock import find_holder
from adrec_cli.artifacts.manifest import Manifest
from adrec_cli.artifacts.matching_paths import matching_paths
from adrec_cli.artifacts.nights import require_current_known, was_refused
from adrec_cli.artifacts.promotion import PROMOTED_FOLDER, Current, find_promoted
from adrec_cli.artifacts.steadily import read_steadily
from adrec_cli.artifacts.tensor_text import read_text
from adrec_cli.errors import AdrecError
from adrec_cli.models.registry import DEFAULT_MODEL
from adrec_cli.schema import CHECKPOINT_SUFFIX, STATE_SUFFIX
from adrec_cli.wording import command

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


def describe_model(folder: Path, manifest: Manifest | None, named: Path | None) -> ModelStatus:
    """Return where a model stands; nothing is changed or locked.

    Args:
        folder: of the model.
        manifest: of its data set; None where that is damaged.
        named: workspace that commands to be typed have to name.
    """
    # Whatever is put into a folder, or taken out, changes the folder.
    return read_steadily(
        lambda: [folder, folder / PROMOTED_FOLDER], lambda: _describe_as_found(folder, manifest, named)
    )


def _describe_as_found(folder: Path, manifest: Manifest | None, named: Path | None) -> ModelStatus:
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
        if state == UP_TO_DATE and promoted is None and trained and was_refused(trained[-1][0]):
            detail, why = "a run did not promote it", "no model of it recommends until a run promotes one"
            again = command("run", folder.parent.name, model=chosen, workspace=named)
    except AdrecError as error:
        state, detail, why = DAMAGED, error.message, "it says what is damaged and how to fix it"
        again = command("verify", workspace=named or folder.parents[1])
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
        if newest.all_sequences & set(manifest.forgotten.get("sequences", [])):
            return OUT_OF_DATE, _FORGOTTEN, "train again without those who were forgotten"
        for what in ("items", "sequences"):
            if getattr(newest, f"{what}_sha256") != getattr(manifest, f"{what}_sha256"):
                return OUT_OF_DATE, f"the {what} have changed since", "train on the data as they are now"
    if missing:
        return UNFINISHED, f"without {', '.join(missing)}", "train the stages that are missing"
    return UP_TO_DATE, "", ""


def _list_checkpoints(folder: Path) -> list[tuple[Path, CheckpointMetadata]]:
    """Return the checkpoints of a model's stages, the oldest one first."""
    paths = (path for path in matching_paths(folder, f"*{CHECKPOINT_SUFFIX}") if not path.name.endswith(STATE_SUFFIX))
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
    for path, text in _read_by_age(matching_paths(folder, f"*{STATE_SUFFIX}"), read_text):
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
        trained_at=format_change_time(path),
    )


def _epochs_done(position: str) -> int:
    try:
        return int(json.loads(position)["epoch"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return 0


def _describe_promoted(folder: Path) -> PromotedStatus | None:
    """Return what is promoted.

    Raises:
        ArtifactError: its file is gone, or what says which one it is.
    """
    current = find_promoted(folder)
    if current is None:
        require_current_known(folder)
    return None if current is None else _describe(current)


def _describe(current: Current) -> PromotedStatus:
    return PromotedStatus(
        **{name: getattr(current, name) for name in ("checkpoint", "metric", "value", "protocol", "promoted_at")},
        earlier=len(current.earlier),
    )


def format_change_time(path: Path) -> str:
    """Return when a file was last changed, ISO 8601, UTC; "" where that is not known."""
    try:
        return datetime.fromtimestamp(path.stat().st_mtime, UTC).isoformat(timespec="seconds")
    except OSError:
        return ""
