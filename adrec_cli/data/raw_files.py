"""Where the files of a data set are: under the raw folder, in the cache, or to be downloaded."""

from __future__ import annotations

import glob
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from adrec_cli.artifacts.atomic import file_sha256
from adrec_cli.artifacts.regular_files import require_regular_file
from adrec_cli.data.datasets import DatasetSpec, ItemFile, SourceFiles
from adrec_cli.data.download import download, extract_member
from adrec_cli.data.reading.foreign_files import refuse_table_folder
from adrec_cli.errors import InputError

ANY_DOWNLOAD: Final = "any"


@dataclass(frozen=True, kw_only=True)
class FoundFiles:
    """Files that are here.

    Attributes:
        form: what the data set's TOML says about them.
        paths: in the order of `form.files`.
    """

    form: SourceFiles
    paths: tuple[Path, ...]


@dataclass(frozen=True, kw_only=True)
class UnknownDownload:
    """A file was downloaded and taken as it came: nobody knew what it must contain.

    Attributes:
        name: of the file.
        sha256: what it has, with which the next download can be checked.
    """

    name: str
    sha256: str


def find_source(
    spec: DatasetSpec,
    *,
    raw: Path | None,
    cache: Path,
    on_event: Callable[[object], None],
    fetch: bool = True,
    sha256: str | None = None,
) -> FoundFiles:
    """Find the interactions of a named data set, downloading them if they are nowhere.

    Args:
        spec: the data set.
        raw: folder to look in, `raw/NAME/` first; None looks only into the cache.
        cache: folder for downloads.
        on_event: gets the progress of downloads, and `UnknownDownload` of one whose SHA-256 nobody knew.
        fetch: whether missing files may be downloaded.
        sha256: what a download must have whose SHA-256 the data set does not name; "any" takes what comes, None
            refuses it.

    Raises:
        InputError: nothing is found and nothing can be fetched.
        StorageError: the cache cannot be written.
    """
    if raw is not None and not raw.is_dir():
        raise InputError(f"{raw} is not a folder", hint="give an existing folder with --raw or ADREC_RAW")
    for folder in _folders(spec.name, raw, cache):
        for form in spec.sources:
            paths = _all_files(folder, form.files)
            if paths:
                return FoundFiles(form=form, paths=paths)
    for form in spec.sources:
        if form.url and fetch:
            return FoundFiles(form=form, paths=_fetch(form, cache, on_event, sha256))
    looked = ", ".join(str(folder) for folder in _folders(spec.name, raw, cache)[:2])
    wanted = " or ".join(" + ".join(form.files) for form in spec.sources)
    raise InputError(
        f"no file of {spec.name} found in {looked}, expected {wanted}",
        hint=f"get it from {spec.homepage or 'its makers'} and name its folder with --raw",
    )


def find_item_file(
    spec: DatasetSpec, source: FoundFiles, *, raw: Path | None, cache: Path
) -> tuple[ItemFile, Path] | None:
    """Find the item file of a named data set: beside the interactions, in the raw folder or in the cache.

    An item file that comes in the same archive as the interactions is unpacked; none is downloaded on its own.
    """
    for folder in (source.paths[0].parent, *_folders(spec.name, raw, cache)):
        for form in spec.items:
            paths = _all_files(folder, form.files)
            if paths:
                return form, paths[0]
    for form in spec.items:
        archive = cache / form.url.rpartition("/")[2] if form.url else None
        if form.members and archive is not None and archive.is_file():
            target = cache / form.files[0]
            extract_member(archive, form.members[0], target)
            return form, target
    return None


def expand_path(text: str) -> list[Path]:
    """Return the files a path, a folder of parts or a glob stands for, sorted by name.

    Raises:
        InputError: there is none.
    """
    path = Path(text).expanduser()
    if path.is_dir():
        refuse_table_folder(path)
        files = sorted(entry for entry in path.iterdir() if entry.is_file() and entry.name[0] not in "._")
        if not files:
            raise InputError(f"{path} is a folder without files", hint="name a file, a glob or a folder of parts")
        return files
    require_regular_file(path)
    if path.exists():
        return [path]
    if any(sign in text for sign in "*?["):
        files = sorted(Path(name) for name in glob.glob(str(path), recursive=True) if Path(name).is_file())
        if files:
            for folder in {file.parent for file in files}:
                refuse_table_folder(folder)
            return files
        raise InputError(f"{text} matches no file", hint="put the pattern in quotes and check the folder")
    raise InputError(f"{text} is neither a named data set nor a file", hint="see: adrec datasets")


def _folders(name: str, raw: Path | None, cache: Path) -> list[Path]:
    return [*([raw / name, raw] if raw is not None else []), cache]


def _all_files(folder: Path, names: tuple[str, ...]) -> tuple[Path, ...]:
    found: list[Path] = []
    for name in names:
        paths = sorted(path for path in folder.glob(name) if path.is_file()) if folder.is_dir() else []
        if not paths:
            return ()
        found += paths
    return tuple(found)


def _fetch(
    form: SourceFiles, cache: Path, on_event: Callable[[object], None], accepted: str | None
) -> tuple[Path, ...]:
    fetched = cache / form.url.rpartition("/")[2]
    expected = form.sha256 or accepted
    if expected is None:
        raise InputError(
            f"{form.url} would be downloaded, but what it must contain is not known: the data set names no SHA-256",
            hint="fetch it yourself and name its folder with --raw, or say --download-sha256 HASH, or any to take what "
            "comes",
        )
    unknown = expected == ANY_DOWNLOAD and not fetched.is_file()
    download(form.url, fetched, sha256="" if expected == ANY_DOWNLOAD else expected, on_event=on_event)
    if unknown:
        on_event(UnknownDownload(name=fetched.name, sha256=file_sha256(fetched)))
    if not form.members:
        return (fetched,)
    targets = tuple(cache / name for name in form.files)
    for member, target in zip(form.members, targets, strict=True):
        extract_member(fetched, member, target)
    return targets
