"""`adrec forget`: a person leaves: data, former data, ranks and batches; and which models have learned from them."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import os
import shutil
from collections.abc import Iterator, Set
from dataclasses import dataclass
from pathlib import Path

from adrec_cli.artifacts.changing import recover_dataset
from adrec_cli.artifacts.checkpoint import load_checkpoint
from adrec_cli.artifacts.dataset import commit_dataset, file_names, next_path, verify_files
from adrec_cli.artifacts.generations import (
    FormerData,
    generation_folders,
    link_or_copy,
    making_generation,
    open_generation,
    remove_generation,
)
from adrec_cli.artifacts.lock import LOCK_FILE, Waiting, exclusive, exclusive_with_all_inside
from adrec_cli.artifacts.manifest import read_manifest, write_manifest
from adrec_cli.artifacts.promotion import promote, read_current
from adrec_cli.artifacts.workspace import Workspace
from adrec_cli.content.encoding import refit_train_events
from adrec_cli.data.forgotten import add_forgotten, new_salt
from adrec_cli.data.leaving_out import holds_users, write_without
from adrec_cli.data.reading.scratch import SCRATCH_FOLDER
from adrec_cli.errors import AdrecError, ArtifactError, InterruptedRun, UsageError
from adrec_cli.events import OnEvent
from adrec_cli.experiments.chain import train_stages
from adrec_cli.experiments.events import ModelRetrained
from adrec_cli.experiments.experiment import Experiment
from adrec_cli.experiments.inheritance import inherit_options
from adrec_cli.experiments.options import ExperimentOptions
from adrec_cli.experiments.work import UNATTENDED, Work
from adrec_cli.forgetting.batches import find_batches, foreign_models, forget_in_batch
from adrec_cli.forgetting.learnt import Learnt, find_learnt
from adrec_cli.forgetting.ranks import forget_in_ranks
from adrec_cli.loading.current import current_checkpoint
from adrec_cli.loading.opening import Checkpoint, Dataset, open_checkpoint, open_dataset
from adrec_cli.loading.registered import find_unregistered
from adrec_cli.models.registry import list_trainable
from adrec_cli.moving.marks import remove_copies
from adrec_cli.promotion.promote import make_candidate
from adrec_cli.schema import CHECKPOINT_SUFFIX
from adrec_cli.wording import command, option


@dataclass(frozen=True, kw_only=True)
class NotRetrained:
    """A model that has learned from them, or may have, and could not be trained again.

    Attributes:
        name: of the model.
        reason, hint: why, and what to type.
        exit_code: of the error that it was.
    """

    name: str
    reason: str
    hint: str
    exit_code: int


@dataclass(frozen=True, kw_only=True)
class Forgotten:
    """What was done.

    Attributes:
        dataset: its name.
        users: how many were asked for.
        interactions, pending: events that are in the data set no longer, and that wait beside it no longer.
        generations: numbers of former generations that held them.
        damaged: numbers of former generations that were removed, as nobody could tell who is in them.
        ranks, batches: files that held them, or were removed because nobody could tell.
        learnt: models that have learned from them, or may have, and were not trained again.
        retrained: models that were trained again.
        not_retrained: models that should have been and could not.
        sources: names of the files the data set was made from, which adrec does not touch.
    """

    dataset: str
    users: int
    interactions: int
    pending: int
    generations: list[int]
    damaged: list[int]
    ranks: list[Path]
    batches: list[Path]
    learnt: list[Learnt]
    retrained: list[str]
    not_retrained: list[NotRetrained]
    sources: list[str]


def forget(
    dataset_name: str | None,
    users: Set[str],
    *,
    workspace: Path,
    retrain: bool = False,
    work: Work = UNATTENDED,
) -> Forgotten:
    """Remove users from a data set, its former generations, ranks and batches, so that no later file brings them back.

    Only a salted hash of each stays. Ended half-way, the same command goes on.

    Args:
        dataset_name: None takes the only one.
        users: raw ids; with `retrain` perhaps none, for those who were forgotten before.
        workspace: where data sets are.
        retrain: train the models again, from fresh weights, that have learned from any who were forgotten, or may have.
        work: at these trainings; called with what was done so far (`Forgotten`) before the first one, with
            `ModelRetrained` and the events of trainings.

    Raises:
        UsageError: no user is named, or one by an empty id.
        InputError: nobody would be left.
        ArtifactError: the data set is damaged.
        LockedError: a run is under way; nothing was changed.
        InterruptedRun: a training was stopped; users were forgotten before.
    """
    if not users and not retrain:
        example = command("forget", dataset_name or "shop", user=42)
        raise UsageError("nobody is named", hint=f"{example}, or {option('users', 'FILE')}")
    if not all(user.strip() for user in users):
        raise UsageError("an empty id names nobody", hint="check what the id comes from, such as a variable of a shell")
    folder = Workspace(workspace).dataset_folder(dataset_name)
    with _hold_locks(workspace, folder, work.waiting) as batches:
        recover_dataset(folder)
        shutil.rmtree(folder / SCRATCH_FOLDER, ignore_errors=True)
        remove_copies(folder)
        done = _forget(folder, users)
        written = _forget_in_batches(workspace, folder, users, batches, work.on_event)
        done = dataclasses.replace(done, batches=written, learnt=_find_learnt(folder))
        if retrain:
            # A training may take hours and be stopped: who is gone by then is known before.
            work.on_event(done)
            retrained, failed = _retrain(open_dataset(folder), done.learnt, work)
            done = dataclasses.replace(done, learnt=_find_learnt(folder), retrained=retrained, not_retrained=failed)
    return done


@contextlib.contextmanager
def _hold_locks(workspace: Path, folder: Path, waiting: Waiting) -> Iterator[set[Path]]:
    """Hold every lock under which something is written that holds a user; yield the folders of unfinished batches."""
    purpose = f"forget {folder.name}"
    with contextlib.ExitStack() as held:
        held.enter_context(exclusive_with_all_inside(folder, purpose, waiting))
        batches = {path for path in find_batches(workspace, folder) if path.is_dir()}
        for path in sorted(batches):
            if folder not in path.parents or not (path / LOCK_FILE).exists():
                held.enter_context(exclusive(path, purpose, waiting))
        yield batches


def _forget_in_batches(
    workspace: Path, folder: Path, users: Set[str], locked: Set[Path], on_event: OnEvent
) -> list[Path]:
    """Take users out of all files of recommendations, after waiting for batches that began before this did."""
    foreign = foreign_models(workspace, folder)
    changed: list[Path] = []
    for path in list(find_batches(workspace, folder)):
        if path.is_dir():
            # Whoever begins now knows who left: only what read the data before is waited for, and it ends.
            lock = exclusive(path, f"forget {folder.name}", Waiting(seconds=math.inf, on_event=on_event))
            with contextlib.nullcontext() if path in locked else lock:
                changed += [path] if forget_in_batch(path, users) else []
    files = [path for path in find_batches(workspace, folder) if path.is_file()]
    return changed + [path for path in files if forget_in_batch(path, users, foreign)]


def _forget(folder: Path, users: Set[str]) -> Forgotten:
    """Take users out of the data set, its former generations and its ranks."""
    manifest = read_manifest(folder)
    former, damaged = _former(folder)
    salt = str(manifest.forgotten.get("salt") or new_salt())
    files = verify_files(folder, manifest)
    events, waiting = holds_users(files, users)
    in_former = {number: sum(holds_users(one.files, users)) for number, one in former.items()}
    held = {one.manifest.sequences_sha256 for number, one in former.items() if in_former[number]}
    held |= {manifest.sequences_sha256} if events else set()
    told = add_forgotten(manifest, users, held, salt)
    if events or waiting:
        told = write_without(files, told, users, folder)
        commit_dataset(folder, told)
    else:
        write_manifest(folder, told)
    for number in damaged:
        remove_generation(folder, number)
    for number, one in former.items():
        with making_generation(folder, number) as making:
            changed = dataclasses.replace(one.manifest, forgotten=told.forgotten)
            if in_former[number]:
                changed = write_without(one.files, changed, users, making)
                for name in file_names(changed):
                    os.replace(next_path(making, name), making / name)
            else:
                for name, path in one.files.items():
                    link_or_copy(path, making / name)
            write_manifest(making, changed)
    return Forgotten(
        dataset=folder.name,
        users=len(users),
        interactions=events,
        pending=waiting,
        generations=[number for number, count in in_former.items() if count],
        damaged=damaged,
        ranks=forget_in_ranks(folder, users),
        batches=[],
        learnt=[],
        retrained=[],
        not_retrained=[],
        sources=[str(source.get("name")) for source in told.sources],
    )


def _former(folder: Path) -> tuple[dict[int, FormerData], list[int]]:
    """Return the former generations that are whole, by number, and the numbers of those that are damaged."""
    whole: dict[int, FormerData] = {}
    damaged: list[int] = []
    for number in generation_folders(folder):
        try:
            whole[number] = open_generation(folder, number)
        except ArtifactError:
            damaged.append(number)
    return whole, damaged


def _find_learnt(folder: Path) -> list[Learnt]:
    manifest = read_manifest(folder)
    whole, _ = _former(folder)
    clean = {manifest.sequences_sha256, *(one.manifest.sequences_sha256 for one in whole.values())}
    return find_learnt(folder, set(manifest.forgotten.get("sequences", [])), clean)


def _retrain(dataset: Dataset, learnt: list[Learnt], work: Work) -> tuple[list[str], list[NotRetrained]]:
    """Train models again that have learned, and return which were, and which could not be and why.

    Raises:
        InterruptedRun: a training was stopped.
    """
    names = {one.path.relative_to(dataset.folder).parts[0] for one in learnt if not one.apart}
    done: list[str] = []
    failed: list[NotRetrained] = []
    if learnt:
        try:
            refit_train_events(dataset.folder)
        except AdrecError as error:
            return done, [_not_retrained(name, error) for name in sorted(names)]
    for name in sorted(names & set(list_trainable())):
        try:
            done += [name] if _retrain_model(dataset, name, work) else []
        except InterruptedRun:
            raise
        except AdrecError as error:
            failed.append(_not_retrained(name, error))
    failed += [
        _not_retrained(name, error) for name, error in find_unregistered(dataset.folder).items() if name in names
    ]
    return done, failed


def _not_retrained(name: str, error: AdrecError) -> NotRetrained:
    return NotRetrained(name=name, reason=error.message, hint=error.hint, exit_code=int(error.exit_code))


def _retrain_model(dataset: Dataset, name: str, work: Work) -> bool:
    """Train a model again from fresh weights and promote it if it was; no earlier generation of it stays.

    Returns:
        False where it has no checkpoint of its own.
    """
    folder = dataset.folder / name
    path = current_checkpoint(folder)
    if path is None:
        return False
    work.on_event(ModelRetrained(name=name))
    composed = _as_before(path, name)
    train_stages(dataset, composed, work=work)
    last = open_checkpoint(folder / f"{composed.planned[-1]}{CHECKPOINT_SUFFIX}", dataset)
    if read_current(folder) is not None:
        promote(folder, make_candidate(dataset, last), keep=1)
    return True


def _as_before(path: Path, name: str) -> Experiment:
    """Return the experiment a model was trained with; what a warm start kept begins from fresh weights again."""
    tensors, metadata = load_checkpoint(path)
    inherited = inherit_options(Checkpoint(path=path, sha256="", metadata=metadata, tensors=tensors))
    composed, usual = ExperimentOptions().compose(name, inherited), ExperimentOptions().compose(name, {})
    stages = {
        stage: config if config.fresh else dataclasses.replace(config, fresh=usual.stages[stage].fresh)
        for stage, config in composed.stages.items()
    }
    return dataclasses.replace(composed, stages=stages)
