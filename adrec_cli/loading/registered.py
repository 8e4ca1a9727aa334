"""Whether what a checkpoint was trained with is there: its model, and a loss or a metric from outside."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from adrec_cli.artifacts.checkpoint_metadata import CheckpointMetadata, read_metadata
from adrec_cli.artifacts.harmless_text import harmless
from adrec_cli.artifacts.matching_paths import matching_paths
from adrec_cli.errors import AdrecError, ArtifactError
from adrec_cli.extending.open_set import OpenSet
from adrec_cli.models.registry import MODELS
from adrec_cli.models.stages import SAMPLED_LOSSES
from adrec_cli.ranking.metrics import METRICS
from adrec_cli.schema import CHECKPOINT_SUFFIX, STATE_SUFFIX
from adrec_cli.wording import command, option

TRAINED_WITH: tuple[OpenSet[Any], ...] = (MODELS, SAMPLED_LOSSES, METRICS)
"""What of a training may come from outside."""


def require_registered(path: Path, metadata: CheckpointMetadata) -> None:
    """Refuse a checkpoint whose model is not here, or is not the code it was trained with.

    Raises:
        ArtifactError: naming the plugin and a way out.
    """
    recorded = metadata.plugins.get(MODELS.what, {})
    if metadata.model not in MODELS:
        raise registration_error(path, metadata)
    origin = MODELS.origin_of(metadata.model)
    then, now = recorded.get("sha256", ""), origin.sha256 if origin else ""
    if then != now:
        raise ArtifactError(
            f"{path} was trained with other code of model {metadata.model!r}: {_describe(recorded, then)}, "
            f"here is {_describe(origin.to_json() if origin else {}, now)}",
            hint=f"use that code, or train it again: {command('train', metadata.dataset, model=metadata.model)}",
        )


def require_trainable(path: Path, metadata: CheckpointMetadata) -> None:
    """Refuse a checkpoint whose training cannot go on, as a loss or a metric of it is not here.

    Raises:
        ArtifactError: as `require_registered`.
    """
    require_registered(path, metadata)
    for one in TRAINED_WITH:
        recorded = metadata.plugins.get(one.what)
        if recorded and recorded.get("name") not in one:
            raise ArtifactError(
                f"{path} was trained with the {one.what} {_text(recorded, 'name')}, which is not registered here; "
                f"it is of plugin {_text(recorded, 'plugin')}",
                hint=_way_to(recorded),
            )


def registration_error(path: Path, metadata: CheckpointMetadata) -> ArtifactError:
    """Return the error for a checkpoint whose model nobody here knows."""
    recorded = metadata.plugins.get(MODELS.what, {})
    of_plugin = f"; it is of plugin {_text(recorded, 'plugin')}" if recorded else ""
    return ArtifactError(
        f"{path} is of model {metadata.model!r}, which is not registered here{of_plugin}", hint=_way_to(recorded)
    )


def find_unregistered(folder: Path) -> dict[str, ArtifactError]:
    """Return why models of a data set's folder cannot be used, by the names of those that are not registered."""
    found: dict[str, ArtifactError] = {}
    for path in sorted(matching_paths(folder, f"*/*{CHECKPOINT_SUFFIX}")):
        name = path.parent.name
        if name not in MODELS and name not in found and not path.name.endswith(STATE_SUFFIX):
            try:
                metadata = read_metadata(path)
            except AdrecError:
                continue
            if metadata.model == name:
                found[name] = registration_error(path, metadata)
    return found


def _describe(recorded: Mapping[str, Any], sha256: str) -> str:
    return f"{_text(recorded, 'plugin')} {harmless(sha256[:12])}" if recorded else "adrec's own"


def _text(recorded: Mapping[str, Any], key: str) -> str:
    return harmless(str(recorded.get(key, "?"))[:80])


def _way_to(recorded: Mapping[str, Any]) -> str:
    name = _text(recorded, "plugin")
    if not recorded:
        return f"name its file: {option('plugin', 'FILE')}"
    return f"name its file: {option('plugin', name)}" if name.endswith(".py") else f"install it: pip install {name}"
