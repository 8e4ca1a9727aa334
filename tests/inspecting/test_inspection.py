"""Item vectors of several models: whose they are, what is near to what, and the noise they stand beside."""

from __future__ import annotations

import dataclasses
from collections import Counter
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from adrec_cli.diagnostics.embedding import diagnose
from adrec_cli.errors import ArtifactError, InputError, UsageError
from adrec_cli.inspecting import embeddings, inspection
from adrec_cli.inspecting.embeddings import Embedding, distinguish, isotropic_noise
from adrec_cli.inspecting.inspection import InspectedModel, Inspection, inspect_embeddings
from adrec_cli.inspecting.options import InspectOptions
from adrec_cli.loading.opening import Checkpoint
from tests.made_up import made_up
from tests.reporting.made_up import a_stage


def a_checkpoint(model: str, stage: str, path: str) -> Checkpoint:
    metadata = a_stage(model, stage).metadata
    return Checkpoint(path=Path(path), sha256=f"sha of {path}", metadata=metadata, tensors={})


@given(st.lists(st.tuples(st.sampled_from(["adrec", "sasrec"]), st.sampled_from(["align", "train"])), max_size=5))
def test_models_are_named_by_as_much_as_tells_them_apart(made: list[tuple[str, str]]) -> None:
    names = distinguish([a_checkpoint(model, stage, f"p{place}") for place, (model, stage) in enumerate(made)])
    models, stages = Counter(model for model, _ in made), Counter(made)
    assert names == [
        model if models[model] == 1 else f"{model} {stage}" if stages[model, stage] == 1 else f"p{place}"
        for place, (model, stage) in enumerate(made)
    ]
    assert len(set(names)) == len(names)


def test_noise_is_as_wide_and_as_varied_as_the_vectors() -> None:
    vectors = torch.randn(5, 3, generator=torch.Generator().manual_seed(0)) * torch.tensor([1.0, 5.0, 0.1]) + 7
    noise = isotropic_noise(vectors, seed=1)
    assert noise.shape == vectors.shape
    mean = vectors.double().mean(dim=0)
    deviation = float(((vectors.double() - mean) ** 2).mean().sqrt())
    wider = isotropic_noise(vectors * 3, seed=1)
    assert torch.allclose(wider, noise * 3)
    many = isotropic_noise(vectors.repeat(4000, 1), seed=1)
    assert float(many.std()) == pytest.approx(deviation, rel=0.02)
    assert not torch.equal(isotropic_noise(vectors, seed=2), noise)


@pytest.mark.parametrize(("measured", "sampled"), [(50, ""), (49, "figures of 49 items, evenly spaced")])
def test_a_sample_is_one_of_fewer_items(measured: int, sampled: str) -> None:
    diagnostics = dataclasses.replace(diagnose(torch.randn(5, 3)), items=measured)
    models = [
        made_up(InspectedModel, items=50, diagnostics=dataclasses.replace(diagnostics, items=50)),
        made_up(InspectedModel, items=50, diagnostics=diagnostics),
    ]
    assert Inspection(models=models, noise=diagnostics, without_silhouette=False).about_sample == sampled


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Embedding]:
    """Let these be the vectors that are opened, one of items with titles and one without."""
    ids = [f"i{number}" for number in range(6)]
    titled = pl.DataFrame({"item_id": ids, "title": [f"title {one}" for one in ids]})
    found = [
        Embedding(
            checkpoint=a_checkpoint(model, "train", model), items=items,
            vectors_VD=torch.randn(7, 4, generator=torch.Generator().manual_seed(seed)),
        )
        for seed, (model, items) in enumerate((("adrec", titled), ("sasrec", titled.drop("title"))))
    ]  # fmt: skip
    monkeypatch.setattr(inspection, "open_embeddings", lambda names, **given: iter(found))
    return found


def inspect(**options: Any) -> Inspection:
    return inspect_embeddings([], workspace=Path("nowhere"), options=InspectOptions(**options))


def test_neighbours_are_those_of_the_largest_cosine(opened: list[Embedding]) -> None:
    found = inspect(item_ids=("i4", "i0"), k=3)
    assert [model.name for model in found.models] == ["adrec", "sasrec"]
    for model, embedding in zip(found.models, opened, strict=True):
        assert (model.items, model.model, model.stage, model.epoch) == (6, embedding.checkpoint.path.name, "train", 7)
        unit = torch.nn.functional.normalize(embedding.vectors_VD[1:].double(), dim=1)
        titled = "title" in embedding.items.columns
        assert [(one.item_id, one.title) for one in model.neighbourhoods] == [
            (name, f"title {name}" if titled else None) for name in ("i4", "i0")
        ]
        for around, row in zip(model.neighbourhoods, (4, 0), strict=True):
            cosines = {other: float(unit[row] @ unit[other]) for other in range(6) if other != row}
            nearest = sorted(cosines, key=lambda other: -cosines[other])[:3]
            assert [(one.rank, one.item_id) for one in around.neighbours] == [
                (rank, f"i{other}") for rank, other in enumerate(nearest, start=1)
            ]
            assert [one.cosine for one in around.neighbours] == pytest.approx([cosines[one] for one in nearest])
            assert [one.title for one in around.neighbours] == [
                f"title i{other}" if titled else None for other in nearest
            ]
    assert all(not model.neighbourhoods for model in inspect().models)
    with pytest.raises(InputError, match="tiny has no item 'x', 'y'"):
        inspect(item_ids=("x", "i1", "y"))


def test_figures_are_of_the_items_and_noise_of_the_first_model(opened: list[Embedding]) -> None:
    found = inspect(seed=3, clusters=2)
    for model, embedding in zip(found.models, opened, strict=True):
        expected = diagnose(embedding.vectors_VD[1:])
        assert dataclasses.replace(model.diagnostics, silhouette=None) == expected
    expected = diagnose(isotropic_noise(opened[0].vectors_VD[1:], 3))
    assert dataclasses.replace(found.noise, silhouette=None) == expected
    assert found.without_silhouette is (found.noise.silhouette is None)


@pytest.mark.parametrize(("option", "least"), [("k", 1), ("clusters", 2)])
def test_options_have_bounds(option: str, least: int) -> None:
    assert getattr(InspectOptions(**{option: least}), option) == least
    with pytest.raises(UsageError, match=f"at least {least}|between {least} and"):
        InspectOptions(**{option: least - 1})


def test_models_are_those_of_the_data_set_or_those_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = tmp_path / "shop"
    for name in ("adrec", "sasrec", "gru4rec"):
        (shop / name).mkdir(parents=True)
    (shop / "manifest.json").write_text("{}")
    current = {"adrec": "a", "gru4rec": "g"}
    monkeypatch.setattr(embeddings, "find_current", lambda folder: current.get(folder.name))
    space = embeddings.Workspace(tmp_path)
    assert embeddings._locate(space, [], "shop") == [("a", shop), ("g", shop)]
    assert embeddings._locate(space, ["gru4rec", "adrec"], "shop") == [("g", shop), ("a", shop)]
    with pytest.raises(ArtifactError, match="shop has no trained model sasrec"):
        embeddings._locate(space, ["adrec", "sasrec"], "shop")
    current.clear()
    with pytest.raises(ArtifactError, match=r"shop has no trained model$"):
        embeddings._locate(space, [], "shop")
