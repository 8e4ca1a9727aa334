"""Where the files of a data set are: under the raw folder, in the cache, or to be downloaded."""

from __future__ import annotations

import difflib
import glob
import shlex
from dataclasses import dataclass
from pathlib import Path

from adrec_cli.artifacts.matching_paths import matching_paths
from adrec_cli.artifacts.regular_files import require_regular_file
from adrec_cli.data.datasets import DatasetSpec, ItemFile, SourceFiles
from adrec_cli.data.download import extract_member
from adrec_cli.data.fetching import Fetching, fetch_form
from adrec_cli.data.named_datasets import dataset_names
from adrec_cli.data.natural_order import order_naturally
from adrec_cli.data.reading.folder_names import names_a_value
from adrec_cli.data.reading.foreign_files import refuse_table_folder
from adrec_cli.errors import InputError
from adrec_cli.events import OnEvent
from adrec_cli.wording import command, option


@dataclass(frozen=True, kw_only=True)
class FoundFiles:
    """Files that are here.

    Attributes:
        form: what the data set's TOML says about them.
        paths: in the order of `form.files`.
        notes: what the user should know about them.
    """

    form: SourceFiles
    paths: tuple[Path, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where the files of a named data set are looked for, in this order.

    Attributes:
        raw: the user's folder; `raw/NAME/` first.
        cache: of this data set's downloads, which all workspaces share.
        former: where a workspace kept them before there was a cache.
    """

    raw: Path | None = None
    cache: Path
    former: Path | None = None

    def list_own(self, name: str) -> list[Path]:
        """Return the folders whose files are the user's own."""
        return [] if self.raw is None else [self.raw / name, self.raw]

    def list_downloads(self) -> list[Path]:
        """Return the folders of downloads."""
        return [self.cache, *([] if self.former is None else [self.former])]


def find_source(spec: DatasetSpec, *, places: Places, fetching: Fetching, on_event: OnEvent) -> FoundFiles:
    """Find the interactions of a named data set, downloading them if they are nowhere.

    Args:
        spec: the data set.
        places: to look in.
        fetching: whether missing files may be downloaded.
        on_event: gets what `fetch_form` tells.

    Raises:
        InputError: nothing is found and nothing can be fetched.
        UsageError: what would be fetched is larger than what is downloaded unasked.
        StorageError: the cache cannot be written.
    """
    if places.raw is not None and not places.raw.is_dir():
        raise InputError(
            f"{places.raw} is not a folder", hint=f"give an existing folder with {option('raw')} or ADREC_RAW"
        )
    for folder in places.list_own(spec.name):
        for form in spec.sources:
            if paths := _all_files(folder, form.files):
                return FoundFiles(form=form, paths=paths, notes=_tell_others(form, paths))
    for folder in places.list_downloads():
        for form in spec.sources:
            paths = _all_files(folder, form.files)
            if paths and not any(_faults(form, paths)):
                return FoundFiles(form=form, paths=paths)
    for form in spec.sources:
        if form.published:
            if fetching.allowed and not fetching.offline:
                return FoundFiles(form=form, paths=fetch_form(spec, form, places.cache, fetching, on_event))
            raise _not_here(spec, places, published=form, offline=fetching.offline)
    raise _not_here(spec, places)


def find_item_file(
    spec: DatasetSpec,
    source: FoundFiles,
    *,
    places: Places,
    fetching: Fetching,
    on_event: OnEvent,
) -> tuple[ItemFile, Path] | None:
    """Find the item file of a named data set: beside the interactions, in the raw folder or in the cache.

    An item file that comes in the same archive as downloaded interactions is unpacked; one whose checksum is known is
    downloaded where the interactions were.
    """
    for folder in (source.paths[0].parent, *places.list_own(spec.name), *places.list_downloads()):
        for form in spec.items:
            paths = _all_files(folder, form.files)
            if paths and (folder not in places.list_downloads() or not any(_faults(form, paths))):
                return form, paths[0]
    for form in spec.items:
        for folder in places.list_downloads():
            archive = folder / form.published[0].name if form.members else None
            if archive is not None and archive.is_file():
                target = folder / form.files[0]
                extract_member(archive, form.members[0], target)
                return form, target
    if source.paths[0].parent == places.cache and fetching.allowed and not fetching.offline:
        for form in spec.items:
            if form.published and form.published[0].known and not form.members:
                return form, fetch_form(spec, form, places.cache, fetching, on_event)[0]
    return None


def expand_path(text: str) -> list[Path]:
    """Return the files a path, a folder of parts or a glob stands for, in the natural order of their names.

    A folder without files stands for those of the folders in it, if these all say a value (`day=2024-01-31`).

    Raises:
        InputError: there is none.
    """
    path = Path(text).expanduser()
    if path.is_dir():
        refuse_table_folder(path)
        shown = [entry for entry in path.iterdir() if entry.name[0] not in "._"]
        files = [entry for entry in shown if entry.is_file()]
        files = order_naturally(files or _list_partitions(path) or [], Path)
        if not files:
            raise InputError(f"{path} is a folder without files", hint=_guess_pattern(path))
        return files
    require_regular_file(path)
    if path.exists():
        return [path]
    if any(sign in text for sign in "*?["):
        found = map(Path, glob.glob(str(path), recursive=True))
        files = order_naturally((file for file in found if file.is_file()), Path)
        if files:
            for folder in {file.parent for file in files}:
                refuse_table_folder(folder)
            return files
        raise InputError(f"{text} matches no file", hint="put the pattern in quotes and check the folder")
    raise InputError(f"{text} is neither a named data set nor a file", hint=_guess_source(path))


def _list_partitions(folder: Path) -> list[Path] | None:
    """Return the files below a folder, None if one of the folders there says no value."""
    shown = [entry for entry in folder.iterdir() if entry.name[0] not in "._"]
    files = [entry for entry in shown if entry.is_file()]
    for entry in shown:
        if entry.is_dir():
            below = _list_partitions(entry) if names_a_value(entry.name) else None
            if below is None:
                return None
            files += below
    return files


def _guess_pattern(folder: Path) -> str:
    """Return a hint at the files below a folder that holds none itself."""
    found = sorted(matching_paths(folder, "*/**/*"))
    below = next((file for file in found if file.is_file() and file.name[0] not in "._"), None)
    if below is None:
        return "name a file, a glob or a folder of parts"
    return f"name those in its folders, in quotes: {shlex.quote(str(folder / '**' / f'*{below.suffix}'))}"


def _guess_source(path: Path) -> str:
    """Return a hint at what may have been meant: a data set or a file of nearly this name."""
    try:
        beside = [entry.name for entry in path.parent.iterdir()]
    except OSError:
        beside = []
    named = dataset_names() if path.parent == Path() else []
    known = {name.casefold(): name for name in [*beside, *named] if name[0] != "."}
    near = [known[name] for name in difflib.get_close_matches(path.name.casefold(), known, cutoff=0.75)]
    guess = f"did you mean {' or '.join(str(path.parent / name) for name in near)}? " if near else ""
    return f"{guess}see: {command('datasets')}"


def _not_here(
    spec: DatasetSpec, places: Places, *, published: SourceFiles | None = None, offline: bool = False
) -> InputError:
    """Return the error that says where the files were looked for and how they come here."""
    looked = ", ".join(str(folder) for folder in [*places.list_own(spec.name), places.cache][:2])
    wanted = " or ".join(" + ".join(form.files) for form in spec.sources)
    how = f" ({spec.by_hand})" if spec.by_hand else ""
    hint = f"get it from {spec.homepage or 'its makers'}{how} and name its folder with {option('raw')}"
    if published is not None:
        address = published.published[0].urls[0]
        hint = (
            f"leave {option('offline')} out to download {address}"
            if offline
            else f"to download it: {command('preprocess', spec.name)}"
        )
    return InputError(f"no file of {spec.name} found in {looked}, expected {wanted}", hint=hint)


def _faults(form: SourceFiles | ItemFile, paths: tuple[Path, ...]) -> list[str]:
    """Return how each file differs from the one that is published, "" where it does not or nobody knows."""
    if form.members or len(form.published) != len(paths):
        return []
    return [one.fault(path) for one, path in zip(form.published, paths, strict=True)]


def _tell_others(form: SourceFiles, paths: tuple[Path, ...]) -> tuple[str, ...]:
    return tuple(
        f"{path} is not the file that is published: {fault}"
        for path, fault in zip(paths, _faults(form, paths), strict=False)
        if fault
    )


def _all_files(folder: Path, names: tuple[str, ...]) -> tuple[Path, ...]:
    found: list[Path] = []
    for name in names:
        paths = order_naturally((path for path in matching_paths(folder, name) if path.is_file()), Path)
        if not paths:
            return ()
        found += paths
    return tuple(found)
