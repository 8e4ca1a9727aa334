"""The files a data set has taken, once each: known by what their rows say, not only by their bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from adrec_cli.artifacts.atomic import hash_starts
from adrec_cli.artifacts.changing import manifest_before, read_forgotten
from adrec_cli.artifacts.generations import generation_folders
from adrec_cli.artifacts.sources import FOLDERS, identify_source
from adrec_cli.data.names import Overlap
from adrec_cli.data.plan import Plan, describe_sources
from adrec_cli.data.reading.folder_names import show_folders
from adrec_cli.data.reading.steady_files import SteadyFile
from adrec_cli.data.remote_versions import ETAG
from adrec_cli.errors import InputError, UsageError
from adrec_cli.schema import MANIFEST_FILE
from adrec_cli.wording import command, option, option_as_typed, say_count

if TYPE_CHECKING:
    from adrec_cli.data.interactions import Log
    from adrec_cli.data.reading.read_report import FileRows
    from adrec_cli.data.reading.source_content import SourceContent
    from adrec_cli.data.updating import Existing

L = TypeVar("L", bound="Log")


def add_sources(existing: Existing | None, new: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the sources of a data set and of what is added to it, each once."""
    if existing is None:
        return new
    known = set(map(identify_source, existing.manifest.sources))
    return existing.manifest.sources + [entry for entry in new if identify_source(entry) not in known]


def leave_out_repeats(
    content: SourceContent[L],
    plan: Plan,
    existing: Existing | None,
    files: Sequence[SteadyFile],
    overlap: Overlap | None = None,
) -> tuple[SourceContent[L], list[FileRows]]:
    """Leave out files whose rows were taken before, where nothing else would: duplicates are kept, and times tell.

    Raises:
        InputError: a file begins with another one, whose rows would count twice.
    """
    if plan.settings.duplicates != "keep" or plan.parts is not None or not content.report.timed:
        return content, []
    taken = [] if existing is None else existing.manifest.sources
    read = content.report.files
    # What folders say is not in the bytes.
    repeats = find_repeats(
        read,
        {file.path: file.sha256 for file in files if not show_folders(file.path)},
        [{**source, "sha256": None} if source.get(FOLDERS) else source for source in taken],
    )
    # A file of items may grow.
    counting = {file.path for file in read if file not in repeats}
    # What such a file begins with is there already, and taken once.
    require_none_grown([file for file in files if file.path in counting], [] if overlap == "once" else taken)
    content.report.notes += tell_repeats(repeats)
    if existing is None:
        content.report.notes += tell_same_times([file for file in read if file not in repeats])
    gone, rows = [file in repeats for file in read], [file.rows for file in read]
    return replace(content, interactions=content.interactions.leave_out_files(gone, rows)), repeats


def describe_contents(
    plan: Plan, files: Sequence[SteadyFile], content: SourceContent[L], repeats: Sequence[FileRows]
) -> list[dict[str, Any]]:
    """Return the sources with the hashes of their rows, without files that repeat others."""
    if plan.generated:
        return describe_sources(plan, files)
    contents = {file.path: file.content_sha256 for file in content.report.files}
    gone = {file.path for file in repeats}
    return [
        entry if file.path not in contents else {**entry, "content_sha256": contents[file.path]}
        for file, entry in zip(files, describe_sources(plan, files), strict=True)
        if file.path not in gone
    ]


