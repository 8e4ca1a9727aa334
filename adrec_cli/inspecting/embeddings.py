"""Item vectors of checkpoints, opened and named."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl
import torch

from adrec_cli.artifacts.workspace import Workspace
from adrec_cli.diagnostics.spread import MAX_MEASURED_ITEMS, evenly_spaced
from adrec_cli.errors import ArtifactError
from adrec_cli.loading.current import Found, find_current, open_current
from adrec_cli.loading.opening import Checkpoint, Dataset, dataset_folder_of, open_dataset, restore_model
from adrec_cli.loading.trained import models_in
from adrec_cli.models.registry import MODELS
from adrec_cli.runtime import make_generator
from adrec_cli.wording import command


@dataclass(frozen=True, kw_only=True)
class Embedding:
    """The item vectors of a checkpoint.

    Attributes:
        checkpoint: it lies in.
        items: one row per item, in the order of the vectors.
        vectors_VD: in the order of the items; row 0 is padding.
    """

    checkpoint: Checkpoint
    items: pl.DataFrame
    vectors_VD: torch.Tensor

    @property
    def vectors_ND(self) -> torch.Tensor:
        """The vectors without padding."""
        return self.vectors_VD[1:]

    def sample_ND(self) -> torch.Tensor:
        """Return the vectors that are measured: all, or as many as tell the same, evenly spaced."""
        return evenly_spaced(self.vectors_ND, MAX_MEASURED_ITEMS)


def open_embeddings(names: Sequence[str], *, workspace: Path, dataset_name: str | None) -> Iterator[Embedding]:
    """Yield the item vectors of models, checked, one table after the other; arguments and errors as `inspect`."""
    space = Workspace(workspace)
    datasets: dict[Path, Dataset] = {}
    for found, folder in _locate(space, names, dataset_name):
        if folder not in datasets:
            datasets[folder] = open_dataset(folder)
        checkpoint, items = open_current(found, datasets[folder])
        vectors_VD = restore_model(checkpoint, torch.device("cpu")).item_vectors_VD().detach()
        told = replace(checkpoint, tensors={})
        yield Embedding(checkpoint=told, items=items, vectors_VD=vectors_VD)


def isotropic_noise(vectors_ND: torch.Tensor, seed: int) -> torch.Tensor:
    """Return Gaussian vectors, as many, as wide and on average as varied as those given."""
    deviation = float(vectors_ND.double().var(dim=0, correction=0).mean().sqrt())
    return torch.randn(vectors_ND.shape, generator=make_generator(seed, "isotropic noise")) * deviation


def _locate(space: Workspace, names: Sequence[str], dataset_name: str | None) -> list[tuple[Found, Path]]:
    """Return each checkpoint and the folder of its dataset."""
    if not names:
        folder = space.dataset_folder(dataset_name)
        found = [one for model in models_in(folder) if (one := find_current(folder / model)) is not None]
        if not found:
            raise ArtifactError(
                f"{folder.name} has no trained model", hint=f"train one with: {command('run', folder.name)}"
            )
        return [(one, folder) for one in found]
    located = []
    for name in names:
        if name in MODELS:
            folder = space.dataset_folder(dataset_name)
            current = find_current(folder / name)
            if current is None:
                hint = f"train it with: {command('train', folder.name, model=name)}"
                raise ArtifactError(f"{folder.name} has no trained model {name}", hint=hint)
        else:
            current = Found.at(space.find_checkpoint(name, dataset_name))
            folder = dataset_folder_of(space, current.path, dataset_name)
        located.append((current, folder))
    return located


def distinguish(checkpoints: Sequence[Checkpoint]) -> list[str]:
    """Return the shortest of model, model and stage, or path that no two share."""
    kinds = [
        [one.metadata.model for one in checkpoints],
        [f"{one.metadata.model} {one.metadata.stage}" for one in checkpoints],
        [str(one.path) for one in checkpoints],
    ]
    taken = [Counter(kind) for kind in kinds[:2]]
    return [
        next((kind[row] for kind, count in zip(kinds, taken, strict=False) if count[kind[row]] == 1), kinds[2][row])
        for row in range(len(checkpoints))
    ]
