"""Negatives that were published with a named data set, such as grocery:test."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from adrec_cli.data.datasets import DatasetSpec, SourceFiles
from adrec_cli.data.fetching import Fetching, fetch_named_file
from adrec_cli.data.named_datasets import is_named, load_dataset_spec
from adrec_cli.data.own_folders import download_folder, former_folder
from adrec_cli.data.raw_files import Places
from adrec_cli.errors import InputError, UsageError
from adrec_cli.events import OnEvent, ignore
from adrec_cli.wording import option


@dataclass(frozen=True, kw_only=True)
class NamedNegatives:
    """Published negatives.

    Attributes:
        name: as it was typed, such as grocery:test.
        part: "valid" or "test", whose held-out items they belong to.
        path: of the file.
    """

    name: str
    part: str
    path: Path


def names_negatives(text: str) -> bool:
    """Return whether a text is NAME:PART of a named data set, and no file is called so."""
    dataset, colon, _ = text.rpartition(":")
    return bool(colon) and is_named(dataset) and not Path(text).exists()


def require_negatives_searched(text: str | None, raw: Path | None) -> None:
    """Refuse a folder of raw files beside negatives that are not looked for there.

    Args:
        text: the negatives as typed: a number, a file or NAME:PART; None for none.
        raw: the folder that was asked for; None for none.

    Raises:
        UsageError: none are looked for there.
    """
    if raw is None or names_negatives(text or ""):
        return
    given = option("negatives", text) if text else "every item ranked"
    raise UsageError(
        f"published negatives are looked for in {option('raw', raw)}, and with {given} none are",
        hint=f"leave {option('raw')} out, or name some, as in {option('negatives', 'grocery:test')}",
    )


def find_negatives(
    text: str,
    *,
    workspace: Path,
    raw: Path | None = None,
    fetching: Fetching | None = None,
    on_event: OnEvent = ignore,
) -> NamedNegatives:
    """Find published negatives under the raw folder or in the cache, else download them.

    Args:
        text: NAME:PART, such as grocery:test.
        workspace: where downloads were kept before there was a cache.
        raw: folder with raw files, `raw/NAME/` first.
        fetching: whether and how they may be downloaded; None allows it.
        on_event: gets what `fetch_named_file` tells.

    Raises:
        UsageError: the data set has none of that name.
        InputError: they are nowhere and cannot be fetched. StorageError: the cache cannot be written.
    """
    dataset, _, part = text.rpartition(":")
    spec = load_dataset_spec(dataset)
    if part not in spec.negatives:
        known = (
            ", ".join(f"{dataset}:{name}" for name in spec.negatives)
            or f"none: draw some, as in {option('negatives', '99')}"
        )
        raise UsageError(f"{dataset} has no published negatives called {part!r}", hint=f"it has {known}")
    places = Places(
        raw=raw, cache=download_folder(dataset, workspace), former=former_folder(dataset, workspace)
    )  # fmt: skip
    path = _find(spec, spec.negatives[part], places, fetching or Fetching(), on_event)
    return NamedNegatives(name=text, part=part, path=path)


def _find(
    spec: DatasetSpec,
    names: tuple[str, ...],
    places: Places,
    fetching: Fetching,
    on_event: OnEvent,
) -> Path:
    published = [(form, name) for form in spec.sources for name in names if _is_published(form, name)]
    for folder in places.list_own(spec.name):
        for name in names:
            if (folder / name).is_file():
                return folder / name
    for form, name in published:
        for folder in places.list_downloads():
            path = folder / name
            if path.is_file() and not form.published[form.files.index(name)].fault(path):
                return path
    if published and fetching.allowed and not fetching.offline:
        form, name = published[0]
        return fetch_named_file(spec, form, name, places.cache, fetching, on_event)
    looked = ", ".join(str(folder) for folder in (*places.list_own(spec.name), places.cache))
    raise InputError(
        f"no negatives of {spec.name} found in {looked}, expected {' or '.join(names)}",
        hint=f"name the folder with {option('raw')}, or fetch them with the network",
    )


def _is_published(form: SourceFiles, name: str) -> bool:
    return bool(form.published) and not form.members and name in form.files
