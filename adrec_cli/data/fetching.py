"""Bringing the files of a named data set into the cache: which addresses, with whose leave, and what is said first."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from adrec_cli.artifacts.atomic import file_sha256
from adrec_cli.artifacts.lock import Waiting, exclusive
from adrec_cli.data.datasets import DatasetSpec, ItemFile, SourceFiles
from adrec_cli.data.download import MOST_UNASKED_BYTES, Expectation, download, extract_member
from adrec_cli.data.pins import Download, Pin
from adrec_cli.errors import InputError, UsageError
from adrec_cli.events import OnEvent
from adrec_cli.wording import option

ANY_DOWNLOAD: Final = "any"


@dataclass(frozen=True, kw_only=True)
class Fetching:
    """What may be downloaded.

    Attributes:
        allowed: anything at all; not in a preview.
        offline: nothing, because the user says so.
        large: files above `MOST_UNASKED_BYTES` too.
        sha256: what a download must have whose checksum the data set does not name; "any" takes what comes, None
            refuses it.
    """

    allowed: bool = True
    offline: bool = False
    large: bool = False
    sha256: str | None = None


@dataclass(frozen=True, kw_only=True)
class UnknownDownload:
    """A file was downloaded and taken as it came: nobody knew what it must contain.

    Attributes:
        name: of the file.
        sha256: what it has, with which the next download can be checked.
    """

    name: str
    sha256: str


@dataclass(frozen=True, kw_only=True)
class DownloadBegins:
    """Files of a data set are about to be downloaded.

    Attributes:
        dataset: its name.
        bytes: of all files; None where it is not known.
        host: they come from.
        licence: of the data set.
    """

    dataset: str
    bytes: int | None
    host: str
    licence: str


@dataclass(frozen=True, kw_only=True)
class AddressFailed:
    """An address gave nothing or something else, and the next one is tried; `reason` is a line."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class DamagedCopy:
    """A file in the cache is not what it was when it was put there, and is fetched again; `fault` says how."""

    path: Path
    fault: str


def fetch_form(
    spec: DatasetSpec,
    form: SourceFiles | ItemFile,
    folder: Path,
    fetching: Fetching,
    on_event: OnEvent,
) -> tuple[Path, ...]:
    """Bring the files of one form into a folder, downloading those that are not there or are damaged.

    Args:
        spec: the data set.
        form: what is published.
        folder: of the cache; several runs may bring files into it at once.
        fetching: what may be downloaded.
        on_event: gets `DownloadBegins`, `DownloadProgress`, `AddressFailed`, `DamagedCopy` and `UnknownDownload`.

    Raises:
        InputError: no address gives the file, or nobody knows what it must contain.
        UsageError: it is larger than what is downloaded unasked.
        StorageError: the folder cannot be written.
    """
    wanted = _targets(form, folder)
    with exclusive(folder, f"download {spec.name}", Waiting(seconds=math.inf, on_event=on_event)):
        missing = [(one, target) for one, target in wanted if not _is_whole(one, target, on_event)]
        if missing:
            _announce(spec, [one for one, _ in missing], fetching, on_event)
        for one, target in missing:
            fetch_file(one, target, fetching, on_event)
        if not form.members:
            return tuple(target for _, target in wanted)
        paths = tuple(folder / name for name in form.files)
        for member, path in zip(form.members, paths, strict=True):
            extract_member(wanted[0][1], member, path)
        return paths


def fetch_named_file(
    spec: DatasetSpec,
    form: SourceFiles,
    name: str,
    folder: Path,
    fetching: Fetching,
    on_event: OnEvent,
) -> Path:
    """Bring one of the files of a form into a folder, without the others; arguments and errors as `fetch_form`."""
    place = form.files.index(name)
    alone = replace(form, files=(name,), downloads=(form.published[place],), url="", sha256="", parts=())
    return fetch_form(spec, alone, folder, fetching, on_event)[0]


def fetch_file(wanted: Download, target: Path, fetching: Fetching, on_event: OnEvent) -> None:
    """Download one file from the first of its addresses that gives it; errors as `fetch_form`."""
    pin = _pin(wanted, fetching)
    for number, url in enumerate(wanted.urls, start=1):
        try:
            download(url, target, expected=Expectation(pin=pin, large=fetching.large), on_event=on_event)
            break
        except InputError as error:
            if number == len(wanted.urls):
                raise
            on_event(AddressFailed(reason=error.message))
    if not pin.known:
        on_event(UnknownDownload(name=target.name, sha256=file_sha256(target)))


def _pin(wanted: Download, fetching: Fetching) -> Pin:
    """Return what a download must contain: as published, else as the user says."""
    if wanted.known:
        return wanted
    if fetching.sha256 is None:
        raise InputError(
            f"{wanted.urls[0]} would be downloaded, but what it must contain is not known: the data set names no "
            "SHA-256",
            hint=f"fetch it yourself and name its folder with {option('raw')}, "
            f"or say {option('download_sha256', 'HASH')}, or any to take what "
            "comes",
        )
    return Pin(sha256="" if fetching.sha256 == ANY_DOWNLOAD else fetching.sha256, bytes=wanted.bytes)


def _targets(form: SourceFiles | ItemFile, folder: Path) -> list[tuple[Download, Path]]:
    """Return where each download goes: a file under the name the form gives it, an archive under its own."""
    names = [form.published[0].name] if form.members else list(form.files)
    return [(one, folder / name) for one, name in zip(form.published, names, strict=True)]


def _is_whole(wanted: Download, target: Path, on_event: OnEvent) -> bool:
    """Return whether a file is here as it must be; one that is not is removed, as it is a copy of what is published."""
    if not target.is_file():
        return False
    fault = wanted.fault(target)
    if fault:
        on_event(DamagedCopy(path=target, fault=fault))
        target.unlink(missing_ok=True)
    return not fault


def _announce(spec: DatasetSpec, missing: Sequence[Download], fetching: Fetching, on_event: OnEvent) -> None:
    """Say size, source and licence, and refuse what is large where nobody has agreed to it."""
    sizes = [one.bytes for one in missing if one.bytes is not None]
    size = sum(sizes) if len(sizes) == len(missing) else None
    host = missing[0].urls[0].split("/")[2]
    if sum(sizes) > MOST_UNASKED_BYTES and not fetching.large:
        raise UsageError(
            f"{spec.name} would download {sum(sizes) / 1e6:,.0f} MB from {host} (licence: {spec.licence})",
            hint=f"to download it, add {option('yes', True)}",
        )
    for one in missing:
        _pin(one, fetching)
    on_event(DownloadBegins(dataset=spec.name, bytes=size, host=host, licence=spec.licence))
