"""`adrec preprocess`: raw interactions to sequences.parquet, items.parquet and manifest.json."""

from __future__ import annotations

import contextlib
import functools
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from adrec_cli import __version__
from adrec_cli.artifacts.changing import change_dataset, needs_recovery, recover_dataset
from adrec_cli.artifacts.dataset import verify_files
from adrec_cli.artifacts.lock import AT_ONCE, Waiting, exclusive
from adrec_cli.artifacts.manifest import Manifest, read_manifest
from adrec_cli.data.addresses import show_address
from adrec_cli.data.bringing import Brought, bring
from adrec_cli.data.options import PreprocessOptions
from adrec_cli.data.plan import Plan, describe_sources, look_at_sources, make_plan
from adrec_cli.data.reading.remembered import Remembered, recall_reading
from adrec_cli.data.reading.scratch import SCRATCH_FOLDER
from adrec_cli.data.reading.steady_files import SteadyFile
from adrec_cli.data.remote_versions import add_versions, find_made_of, find_taken, look_up_versions
from adrec_cli.data.replacement import hold_against_former
from adrec_cli.data.settings import drop_findings, inherit
from adrec_cli.data.taken_files import (
    add_sources,
    as_files,
    describe_contents,
    leave_out_forgotten_users,
    require_not_grown,
    require_not_withdrawn,
    tell_repeats,
)
from adrec_cli.engines.reach import require_in_reach
from adrec_cli.errors import AdrecError, UsageError
from adrec_cli.events import OnEvent, ignore
from adrec_cli.wording import option, say_count

if TYPE_CHECKING:
    from adrec_cli.data.filter_applied import FilterApplied
    from adrec_cli.data.prepared import Prepared
    from adrec_cli.data.updating import Existing
    from adrec_cli.engines.spread_prepared import SpreadPrepared

__all__ = ["PreprocessOptions", "PreprocessPreview", "PreprocessResult", "preprocess", "preview"]

DEFAULTS: Final = PreprocessOptions()


@dataclass(frozen=True, kw_only=True)
class PreprocessResult:
    """What preprocessing made, or found to be made already.

    Attributes:
        folder: of the data set in the workspace.
        manifest: what it is.
        warnings: lines to show the user.
        skipped: whether nothing was done because sources, options and version are unchanged.
        removed: what each filter left out, in order; empty if skipped.
        notes: what was found or assumed about the source.
    """

    folder: Path
    manifest: Manifest
    warnings: list[str]
    skipped: bool
    removed: list[FilterApplied]
    notes: list[str]


@dataclass(frozen=True, kw_only=True)
class PreprocessPreview:
    """What preprocessing would make of a source; nothing was written.

    Attributes:
        dataset: the name it would have.
        sources: names, sha256 and sizes of the files.
        parameters: options with defaults filled in.
        found: layout, separator, encoding, columns by role, times.
        columns, head: the first rows of the first file as they stand.
        statistics: as the manifest would keep them.
        reading: what the manifest would remember about how the source was read.
        sequences: of the first two users of the source, as they would be stored: `user_id`, the first `items`, their
            `times` (none where only an order is known), and how many there are.
        warnings, removed, notes: as in `PreprocessResult`.
    """

    dataset: str
    sources: list[dict[str, Any]]
    parameters: dict[str, Any]
    found: dict[str, Any]
    columns: tuple[str, ...]
    head: tuple[tuple[str, ...], ...]
    statistics: dict[str, Any]
    reading: dict[str, Any]
    sequences: list[dict[str, Any]]
    warnings: list[str]
    removed: list[FilterApplied]
    notes: list[str]


def preprocess(
    source: str,
    *,
    workspace: Path,
    raw: Path | None = None,
    options: PreprocessOptions = DEFAULTS,
    force: bool = False,
    waiting: Waiting = AT_ONCE,
    on_event: OnEvent = ignore,
) -> PreprocessResult:
    """Make `workspace/NAME/` with sequences.parquet, items.parquet and manifest.json from raw interactions.

    Users stand in ascending order of their ids, items are numbered from 1 in ascending order of theirs: as numbers if
    all ids are whole numbers, else by code point. The same input gives the same bytes. With `options.update` the data
    set of that folder is added to and its items keep their numbers.

    Args:
        source: a named data set, or the path or address of a file, a folder of parts, or a glob; with `options.sql`
            the name of the data set.
        workspace: folder of all data sets.
        raw: folder where files of named data sets are looked for before anything is downloaded.
        options: columns, filters, split; None in them means the data set's default.
        force: make it again even if nothing has changed, or if it has grown by updates.
        waiting: for how long, if another run holds the lock.
        on_event: gets `DownloadProgress`, `AnswerProgress` and `FilterApplied`.

    Raises:
        InputError: the source is missing, bad or withdrawn, or nothing is left of it.
        UsageError: options are wrong, or a data set would be replaced that has grown by updates.
        LockedError: another run works on the data set; nothing was changed.
        ArtifactError: the data set to update is missing or damaged.
        StorageError: reading or writing failed.
    """
    if options.update is None:
        lock = functools.partial(lock_dataset, purpose=f"preprocess {show_address(source)}", waiting=waiting)
        return _preprocess(source, workspace, raw, options, force, on_event, lock)
    # Not before it is known to be there: a lock makes its folder.
    read_manifest(options.update)
    # Locked before it is read: of two updates at once neither may lose what the other adds.
    purpose = f"preprocess {show_address(source)} {option('update', options.update.name)}"
    with lock_dataset(options.update, purpose, waiting):
        return preprocess_locked(source, workspace=workspace, raw=raw, options=options, force=force, on_event=on_event)


