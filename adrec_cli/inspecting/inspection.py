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
from adrec_cli.errors import InputError, UsageError
from adrec_cli.inspecting.embeddings import Embedding, _told_apart, isotropic_noise, open_embeddings
from adrec_cli.runtime import set_threads
from adrec_cli.schema import ITEM_ID, TITLE
from adrec_cli.training.diagnostics import embedding_health


@dataclass(frozen=True, kw_only=True)
class InspectOptions:
    """What to look at.

    Attributes:
        item_ids: raw ids whose nearest neighbours are asked for.
        k: neighbours of each.
        clusters: k of k-means, for the silhouette.
        seed: of k-means and of the noise to compare with.
        threads: of the CPU; None leaves PyTorch's default.
    """

    item_ids: tuple[str, ...] = ()
    k: int = 10
    clusters: int = 10
    seed: int = 0
    threads: int | None = None

    def __post_init__(self) -> None:
        if self.k < 1:
            raise UsageError(f"k must be at least 1, got {self.k}")
        if self.clusters < 2:
            raise UsageError(f"clusters must be at least 2, got {self.clusters}")


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
        warning: what deserves a look; "" if nothing does.
    """

    name: str
    model: str
    stage: str
    epoch: int
    dataset: str
    checkpoint: str
    checkpoint_sha256: str
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
    embeddings = open_embeddings(names, workspace=workspace, dataset_name=dataset_name)
    noise_ND = isotropic_noise(embeddings[0].vectors_ND, options.seed)
    measured = [_measured(vectors, options) for vectors in [*(one.vectors_ND for one in embeddings), noise_ND]]
    models = [
        _inspected(name, embedding, diagnostics, options)
        for name, embedding, diagnostics in zip(_told_apart(embeddings), embeddings, measured[:-1], strict=True)
    ]
    return Inspection(models=models, noise=measured[-1], without_silhouette=not _has_scikit_learn())


def _measured(vectors_ND: torch.Tensor, options: InspectOptions) -> EmbeddingDiagnostics:
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


def _inspected(
    name: str, embedding: Embedding, diagnostics: EmbeddingDiagnostics, options: InspectOptions
) -> InspectedModel:
    metadata = embedding.checkpoint.metadata
    padded_VD = torch.nn.functional.pad(embedding.vectors_ND, (0, 0, 1, 0))
    return InspectedModel(
        name=name,
        model=metadata.model,
        stage=metadata.stage,
        epoch=metadata.epoch,
        dataset=metadata.dataset,
        checkpoint=str(embedding.checkpoint.path),
        checkpoint_sha256=embedding.checkpoint.sha256,
        diagnostics=diagnostics,
        warning=embedding_health(padded_VD).warning,
        neighbourhoods=_neighbourhoods(embedding, options),
    )


def _neighbourhoods(embedding: Embedding, options: InspectOptions) -> list[Neighbourhood]:
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
