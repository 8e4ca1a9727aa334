"""Where a data set of the workspace and the models trained on it stand."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

from adrec_cli.artifacts.lock import find_holder
from adrec_cli.artifacts.manifest import read_manifest
from adrec_cli.artifacts.matching_paths import matching_paths
from adrec_cli.artifacts.steadily import read_steadily
from adrec_cli.errors import AdrecError
from adrec_cli.inspecting.model_status import (
    DAMAGED,
    LOCKED,
    UP_TO_DATE,
    ModelStatus,
    describe_model,
    format_change_time,
)
from adrec_cli.schema import CHECKPOINT_SUFFIX, MANIFEST_FILE


@dataclass(frozen=True, kw_only=True)
class DatasetStatus:
    """A data set of the workspace.

    Attributes:
        name: of its folder.
        state: "up to date", "in use" or "damaged".
        detail: more on its state.
        users, items, interactions: counts; 0 where it is damaged.
        first_event, last_event: ISO 8601, UTC; "" where no times are known.
        made_at: when it was last changed, ISO 8601, UTC.
        generation: its number among all that the data set has been.
        models: that were trained on it.
    """

    name: str
    state: str
    detail: str = ""
    users: int = 0
    items: int = 0
    interactions: int = 0
    first_event: str = ""
    last_event: str = ""
    made_at: str = ""
    generation: int = 0
    models: list[ModelStatus]


def describe_dataset(folder: Path, named: Path | None) -> DatasetStatus:
    """Return where a data set stands; nothing is changed or locked.

    Args:
        folder: of the data set.
        named: workspace that commands to be typed have to name.
    """
    return read_steadily(lambda: [folder / MANIFEST_FILE], lambda: _describe(folder, named))


def _describe(folder: Path, named: Path | None) -> DatasetStatus:
    holder = find_holder(folder)
    made_at = format_change_time(folder / MANIFEST_FILE)
    try:
        manifest = read_manifest(folder)
    except AdrecError as error:
        models = [describe_model(inner, None, named) for inner in _model_folders(folder)]
        return DatasetStatus(name=folder.name, state=DAMAGED, detail=error.message, made_at=made_at, models=models)
    known = manifest.statistics
    return DatasetStatus(
        name=folder.name,
        state=LOCKED if holder else UP_TO_DATE,
        detail=f"by {holder}" if holder else "",
        **{name: known[name] for name in ("users", "items", "interactions")},
        first_event=str(known.get("first_time") or ""),
        last_event=str(known.get("last_time") or ""),
        made_at=made_at,
        generation=manifest.generation,
        models=[describe_model(inner, manifest, named) for inner in _model_folders(folder)],
    )


def _model_folders(folder: Path) -> list[Path]:
    """Return the folders in a data set's that hold checkpoints, or states of stages that were begun."""
    with contextlib.suppress(OSError):
        found = {path.parent for path in matching_paths(folder, f"*/*{CHECKPOINT_SUFFIX}")}
        return sorted(place for place in found if place.name[0] != ".")
    return []
