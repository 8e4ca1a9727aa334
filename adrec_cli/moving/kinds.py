"""Which files of a data set's folder adrec writes, by their paths in it: these are moved, and no others."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final

from adrec_cli.artifacts.generations import GENERATIONS_FOLDER
from adrec_cli.artifacts.promotion import INDEX_SUFFIX, ITEMS_SUFFIX, PROMOTED_FOLDER
from adrec_cli.schema import (
    CHECKPOINT_SUFFIX,
    CURRENT_FILE,
    ITEM_VECTORS_FILE,
    ITEMS_FILE,
    MANIFEST_FILE,
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
_TRAINED: Final = rf"{_NAME}(?:{re.escape(CHECKPOINT_SUFFIX)}|\.jsonl)"

DATA: Final = "data"
GENERATION: Final = "former data"
PROMOTED: Final = "promoted model"
CURRENT: Final = "which model is current"
RESULT: Final = "result"
KINDS: Final[Mapping[str, str]] = MappingProxyType({
    DATA: _DATA,
    GENERATION: rf"{GENERATIONS_FOLDER}/\d{{1,9}}/(?:{_DATA})",
    "item vectors": re.escape(ITEM_VECTORS_FILE),
    PROMOTED: rf"{_MODEL}/{PROMOTED_FOLDER}/"
    rf"[0-9a-f]{{16}}(?:{'|'.join(map(re.escape, (CHECKPOINT_SUFFIX, ITEMS_SUFFIX, INDEX_SUFFIX)))})",
    "model": rf"{_MODEL}(?:/{SEED_FOLDER}\d{{1,20}})?/{_TRAINED}",
    "sweep": rf"{SWEEPS_FOLDER}/{_NAME}/(?:{SWEEP_FILE}|{RESULTS_FILE}|{_NAME}\.(?:svg|json|jsonl|toml)"
    rf"|stages/{_NAME}/(?:{_TRAINED}|{_NAME}\.json))",
    RESULT: rf"{REPORTS_FOLDER}/{_NAME}\.(?:json|jsonl|parquet|html|md|svg|png|pdf)",
    CURRENT: rf"{_MODEL}/{re.escape(CURRENT_FILE)}",
})  # fmt: skip
"""Kind of file to the paths, relative to the data set's folder, that are of it."""


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


def list_belongings(folder: Path) -> Belongings:
    """Return what a data set's folder holds; what is hidden, or behind a link to another folder, is left out."""
    found = Belongings()
    for place, folders, names in os.walk(folder):
        inside = Path(place).relative_to(folder)
        folders[:] = [name for name in folders if not name.startswith(".")]
        linked = [name for name in folders if (Path(place) / name).is_symlink()]
        for name in sorted([*names, *linked]):
            path = (inside / name).as_posix()
            if not name.startswith("."):
                mine = find_kind(path) is not None and (folder / path).is_file()
                (found.paths if mine else found.others).append(path)
    return Belongings(paths=sorted(found.paths), others=sorted(found.others))