def preprocess_locked(
    source: str,
    *,
    workspace: Path,
    raw: Path | None = None,
    options: PreprocessOptions = DEFAULTS,
    force: bool = False,
    on_event: OnEvent = ignore,
) -> PreprocessResult:
    """Do what `preprocess` does where the caller is in `lock_dataset` already."""
    return _preprocess(source, workspace, raw, options, force, on_event, lambda folder: contextlib.nullcontext())


@contextlib.contextmanager
def lock_dataset(folder: Path, purpose: str, waiting: Waiting = AT_ONCE) -> Iterator[None]:
    """Hold the lock of a data set's folder, freed of what a killed run left in it; as `exclusive`."""
    with exclusive(folder, purpose, waiting):
        recover_dataset(folder)
        shutil.rmtree(folder / SCRATCH_FOLDER, ignore_errors=True)
        yield


def _preprocess(
    source: str,
    workspace: Path,
    raw: Path | None,
    options: PreprocessOptions,
    force: bool,
    on_event: OnEvent,
    lock: Callable[[Path], contextlib.AbstractContextManager[None]],
) -> PreprocessResult:
    # Before anything is copied, which may take long.
    require_in_reach(source, options)
    versions = look_up_versions(source, options)
    made = None if force else find_made_of(versions, source, options, workspace)
    if made and (manifest := _read_unchanged(made.folder, made.sources, made.parameters)) is not None:
        return _skip(made.folder, manifest)
    known = frozenset() if force or options.retake else find_taken(versions, options, __version__)
    with bring(source, options, on_event, versions, known) as brought:
        done = _preprocess_here(brought, workspace, raw, force, on_event, lock)
    said = [f"{say_count(len(known), 'object')} not read again: ETag and size are those of what was taken"]
    return replace(done, notes=[*(said if known else []), *done.notes])


def _preprocess_here(
    brought: Brought,
    workspace: Path,
    raw: Path | None,
    force: bool,
    on_event: OnEvent,
    lock: Callable[[Path], contextlib.AbstractContextManager[None]],
) -> PreprocessResult:
    options, existing = brought.options, _existing(brought.options)
    plan = make_plan(
        brought.path, workspace=workspace, raw=raw, options=options, on_event=on_event,
        inherited=_inherit(existing), remembered=_recall(existing), origin=brought.origin,
    )  # fmt: skip
    folder = options.update or workspace / plan.dataset
    files, parameters = look_at_sources(plan), plan.settings.parameters()
    sources = add_sources(existing, describe_sources(plan, files))
    untouched = not needs_recovery(folder) and not (folder / SCRATCH_FOLDER).exists()
    if untouched and not force and (manifest := _read_unchanged(folder, sources, parameters)) is not None:
        return _skip(folder, manifest)
    with lock(folder):
        # Looked at again: a killed run may have got so far that only its leftovers were to be removed.
        if not untouched and not force and (manifest := _read_unchanged(folder, sources, parameters)) is not None:
            return _skip(folder, manifest)
        return _make(brought, plan, files, existing, folder=folder, force=force, on_event=on_event)


def _make(
    brought: Brought,
    plan: Plan,
    files: Sequence[SteadyFile],
    existing: Existing | None,
    *,
    folder: Path,
    force: bool,
    on_event: OnEvent,
) -> PreprocessResult:
    """Read, cut and write; the caller holds the folder's lock."""
    # Only here, where there is something to do: they load Polars and PyArrow.
    from adrec_cli.engines.engines import choose_reader
    from adrec_cli.engines.making import prepare, read_content

    options, parameters = brought.options, plan.settings.parameters()
    if existing is None and not force:
        require_not_grown(folder, brought.path, plan)
    taking = force or options.retake
    require_not_withdrawn(folder, [] if taking else add_sources(existing, describe_sources(plan, files)))
    with choose_reader(options) as read:
        content, repeats = read_content(brought, plan, files, existing, read=read, folder=folder)
        sources = add_sources(existing, describe_contents(plan, files, content, repeats))
        sources = add_versions(sources, brought.versions, describe_sources(plan, files))
        require_not_withdrawn(folder, [] if taking else sources)
        if repeats and not force and (manifest := _read_unchanged(folder, sources, parameters)) is not None:
            return _skip(folder, manifest, tell_repeats(repeats))
        made = prepare(leave_out_forgotten_users(content, folder), plan, existing)
        if existing is None:
            hold_against_former(
                folder, made.statistics, content.interactions.item_ids, made.content.report,
                parameters=parameters, strict=options.strict, max_loss=options.max_loss, refuse=not force,
            )  # fmt: skip
        for applied in made.removed:
            on_event(applied)
        return _write(folder, made, sources=sources, parameters=parameters, keep=options.keep_data)