def as_files(sources: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return sources as their bytes tell them: without the hashes of rows, and without what stores call a version."""
    return [{key: value for key, value in entry.items() if key not in ("content_sha256", ETAG)} for entry in sources]


def find_repeats(
    files: Sequence[FileRows], hashes: Mapping[Path, str], taken: Sequence[Mapping[str, Any]]
) -> list[FileRows]:
    """Return the files whose rows were taken before, or by another of them.

    Args:
        files: as read.
        hashes: SHA-256 of their bytes, for data sets that know their sources by nothing else.
        taken: sources of the data set, as its manifest names them.
    """
    known = {entry.get(name) for entry in taken for name in ("sha256", "content_sha256")} - {None}
    repeats = []
    for file in files:
        if file.rows and not known.isdisjoint((file.content_sha256, hashes.get(file.path))):
            repeats.append(file)
        known.add(file.content_sha256)
    return repeats


def require_none_grown(files: Sequence[SteadyFile], taken: Sequence[Mapping[str, Any]]) -> None:
    """Refuse files that begin with the bytes of another one: a log that is added to, or what was once cut off.

    Args:
        files: of events, that are read.
        taken: sources of the data set, as its manifest names them.

    Raises:
        InputError: naming the first, and what it begins with.
        StorageError: one cannot be read.
    """
    others = [
        *taken,
        *({"name": file.path.name, "sha256": file.sha256, "bytes": file.size, FOLDERS: show_folders(file.path)}
          for file in files),
    ]  # fmt: skip
    names = {
        (one["bytes"], identify_source(one)): one["name"] for one in others if one.get("bytes") and one.get("sha256")
    }
    for file in files:
        folders = show_folders(file.path)
        for size, sha256 in hash_starts(file.path, sorted({size for size, _ in names if size < file.size})):
            if (start := (size, (sha256, folders))) in names:
                raise InputError(
                    f"{file.path} begins with {names[start]}, whose rows would count again: "
                    f"{option('duplicates', 'keep')} keeps them",
                    hint=f"put what is new into a file of its own, or take only that when it is added: "
                    f"{option('overlap', 'once')}; if the other one was cut off, take it back with "
                    f"{command('rollback', data=True)}",
                )


def tell_same_times(files: Sequence[FileRows]) -> list[str]:
    """Return a line about two files that cover the same time for the most part, if there are any.

    Whether they say the same events, as exports of the last weeks do, or each a part of them, is not looked at.
    """
    in_order = sorted((file for file in files if file.rows), key=lambda file: file.first)
    if not in_order:
        return []
    latest = in_order[0]
    for file in in_order[1:]:
        shared = min(file.last, latest.last) - file.first
        if shared > 0 and 2 * shared >= min(file.last - file.first, latest.last - latest.first):
            return [
                f"{latest.path.name} and {file.path.name} cover the same time: an event that several files say counts "
                f"as often, as duplicates are kept; {option_as_typed('update')} one file after the other with "
                f"{option_as_typed('overlap', 'once')} counts it once"
            ]
        latest = max(latest, file, key=lambda one: one.last)
    return []


def tell_repeats(files: Sequence[FileRows]) -> list[str]:
    """Return a line for each file that was left out."""
    return [
        f"{file.path.name} adds nothing: the same rows were taken before, from a file that says the same"
        for file in files
    ]


def require_not_grown(folder: Path, source: str, plan: Plan) -> None:
    """Refuse to make a data set from a file of its own when it holds more, collected in updates.

    Args:
        folder: of the data set.
        source: that would be read.
        plan: how.

    Raises:
        UsageError: it has grown, or it is damaged and may have.
    """
    manifest = manifest_before(folder)
    grown = bool(generation_folders(folder)) if manifest is None else bool(manifest.parameters.get("updated"))
    if not grown:
        return
    holds = "is damaged, and had grown" if manifest is None else (
        f"has grown by updates to {say_count(manifest.statistics['interactions'], 'interaction')} of "
        f"{say_count(len(manifest.sources), 'file')}"
    )  # fmt: skip
    instead = (
        command("rollback", folder.name, data=True)
        if manifest is None
        else f"add to it: {option('update', folder.name)}"
    )
    raise UsageError(
        f"{folder} {holds}; {source} alone would take its place",
        hint=f"{instead}; or say {plan.command} {option_as_typed('force', True)}, which keeps the former one",
    )


def require_not_withdrawn(folder: Path, sources: list[dict[str, Any]]) -> None:
    """Refuse files that `adrec rollback --data` has taken back.

    Raises:
        InputError: naming them.
    """
    manifest = manifest_before(folder)
    gone = manifest.withdrawn if manifest else []
    withdrawn = {identify_source(source) for source in gone if "sha256" in source}
    rows = {source["content_sha256"] for source in gone if "content_sha256" in source}
    again = [
        str(one.get("name"))
        for one in sources
        if identify_source(one) in withdrawn or one.get("content_sha256") in rows
    ]
    if again:
        raise InputError(
            f"{', '.join(again)} was withdrawn from {folder.name} by {command('rollback', folder.name, data=True)}",
            hint=f"fix the file, or take it again as it is with {option('retake')}",
        )


def leave_out_forgotten_users(content: SourceContent[L], folder: Path) -> SourceContent[L]:
    """Leave out users that were forgotten in this data set, and say how many events that were."""
    from adrec_cli.data.forgotten import leave_out_forgotten

    forgotten = read_forgotten(folder)
    interactions, told = leave_out_forgotten(content.interactions, forgotten)
    content.report.notes += told
    if not forgotten and (folder / MANIFEST_FILE).exists() and manifest_before(folder) is None:
        content.report.notes.append(
            f"{folder / MANIFEST_FILE} is damaged, so that nobody knows who was forgotten: forget them again"
        )
    return replace(content, interactions=interactions)
