"""What a stage's weights depend on, as one hash, and whether a checkpoint has it already."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from adrec_cli.artifacts.checkpoint import verify_checkpoint
from adrec_cli.artifacts.checkpoint_metadata import CheckpointMetadata
from adrec_cli.artifacts.provenance import code_sha256, key_of
from adrec_cli.errors import ArtifactError
from adrec_cli.experiments.content import content_hashes, on_content
from adrec_cli.experiments.experiment import Experiment
from adrec_cli.extending.open_set import OpenSet
from adrec_cli.loading.opening import Checkpoint, Dataset
from adrec_cli.models.registry import MODELS, find_facts
from adrec_cli.models.stages import SAMPLED_LOSSES
from adrec_cli.ranking.metrics import METRICS
from adrec_cli.schema import FORMAT_VERSION


def plugins_of(experiment: Experiment, stage_name: str) -> dict[str, dict[str, str]]:
    """Return what of a stage's training comes from outside, by what it is, as its checkpoint says it."""
    stage = experiment.stages[stage_name]
    used: list[tuple[OpenSet[Any], str]] = [(MODELS, experiment.model_name)]
    used += [(SAMPLED_LOSSES, stage.ranking_loss)] if stage.ce_weight else []
    used += [(METRICS, experiment.training.monitor.partition("@")[0])]
    origins = {one.what: (name, one.origin_of(name)) for one, name in used}
    return {what: {"name": name, **origin.to_json()} for what, (name, origin) in origins.items() if origin}


def stage_key(dataset: Dataset, experiment: Experiment, stage_name: str, parent: Checkpoint | None) -> str:
    """Return a hash of everything a stage's weights depend on; equal keys mean equal work."""
    return stage_key_from(dataset, experiment, stage_name, parent.sha256 if parent else "")


def stage_key_from(dataset: Dataset, experiment: Experiment, stage_name: str, parent_sha256: str) -> str:
    """Return `stage_key` for a parent of which the hash is known, "" where there is none."""
    experiment = on_content(dataset, experiment)
    tables, plugins = experiment.tables(), plugins_of(experiment, stage_name)
    return key_of(
        content_hashes(dataset, experiment)
        | ({"plugins": plugins} if plugins else {})
        | {
            "format": FORMAT_VERSION,
            "code": code_sha256(),
            "model": experiment.model_name,
            "config": _options_read(experiment, stage_name),
            "training": tables["training"],
            "stage": {stage_name: tables["stages"][stage_name]},
            "sequences": dataset.manifest.sequences_sha256,
            "items": dataset.manifest.items_sha256,
            "parent": parent_sha256,
        }
    )


def _options_read(experiment: Experiment, stage_name: str) -> dict[str, Any]:
    """Return the options of the network, without those on which nothing in this stage depends."""
    output = experiment.stages[stage_name].output
    unread = {name.rstrip("_") for name in find_facts(experiment.model_name).unread_options.get(output, ())}
    return {key: value for key, value in experiment.tables()["model"].items() if key not in unread}


def up_to_date(path: Path, key: str) -> CheckpointMetadata | None:
    """Return the metadata of a checkpoint that is whole and has this key; a damaged one is made again."""
    if not path.is_file():
        return None
    try:
        # Read whole: a checkpoint whose weights are damaged is not up to date whatever its header says.
        metadata = verify_checkpoint(path)
    except ArtifactError:
        return None
    return metadata if metadata.run_key == key else None