def _skip(folder: Path, manifest: Manifest, notes: Sequence[str] = ()) -> PreprocessResult:
    said = [*notes, *manifest.reading.get("assumed", [])]
    return PreprocessResult(folder=folder, manifest=manifest, warnings=[], skipped=True, removed=[], notes=said)


def preview(
    source: str, *, workspace: Path, raw: Path | None = None, options: PreprocessOptions = DEFAULTS
) -> PreprocessPreview:
    """Do all that `preprocess` does except downloading and writing, and say what would come out.

    Args:
        source, workspace, raw, options: as for `preprocess`.

    Raises:
        as `preprocess`; InputError also if files of a named data set would have to be downloaded.
    """
    require_in_reach(source, options)
    with bring(source, options, ignore) as brought:
        return _preview_here(brought, workspace, raw)


def _preview_here(brought: Brought, workspace: Path, raw: Path | None) -> PreprocessPreview:
    from adrec_cli.data.dataset_files import show_sequences
    from adrec_cli.engines.engines import bring_here, choose_reader
    from adrec_cli.engines.making import prepare_here, read_content

    options, existing = brought.options, _existing(brought.options)
    plan = make_plan(
        brought.path, workspace=workspace, raw=raw, options=options, on_event=ignore, inherited=_inherit(existing),
        remembered=_recall(existing), origin=brought.origin, fetch=False,
    )  # fmt: skip
    files = look_at_sources(plan)
    with choose_reader(options) as read:
        content = bring_here(read_content(brought, plan, files, existing, read=read, folder=None)[0])
    content = leave_out_forgotten_users(content, options.update or workspace / plan.dataset)
    made = prepare_here(content, plan, existing)
    if existing is None:
        hold_against_former(
            workspace / plan.dataset, made.statistics, content.interactions.item_ids, content.report,
            parameters=plan.settings.parameters(), strict=options.strict, max_loss=options.max_loss, refuse=False,
        )  # fmt: skip
    interactions = made.cut.interactions
    return PreprocessPreview(
        dataset=made.dataset,
        sources=describe_sources(plan, files),
        parameters=plan.settings.parameters(),
        found=made.found,
        columns=content.columns,
        head=content.head,
        statistics=made.statistics,
        reading=content.reading,
        sequences=show_sequences(interactions, content.interactions.user_ids, timed=content.report.timed),
        warnings=[*content.report.warnings(), *made.collect_warnings()],
        removed=made.removed,
        notes=made.collect_notes(),
    )


def _existing(options: PreprocessOptions) -> Existing | None:
    if options.update is None:
        return None
    if options.name is not None or options.variant is not None:
        raise UsageError(
            f"{option('update')} names the data set already", hint=f"leave {option('name')} and {option('variant')} out"
        )
    from adrec_cli.data.updating import load_existing

    return load_existing(options.update)


def _inherit(existing: Existing | None) -> dict[str, Any] | None:
    return None if existing is None else inherit(existing.manifest)


def _recall(existing: Existing | None) -> Remembered | None:
    return None if existing is None else recall_reading(existing.manifest)


def _read_unchanged(folder: Path, sources: list[dict[str, Any]], parameters: dict[str, Any]) -> Manifest | None:
    """Return the manifest of a data set that is whole and made from the same by the same version."""
    try:
        manifest = read_manifest(folder)
        verify_files(folder, manifest)
    except AdrecError:
        return None
    same = (
        as_files(manifest.sources) == as_files(sources)
        and drop_findings(manifest.parameters) == parameters
        and manifest.adrec_version == __version__
    )
    return manifest if same else None


def _write(
    folder: Path,
    made: Prepared | SpreadPrepared,
    *,
    sources: list[dict[str, Any]],
    parameters: dict[str, Any],
    keep: int | None,
) -> PreprocessResult:
    content = made.content
    written, warnings = made.write_files(folder)
    updated = {} if made.existing is None else {"updated": True}
    manifest = Manifest(
        dataset=made.dataset,
        sources=sources,
        parameters={**parameters, "found": made.found, **updated},
        statistics=made.statistics,
        sequences_sha256=written.sequences_sha256,
        items_sha256=written.items_sha256,
        pending_sha256=written.pending_sha256,
        adrec_version=__version__,
        reading=content.reading,
    )
    manifest = change_dataset(folder, manifest, keep=keep)
    return PreprocessResult(
        folder=folder,
        manifest=manifest,
        warnings=[*content.report.warnings(), *warnings, *made.collect_warnings()],
        skipped=False,
        removed=made.removed,
        notes=made.collect_notes(),
    )
