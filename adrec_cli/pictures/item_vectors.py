"""Pictures of item vectors: maps by category and by popularity, and the spectrum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl
import torch

from adrec_cli.diagnostics.embedding import MIN_ITEMS
from adrec_cli.diagnostics.spectrum import effective_rank, singular_values
from adrec_cli.diagnostics.spread import MAX_MEASURED_ITEMS, evenly_spaced, evenly_spaced_rows, mean_cosine
from adrec_cli.errors import ArtifactError
from adrec_cli.inspecting.embeddings import isotropic_noise
from adrec_cli.loading.opening import Checkpoint, Dataset, open_checkpoint, restore_model
from adrec_cli.loading.trained import find_finished_checkpoint
from adrec_cli.models.registry import find_facts, list_trainable
from adrec_cli.pictures.options import PictureOptions
from adrec_cli.pictures.picture import Picture, display_name, model_colours
from adrec_cli.plots.embedding_map import (
    EmbeddingMap,
    draw_by_category,
    draw_by_popularity,
    name_categories,
    project,
    rank_categories,
)
from adrec_cli.plots.spectrum import NOISE, Spectrum, draw_spectrum
from adrec_cli.plots.style import Look, can_draw
from adrec_cli.schema import CATEGORY, COUNT
from adrec_cli.wording import command, inflect, option, say_count

_FEWEST_ITEMS = 8
_LARGEST_CATEGORY = 0.9


@dataclass(frozen=True, kw_only=True)
class _Vectors:
    """Item vectors of a model's last stage, in double precision.

    Attributes:
        vectors_ND: that are measured; all, or evenly spaced ones.
        drawn_ND: that are drawn.
    """

    name: str
    vectors_ND: torch.Tensor
    drawn_ND: torch.Tensor


def maps(dataset: Dataset, options: PictureOptions) -> list[Picture]:
    """Return maps of item vectors by popularity, and by category where categories are known.

    Raises:
        ArtifactError: no model that is mapped is trained, or one is damaged.
        UsageError: scikit-learn or matplotlib is not installed.
    """
    rows_N = evenly_spaced_rows(dataset.items.height, options.items)
    found = _read_trained(dataset, _find_mapped(), rows_N)
    if len(rows_N) < _FEWEST_ITEMS:
        raise ArtifactError(
            f"{say_count(len(rows_N), 'item')} {inflect(len(rows_N), 'is', 'are')} too few for a map",
            hint=f"{_FEWEST_ITEMS} are needed",
        )
    plane = [
        EmbeddingMap(name=_describe(each), points_N2=project(each.drawn_ND.numpy(), seed=options.seed))
        for each in found
    ]
    items = dataset.items[rows_N.numpy()]
    name = dataset.manifest.dataset
    about = (
        f"{name}, {len(rows_N):,} of {say_count(dataset.items.height, 'item')}; "
        "t-SNE of the item vectors, started from their "
        f"principal components, seed {options.seed}"
    )
    title = f"Item vectors on {name} by popularity"
    figure = draw_by_popularity(plane, items[COUNT].to_numpy(), title=title, about=about, look=options.look)
    pictures = [Picture(name="embeddings-popularity", title=title, about=about, look=options.look, figure=figure)]
    if CATEGORY in items.columns and _tells(items[CATEGORY]):
        title = f"Item vectors on {name} by category"
        categories, look = items[CATEGORY].to_list(), options.look
        figure = draw_by_category(plane, categories, title=title, about=about, look=look)
        note = _name_unwritten(categories, look)
        pictures.append(
            Picture(name="embeddings-category", title=title, about=about, look=look, figure=figure, note=note)
        )
    return pictures


def spectrum(dataset: Dataset, options: PictureOptions) -> list[Picture]:
    """Return the singular values of all models' item vectors beside those of noise.

    Raises:
        ArtifactError: no model is trained, or one is damaged.
        UsageError: matplotlib is not installed.
    """
    found = _read_trained(dataset, tuple(list_trainable()), torch.arange(0))
    if dataset.items.height < MIN_ITEMS:
        raise ArtifactError(
            f"{say_count(dataset.items.height, 'item')} "
            f"{inflect(dataset.items.height, 'is', 'are')} too few for a spectrum",
            hint=f"{MIN_ITEMS} are needed",
        )
    noise_ND = isotropic_noise(found[0].vectors_ND, options.seed).double()
    spectra = [
        Spectrum(
            name=each.name,
            singular_values=singular_values(each.vectors_ND).tolist(),
            items=len(each.vectors_ND),
            effective_rank=effective_rank(each.vectors_ND),
        )
        for each in [*found, _Vectors(name=NOISE, vectors_ND=noise_ND, drawn_ND=noise_ND)]
    ]
    title = f"Directions that item vectors use on {dataset.manifest.dataset}"
    measured, total = len(noise_ND), dataset.items.height
    of = (
        f"{say_count(total, 'item')}"
        if measured == total
        else f"{measured:,} of {say_count(total, 'item')}, evenly spaced"
    )
    about = f"{dataset.manifest.dataset}, {of}; each dimension scaled to variance 1"
    colours = model_colours(list_trainable())
    figure = draw_spectrum(spectra, title=title, about=about, colours=colours, look=options.look)
    return [Picture(name="spectrum", title=title, about=about, look=options.look, figure=figure)]


def _read_trained(dataset: Dataset, models: tuple[str, ...], drawn_N: torch.Tensor) -> list[_Vectors]:
    """Return the item vectors of those models that are trained on this dataset, as their last stage left them.

    Args:
        dataset: the models' own.
        models: by name.
        drawn_N: rows of the items that are drawn.
    """
    paths = {model: path for model in models if (path := find_finished_checkpoint(dataset.folder / model)) is not None}
    if not paths:
        name = dataset.manifest.dataset
        raise ArtifactError(
            f"{name} has none of these models trained: {', '.join(models)}",
            hint=f"train one: {command('run', name, model=models[0])}",
        )
    return [_vectors(model, open_checkpoint(path, dataset), drawn_N) for model, path in paths.items()]


def _vectors(model: str, checkpoint: Checkpoint, drawn_N: torch.Tensor) -> _Vectors:
    """Return what is measured and drawn of a table of items, which may be large and is not kept."""
    vectors_ND = restore_model(checkpoint, torch.device("cpu")).item_vectors_VD().detach()[1:]
    return _Vectors(
        name=display_name(model),
        vectors_ND=evenly_spaced(vectors_ND, MAX_MEASURED_ITEMS).double(),
        drawn_ND=vectors_ND[drawn_N].double(),
    )


def _find_mapped() -> tuple[str, ...]:
    """Return the models whose maps stand beside each other, those that diffuse item vectors first."""
    mapped = [name for name in list_trainable() if find_facts(name).mapped]
    return tuple(sorted(mapped, key=lambda name: not find_facts(name).sampled_outputs))


def _tells(categories: pl.Series) -> bool:
    """Return whether categories tell items apart: nothing is seen where nearly all are of one."""
    counts = categories.drop_nulls().value_counts()["count"].to_list()
    return len(counts) > 1 and max(counts) <= _LARGEST_CATEGORY * len(categories)


def _name_unwritten(categories: Sequence[str | None], look: Look) -> str:
    """Return the names of the categories that have numbers in a picture, as its fonts lack their letters."""
    shown = rank_categories(categories)
    unwritten = [
        f"{label} is {name}"
        for name, label in zip(shown, name_categories(shown, look), strict=True)
        if not can_draw(name, look)
    ]
    return (
        f"{', '.join(unwritten)}: the font lacks these letters, and {option('font')} names another" if unwritten else ""
    )


def _describe(each: _Vectors) -> str:
    rank, width = effective_rank(each.vectors_ND), each.vectors_ND.shape[1]
    return f"{each.name}\nrank {rank:.0f} of {width}, cosine {mean_cosine(each.vectors_ND):.2f}"
