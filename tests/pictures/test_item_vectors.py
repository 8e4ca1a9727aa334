"""Maps and spectra are of the vectors of the models that are there, with the items that belong to them."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import torch

from adrec_cli.diagnostics.spectrum import effective_rank, singular_values
from adrec_cli.diagnostics.spread import mean_cosine
from adrec_cli.errors import ArtifactError
from adrec_cli.inspecting.embeddings import isotropic_noise
from adrec_cli.loading.opening import Dataset
from adrec_cli.models.registry import find_facts, list_trainable
from adrec_cli.pictures import item_vectors
from adrec_cli.pictures.item_vectors import maps, spectrum
from adrec_cli.pictures.options import PictureOptions
from adrec_cli.plots.embedding_map import EmbeddingMap
from adrec_cli.plots.spectrum import NOISE
from tests.loading.content import with_items
from tests.pictures.test_what_is_drawn import Catch


class _Restored:
    """A model that has the vectors it is made with."""

    def __init__(self, vectors_VD: torch.Tensor) -> None:
        self.vectors_VD = vectors_VD

    def item_vectors_VD(self) -> torch.Tensor:
        return self.vectors_VD


@pytest.fixture
def trained(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> dict[str, torch.Tensor]:
    """Let three models be trained; return their vectors, with that of padding first."""
    there = ["sasrec", "adrec", "gru4rec"]
    count = dataset.items.height
    vectors = {
        name: torch.randn(count + 1, 6, generator=torch.Generator().manual_seed(place)) * (1 + place)
        for place, name in enumerate(there)
    }
    monkeypatch.setattr(
        item_vectors, "find_finished_checkpoint", lambda folder: folder if folder.name in there else None
    )
    monkeypatch.setattr(item_vectors, "open_checkpoint", lambda path, dataset: path.name)
    monkeypatch.setattr(item_vectors, "restore_model", lambda name, device: _Restored(vectors[name]))
    monkeypatch.setattr(item_vectors, "project", lambda drawn, seed: (drawn[:, :2] + seed).astype(np.float32))
    return vectors


@pytest.mark.parametrize("items", [2000, 9])
def test_a_map_has_the_items_it_shows_in_their_order(
    dataset: Dataset, trained: dict[str, torch.Tensor], catch: Catch, items: int
) -> None:
    pytest.importorskip("matplotlib", reason="the extra plots is not installed")
    popular, by_category = catch("item_vectors.draw_by_popularity"), catch("item_vectors.draw_by_category")
    kinds = ["a" if number % 3 else "b" for number in range(dataset.items.height)]
    told = with_items(dataset, dataset.items.with_columns(pl.Series("category", kinds)))
    found = maps(told, PictureOptions(items=items, seed=4))
    count = dataset.items.height
    rows = [number * count // min(items, count) for number in range(min(items, count))]
    expected = [
        EmbeddingMap(
            name=f"{find_facts(name).title}\nrank {effective_rank(each):.0f} of 6, cosine {mean_cosine(each):.2f}",
            points_N2=(each[rows][:, :2] + 4).numpy().astype(np.float32),
        )
        for name in ("adrec", "sasrec")
        for each in [trained[name][1:].double()]
    ]  # fmt: skip
    for asked, of in ((popular, dataset.items["count"].to_numpy()[rows]), (by_category, [kinds[row] for row in rows])):
        ((shown, values),) = [(what, options) for what, options in zip(asked.what, asked.options, strict=True)]
        plane, given = shown
        assert [one.name for one in plane] == [one.name for one in expected], "those that diffuse vectors first"
        for one, other in zip(plane, expected, strict=True):
            assert np.array_equal(one.points_N2, other.points_N2)
        assert list(given) == list(of)
        assert set(values) == {"title", "about", "look"}
    assert [one.name for one in found] == ["embeddings-popularity", "embeddings-category"]
    assert [one.title for one in found] == ["Item vectors on tiny by popularity", "Item vectors on tiny by category"]
    assert all(one.about.startswith(f"tiny, {len(rows):,} of {count:,} items; t-SNE") for one in found)
    assert all(one.about.endswith("seed 4") for one in found)


@pytest.mark.parametrize(
    ("kinds", "tells"),
    [
        (["a"] * 9 + ["b"], True), (["a"] * 10 + ["b"], False), (["a"] * 10, False), ([None] * 5 + ["a", "b"], True),
        (["a"] * 10 + [None], False), ([None, None], False), (["a", "b"], True),
    ],
)  # fmt: skip
def test_categories_tell_items_apart_unless_nearly_all_are_one(kinds: list[str | None], tells: bool) -> None:
    assert item_vectors._tells(pl.Series(kinds, dtype=pl.String)) is tells


def test_without_categories_there_is_one_map(dataset: Dataset, trained: dict[str, torch.Tensor], catch: Catch) -> None:
    catch("item_vectors.draw_by_popularity")
    assert [one.name for one in maps(dataset, PictureOptions())] == ["embeddings-popularity"]


def test_the_spectrum_is_of_every_model_and_of_noise_as_wide(
    dataset: Dataset, trained: dict[str, torch.Tensor], catch: Catch, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = catch("item_vectors.draw_spectrum")
    (found,) = spectrum(dataset, PictureOptions())
    (spectra,) = drawn.what
    order = [name for name in list_trainable() if name in trained]
    assert [one.name for one in spectra] == [*(find_facts(name).title for name in order), NOISE]
    for name, one in zip(order, spectra, strict=False):
        vectors = trained[name][1:].double()
        assert list(one.singular_values) == singular_values(vectors).tolist()
        assert one.effective_rank == effective_rank(vectors)
        assert one.items == dataset.items.height
    noise = spectra[-1]
    expected = isotropic_noise(trained[order[0]][1:].double(), 0).double()
    assert list(noise.singular_values) == singular_values(expected).tolist(), "as varied as the first model"
    assert (noise.items, len(noise.singular_values)) == (dataset.items.height, 6)
    count = dataset.items.height
    assert found.about == f"tiny, {count:,} items; each dimension scaled to variance 1"
    assert (found.name, found.title) == ("spectrum", "Directions that item vectors use on tiny")
    assert drawn.options[0]["colours"]["ADRec"] == find_facts("adrec").colour
    monkeypatch.setattr(item_vectors, "MAX_MEASURED_ITEMS", 10)
    (found,) = spectrum(dataset, PictureOptions(seed=1))
    assert found.about.startswith(f"tiny, 10 of {count:,} items, evenly spaced; ")
    assert {one.items for one in drawn.what[1]} == {10}
    assert drawn.what[1][-1].singular_values != noise.singular_values
    rows = [number * count // 10 for number in range(10)]
    assert drawn.what[1][0].effective_rank == effective_rank(trained[order[0]][1:][rows].double())


@pytest.mark.parametrize(("draw", "fewest"), [(maps, 8), (spectrum, 3)])
def test_few_items_are_too_few(
    dataset: Dataset, trained: dict[str, torch.Tensor], catch: Catch, draw, fewest: int
) -> None:
    for name in ("draw_by_popularity", "draw_spectrum"):
        catch(f"item_vectors.{name}")
    few = with_items(dataset, dataset.items.head(fewest - 1))
    with pytest.raises(ArtifactError, match=f"{fewest - 1} items are too few for a"):
        draw(few, PictureOptions())
    assert draw(with_items(dataset, dataset.items.head(fewest)), PictureOptions())


@pytest.mark.parametrize("draw", [maps, spectrum])
def test_without_a_trained_model_there_is_none(dataset: Dataset, draw) -> None:
    with pytest.raises(ArtifactError, match="tiny has none of these models trained: adrec"):
        draw(dataset, PictureOptions())
