"""Which files of a data set's folder adrec writes, by their paths in it: these are moved, and no others."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final

from adrec_cli.artifacts.atomic import file_identity, storage_error
from adrec_cli.artifacts.promotion import INDEX_SUFFIX, ITEMS_SUFFIX, PROMOTED_FOLDER
from adrec_cli.errors import ArtifactError
from adrec_cli.schema import (
    CHECKPOINT_SUFFIX,
    CURRENT_FILE,
    GENERATIONS_FOLDER,
    ITEM_VECTORS_FILE,
    ITEMS_FILE,
    MANIFEST_FILE,
    NIGHTS_FILE,
    PENDING_FILE,
    REPORTS_FOLDER,
    RESULTS_FILE,
    SEED_FOLDER,
    SEQUENCES_FILE,
    SWEEP_FILE,
    SWEEPS_FOLDER,
)

_NAME: Final = r"[\w+-][\w.+ -]{0,150}"
"""Of a file or a folder; none begins with a dot, as locks and temporaries do."""
_DATA: Final = "|".join(map(re.escape, (MANIFEST_FILE, SEQUENCES_FILE, ITEMS_FILE, PENDING_FILE)))
_MODEL: Final = rf"(?!(?:{GENERATIONS_FOLDER}|{REPORTS_FOLDER}|{SWEEPS_FOLDER})/){_NAME}"
_TRAINED: Final = rf"(?!{re.escape(NIGHTS_FILE)}\Z){_NAME}(?:{re.escape(CHECKPOINT_SUFFIX)}|\.jsonl)"

DATA: Final = "data"
GENERATION: Final = "former data"
PROMOTED: Final = "promoted model"
CURRENT: Final = "which model is current"
NIGHTS: Final = "nights"
SWEEP: Final = "sweep"
RESULT: Final = "result"
KINDS: Final[Mapping[str, str]] = MappingProxyType({
    DATA: _DATA,
    GENERATION: rf"{GENERATIONS_FOLDER}/\d{{1,9}}/(?:{_DATA})",
    "item vectors": re.escape(ITEM_VECTORS_FILE),
    PROMOTED: rf"{_MODEL}/{PROMOTED_FOLDER}/"
    rf"[0-9a-f]{{16}}(?:{'|'.join(map(re.escape, (CHECKPOINT_SUFFIX, ITEMS_SUFFIX, INDEX_SUFFIX)))})",
    "model": rf"{_MODEL}(?:/{SEED_FOLDER}\d{{1,20}})?/{_TRAINED}",
    SWEEP: rf"{SWEEPS_FOLDER}/{_NAME}/(?:{SWEEP_FILE}|{RESULTS_FILE}|{_NAME}\.(?:svg|json|jsonl|toml)"
    rf"|stages/{_NAME}/(?:{_TRAINED}|{_NAME}\.json))",
    RESULT: rf"{REPORTS_FOLDER}/{_NAME}\.(?:json|jsonl|parquet|html|md|svg|png|pdf)",
    CURRENT: rf"{_MODEL}/{re.escape(CURRENT_FILE)}",
    NIGHTS: rf"{_MODEL}/{re.escape(NIGHTS_FILE)}",
})  # fmt: skip
"""Kind of file to the paths, relative to the data set's folder, that are of it."""
_CONTENTS: Final = (
    MANIFEST_FILE, f"1/{MANIFEST_FILE}", CURRENT_FILE, SWEEP_FILE, f"x/{SWEEP_FILE}", "x.json",
    f"stages/x/x{CHECKPOINT_SUFFIX}", f"x/x{CHECKPOINT_SUFFIX}", f"x{CHECKPOINT_SUFFIX}",
    f"{16 * '0'}{CHECKPOINT_SUFFIX}",
)  # fmt: skip
"""A path that is of some kind below each folder that has any."""


@dataclass(frozen=True, kw_only=True)
class Belongings:
    """What a data set's folder holds.

    Attributes:
        paths: of the files that adrec wrote, relative to the folder, sorted.
        others: what else lies there and is not hidden, sorted.
    """

    paths: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)


def find_kind(path: str) -> str | None:
    """Return the kind of a file by its path in a data set's folder, with slashes; None where adrec writes no such."""
    return next((kind for kind, form in KINDS.items() if re.fullmatch(form, path)), None)


def can_hold(path: str) -> bool:
    """Return whether a folder of a data set's folder can be one that adrec writes into, by its path."""
    return any(find_kind(f"{path}/{below}") for below in _CONTENTS)


def list_belongings(folder: Path) -> Belongings:
    """Return what a data set's folder holds, also behind links, as all commands read it; what is hidden is left out.

    Raises:
        ArtifactError: a link that adrec would read leads to nothing: what is there is not all of the data set.
        StorageError: a folder cannot be read.
    """
    found = Belongings()
    _list_below(folder, "", found, {_identify(folder)})
    return Belongings(paths=sorted(found.paths), others=sorted(found.others))


def _list_below(folder: Path, inside: str, found: Belongings, around: set[tuple[int, ...]]) -> None:
    """Add what lies below a folder of a data set's folder.

    Args:
        folder: of the data set.
        inside: path in it, "" or with a slash at its end.
        found: is added to.
        around: identities of the folders it lies in: a link back to one holds nothing new.
    """
    for name in _list_names(folder / inside, inside):
        path, place = f"{inside}{name}", folder / inside / name
        if name.startswith(".") or not os.path.lexists(place):
            continue
        if place.is_symlink() and not place.exists() and (find_kind(path) or can_hold(path)):
            raise ArtifactError(
                f"{place} is a link to {os.readlink(place)}, which is not there: the data set would be sent in part",
                hint="bring back what it leads to, or remove the link",
            )
        if not place.is_dir():
            mine = find_kind(path) is not None and place.is_file()
            (found.paths if mine else found.others).append(path)
        elif place.is_symlink() and (_identify(place) in around or not can_hold(path)):
            found.others.append(path)
        else:
            _list_below(folder, f"{path}/", found, around | {_identify(place)})


def _list_names(place: Path, inside: str) -> list[str]:
    try:
        return os.listdir(place)
    except OSError as error:
        # What others have removed since it was listed holds nothing; the data set's folder itself must be there.
        if inside and isinstance(error, (FileNotFoundError, NotADirectoryError)):
            return []
        raise storage_error("read", place, error) from error


def _identify(place: Path) -> tuple[int, ...]:
    return (file_identity(place) or ())[:2]
