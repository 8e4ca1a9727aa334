"""The content of a data set's items in a training: how wide it is, what it adds to the key, and how a model gets it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from adrec_cli.artifacts.checkpoint_metadata import CheckpointMetadata
from adrec_cli.artifacts.item_vectors import ItemVectorsHeader, read_item_vectors, read_item_vectors_header
from adrec_cli.content.other_cut import is_cut_otherwise
from adrec_cli.errors import ArtifactError
from adrec_cli.experiments.experiment import Experiment
from adrec_cli.loading.opening import Dataset
from adrec_cli.models.item_table import ItemTableConfig
from adrec_cli.wording import command

if TYPE_CHECKING:
    from adrec_cli.models.base import SequentialRecommender


def on_content(dataset: Dataset, experiment: Experiment) -> Experiment:
    """Return the experiment with the width that the content of this data set has.

    Raises:
        ArtifactError: the model wants content, and there is none, or it is of other items or events.
    """
    model = experiment.model
    if not isinstance(model, ItemTableConfig):
        return experiment
    width = _header(dataset).width if model.computes_item_vectors else 0
    return dataclasses.replace(experiment, model=dataclasses.replace(model, content_width=width))


def content_hashes(dataset: Dataset, experiment: Experiment) -> dict[str, Any]:
    """Return what of the content a stage's weights depend on; {} where the model wants none.

    Raises:
        ArtifactError: as `on_content`.
    """
    if not wants_content(experiment):
        return {}
    header = _header(dataset)
    return {"vectors_sha256": header.vectors_sha256, "encoders_sha256": header.encoders_sha256}


def give_content(model: SequentialRecommender, dataset: Dataset, experiment: Experiment) -> None:
    """Give a model the content of the data set's items, if it wants any.

    Raises:
        ArtifactError: as `on_content`, or damaged.
    """
    if not wants_content(experiment):
        return
    import torch

    from adrec_cli.data.batches import find_trained_items

    _header(dataset)
    vectors_VC = torch.from_numpy(read_item_vectors(dataset.folder).vectors_VC)
    padded_VC = torch.cat([torch.zeros(1, vectors_VC.shape[1], dtype=vectors_VC.dtype), vectors_VC])
    model.give_content(padded_VC, find_trained_items(dataset.sequences))


def require_same_encoders(metadata: CheckpointMetadata, dataset: Dataset, experiment: Experiment) -> None:
    """Refuse to go on from a model whose items were encoded otherwise: its map is of another space.

    Raises:
        ArtifactError: they were.
    """
    if not (isinstance(experiment.model, ItemTableConfig) and experiment.model.computes_item_vectors):
        return
    before, now = metadata.content.get("encoders_sha256"), _header(dataset).encoders_sha256
    if before != now:
        name = dataset.manifest.dataset
        raise ArtifactError(
            f"the {metadata.stage} checkpoint was trained with other encoders of items than those of {name!r}",
            hint=hint_at_encoders(metadata, name, experiment.model_name),
        )


def hint_at_encoders(metadata: CheckpointMetadata, dataset: str, model: str) -> str:
    """Return what to type where a checkpoint was trained with other encoders than those of a data set."""
    train = f"train again: {command('train', dataset, model=model)}"
    # Those of the data set itself were fitted again since, and are gone.
    same = metadata.dataset == dataset
    return train if same else f"encode as before: {command('encode', dataset, like=metadata.dataset)}, or {train}"


def wants_content(experiment: Experiment) -> bool:
    """Return whether the model is to be given the content of items."""
    return isinstance(experiment.model, ItemTableConfig) and experiment.model.content != "none"


def _header(dataset: Dataset) -> ItemVectorsHeader:
    """Return what the content of a data set records.

    Raises:
        ArtifactError: there is none, or it is of other items or events, among which some may be held out now.
    """
    header, manifest = read_item_vectors_header(dataset.folder), dataset.manifest
    name = manifest.dataset
    like = command("encode", name, like=name)
    events_changed = header.sequences_sha256 not in ("", manifest.sequences_sha256)
    held_out = events_changed and is_cut_otherwise(header.fitted_on, manifest, dataset.folder)
    if header.ids_sha256 != dataset.ids_sha256:
        raise ArtifactError(
            f"the item vectors of {name!r} are of other items than it has now",
            hint=f"encode them again: {header.again}" if held_out else f"encode them as before: {like}",
        )
    if held_out:
        raise ArtifactError(
            f"the item vectors of {name!r} are of other events than it has now, some perhaps held out",
            hint=f"encode them again: {header.again}",
        )
    if events_changed:
        raise ArtifactError(
            f"the item vectors of {name!r} are of other events than it has now",
            hint=f"encode them as before: {like}; or fit their encoders to the events there are now: {header.again}",
        )
    return header
