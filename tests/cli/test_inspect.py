"""`adrec inspect` on a trained workspace."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
import torch

from adrec_cli.artifacts.checkpoint import load_checkpoint
from adrec_cli.cli.show.sparkline import sparkline
from adrec_cli.cli.show.terminal import Terminal
from adrec_cli.diagnostics.embedding import diagnose
from adrec_cli.diagnostics.spread import evenly_spaced
from adrec_cli.errors import ArtifactError, InputError
from adrec_cli.inspecting import inspection
from adrec_cli.inspecting.options import InspectOptions
from adrec_cli.pipeline.inspect import inspect
from adrec_cli.training.diagnostics import embedding_health
from tests.cli.conftest import Adrec


def test_models_stand_beside_noise(shop: Path) -> None:
    found = inspect(["pretrain", "finetune"], workspace=shop)
    assert [model.name for model in found.models] == ["adrec pretrain", "adrec finetune"]
    tensors, _ = load_checkpoint(shop / "shop/adrec/finetune.safetensors")
    expected = diagnose(tensors["item_embedding.weight"][1:])
    assert found.models[1].diagnostics.singular_values == expected.singular_values
    assert (found.noise.items, found.noise.width) == (12, 8)
    assert found.noise.embedding_variance == pytest.approx(found.models[0].diagnostics.embedding_variance, rel=0.5)
    again = inspect(["pretrain", "finetune"], workspace=shop)
    assert again == found


def test_neighbours_have_titles(shop: Path) -> None:
    found = inspect([], workspace=shop, options=InspectOptions(item_ids=("i01",), k=3))
    (model,) = found.models
    assert model.name == "adrec"
    (around,) = model.neighbourhoods
    assert around.title == "Crème brûlée"
    assert [one.rank for one in around.neighbours] == [1, 2, 3]
    assert "i01" not in {one.item_id for one in around.neighbours}
    cosines = [one.cosine for one in around.neighbours]
    assert cosines == sorted(cosines, reverse=True)


def test_what_is_not_there_is_refused(shop: Path) -> None:
    with pytest.raises(InputError, match="no item 'i99'"):
        inspect([], workspace=shop, options=InspectOptions(item_ids=("i01", "i99")))
    with pytest.raises(ArtifactError, match="no trained model sasrec"):
        inspect(["sasrec"], workspace=shop)


def test_without_scikit_learn_only_the_silhouette_is_missing(
    adrec: Adrec, shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    done = adrec("inspect", "finetune", "-w", shop, "--json")
    assert done.exit_code == 0, done.stderr
    assert "pip install 'adrec-cli[plots]'" in done.stderr
    figures = json.loads(done.stdout)["models"][0]["diagnostics"]
    assert figures["silhouette"] is None
    assert figures["effective_rank"] > 1


def test_a_collapse_is_a_warning(adrec: Adrec, shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspection, "embedding_health", lambda vectors: embedding_health(torch.ones_like(vectors)))
    done = adrec("inspect", "finetune", "-w", shop)
    assert "warning: adrec: the item vectors collapse: mean cosine 1.000" in done.stderr
    assert "mean cosine\t" in done.stdout
    assert "figure\tmeaning" in done.stdout
    assert "meaning" not in adrec("inspect", "finetune", "-w", shop, "--no-explain").stdout


def test_a_terminal_shows_the_spectrum_of_each_and_of_noise(
    adrec: Adrec, shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Terminal, "draws", True)
    drawn = adrec("inspect", "pretrain", "finetune", "-w", shop, "--no-explain").stdout
    bars = re.findall("[▁▂▃▄▅▆▇█]+", drawn)
    # Singular values fall, from the largest, which fills its cell, to the least, above the ground that stands for none.
    assert [(len(one), one[0]) for one in bars] == [(7, "█")] * 3
    assert all(list(one) == sorted(one, reverse=True) for one in bars)
    found = inspect(["pretrain", "finetune"], workspace=shop)
    measured = [*(model.diagnostics.singular_values for model in found.models), found.noise.singular_values]
    assert bars == [sparkline(values, 7, lowest=0) for values in measured]


def test_of_very_many_items_some_are_measured_and_it_says_so(adrec: Adrec, shop: Path, monkeypatch) -> None:
    tensors, _ = load_checkpoint(shop / "shop/adrec/finetune.safetensors")
    vectors_ND = tensors["item_embedding.weight"][1:]
    whole = adrec("inspect", "finetune", "--json", "-w", shop, "--dataset", "shop")
    monkeypatch.setattr("adrec_cli.inspecting.embeddings.MAX_MEASURED_ITEMS", 6)
    done = adrec("inspect", "finetune", "--json", "-w", shop, "--dataset", "shop")
    (model,) = json.loads(done.stdout)["models"]
    assert (model["items"], model["diagnostics"]["items"]) == (len(vectors_ND), 6)
    expected = diagnose(evenly_spaced(vectors_ND, 6)).effective_rank
    assert model["diagnostics"]["effective_rank"] == pytest.approx(expected)
    assert json.loads(whole.stdout)["models"][0]["diagnostics"]["items"] == len(vectors_ND)
    shown = adrec("inspect", "finetune", "-w", shop, "--dataset", "shop")
    assert "figures of 6 items, evenly spaced" in shown.stdout + shown.stderr
