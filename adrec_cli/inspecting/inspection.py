"""Diagnostics and neighbourhoods of item vectors."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from adrec_cli.data.id_index import IdIndex
from adrec_cli.data.sequences import item_indices
from adrec_cli.diagnostics.clusters import silhouette
from adrec_cli.diagnostics.embedding import EmbeddingDiagnostics, diagnose
from adrec_cli.diagnostics.neighbours import nearest_neighbours
from adrec_cli.errors import InputError
from adrec_cli.inspecting.embeddings import Embedding, distinguish, isotropic_noise, open_embeddings
from adrec_cli.inspecting.options import InspectOptions as InspectOptions
from adrec_cli.loading.opening import Checkpoint
from adrec_cli.runtime import set_threads
from adrec_cli.schema import ITEM_ID, TITLE
from adrec_cli.training.diagnostics import embedding_health
from adrec_cli.wording import say_count


@dataclass(frozen=True, kw_only=True)
class Neighbour:
    """One of the items nearest to another."""

    rank: int
    item_id: str
    title: str | None
    cosine: float


@dataclass(frozen=True, kw_only=True)
class Neighbourhood:
    """An item and those whose vectors point most nearly the same way."""

    item_id: str
    title: str | None
    neighbours: list[Neighbour]


@dataclass(frozen=True, kw_only=True)
class InspectedModel:
    """What was found of one model.

    Attributes:
        name: the model, with as much of its stage and path as tells it from the others.
        items: it has vectors of; `diagnostics.items` of them are measured.
        warning: what deserves a look; "" if nothing does.
    """

    name: str
    model: str
    stage: str
    epoch: int
    dataset: str
    checkpoint: str
    checkpoint_sha256: str
    items: int
    diagnostics: EmbeddingDiagnostics
    warning: str
    neighbourhoods: list[Neighbourhood]


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """What was found of all models.

    Attributes:
        noise: of isotropic noise with as many items, the width and the variance of the first model.
        without_silhouette: scikit-learn is not installed.
    """

    models: list[InspectedModel]
    noise: EmbeddingDiagnostics
    without_silhouette: bool

    @property
    def about_sample(self) -> str:
        """Which items the figures are of; "" where they are of all."""
        sampled = [model for model in self.models if model.diagnostics.items < model.items]
        return f"figures of {say_count(sampled[0].diagnostics.items, 'item')}, evenly spaced" if sampled else ""


def inspect_embeddings(
    names: Sequence[str] = (),
    *,
    workspace: Path,
    dataset_name: str | None = None,
    options: InspectOptions = InspectOptions(),
) -> Inspection:
    """Measure the item vectors of models.

    Args:
        names: of models (what `recommend` would use), or paths or bare names of checkpoints; none: all models.
        workspace: where datasets are.
        dataset_name: None takes each checkpoint's, or the only one.
        options: what to look at.

    Raises:
        ArtifactError: a checkpoint or its dataset is missing, damaged or not matching.
        InputError: an unknown item, or too few of them.
    """
    set_threads(options.threads)
    models: list[InspectedModel] = []
    checkpoints: list[Checkpoint] = []
    noise_ND: torch.Tensor | None = None
    # One after the other, so that one table of items at a time is in memory.
    for embedding in open_embeddings(names, workspace=workspace, dataset_name=dataset_name):
        sample_ND = embedding.sample_ND()
        noise_ND = isotropic_noise(sample_ND, options.seed) if noise_ND is None else noise_ND
        models.append(_inspect(embedding, _measure(sample_ND, options), options))
        checkpoints.append(embedding.checkpoint)
    assert noise_ND is not None, "without any model it raises"
    return Inspection(
        models=[
            dataclasses.replace(model, name=name) for model, name in zip(models, distinguish(checkpoints), strict=True)
        ],
        noise=_measure(noise_ND, options),
        without_silhouette=not _has_scikit_learn(),
    )


def _measure(vectors_ND: torch.Tensor, options: InspectOptions) -> EmbeddingDiagnostics:
    diagnostics = diagnose(vectors_ND)
    if not _has_scikit_learn():
        return diagnostics
    found = silhouette(vectors_ND.double(), clusters=options.clusters, seed=options.seed)
    return dataclasses.replace(diagnostics, silhouette=found)


def _has_scikit_learn() -> bool:
    try:
        import sklearn  # noqa: F401
    except ModuleNotFoundError:
        return False
    return True


def _inspect(embedding: Embedding, diagnostics: EmbeddingDiagnostics, options: InspectOptions) -> InspectedModel:
    """Return what is found of a model, which is named when all are known."""
    metadata = embedding.checkpoint.metadata
    return InspectedModel(
        name="",
        model=metadata.model,
        stage=metadata.stage,
        epoch=metadata.epoch,
        dataset=metadata.dataset,
        checkpoint=str(embedding.checkpoint.path),
        checkpoint_sha256=embedding.checkpoint.sha256,
        items=embedding.items.height,
        diagnostics=diagnostics,
        warning=embedding_health(embedding.vectors_VD).warning,
        neighbourhoods=_neighbourhoods(embedding, options),
    )


def _neighbourhoods(embedding: Embedding, options: InspectOptions) -> list[Neighbourhood]:
    if not options.item_ids:
        return []
    found = item_indices(IdIndex(embedding.items[ITEM_ID]), options.item_ids)
    unknown = [item_id for item_id, index in zip(options.item_ids, found, strict=True) if index is None]
    if unknown:
        raise InputError(
            f"{embedding.checkpoint.metadata.dataset} has no item {', '.join(map(repr, unknown))}",
            hint="ids are those of the source; the column item_id of items.parquet has them",
        )
    ids = embedding.items[ITEM_ID].to_list()
    titles = embedding.items[TITLE].to_list() if TITLE in embedding.items.columns else [None] * len(ids)
    neighbourhoods = []
    for index in found:
        assert index is not None
        rows, cosines = nearest_neighbours(embedding.vectors_ND.double(), index - 1, options.k)
        neighbours = [
            Neighbour(rank=rank, item_id=ids[row], title=titles[row], cosine=cosine)
            for rank, (row, cosine) in enumerate(zip(rows.tolist(), cosines.tolist(), strict=True), start=1)
        ]
        neighbourhoods.append(Neighbourhood(item_id=ids[index - 1], title=titles[index - 1], neighbours=neighbours))
    return neighbourhoods
