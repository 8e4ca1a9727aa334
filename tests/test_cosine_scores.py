"""The plugin whose scores are cosines."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from adrec_cli.loading.plugins import plugins
from adrec_cli.models.registry import find_model
from tests.benchmarks import cosine_scores
from tests.robustness.processes import typed

PLUGIN = Path(cosine_scores.__file__)


def test_vectors_have_one_length_and_padding_has_none():
    vectors_VD = torch.cat([torch.zeros(1, 4), torch.randn(9, 4, generator=torch.Generator().manual_seed(0)) * 50])
    found_VD = cosine_scores.scale(vectors_VD, 0.05)
    lengths_V = torch.linalg.vector_norm(found_VD, dim=1)
    assert lengths_V[0] == 0
    torch.testing.assert_close(lengths_V[1:] ** 2, torch.full((9,), 20.0))
    cosines = torch.nn.functional.cosine_similarity(found_VD[1:], vectors_VD[1:])
    torch.testing.assert_close(cosines, torch.ones(9))


@pytest.mark.thorough
@pytest.mark.parametrize(("name", "stage"), [("cosine-sasrec", "train"), ("cosine-adrec", "finetune")])
def test_models_are_trained_and_rank_by_cosines(name, stage, workspace, tmp_path):
    more = ["--model", name, "--plugin", PLUGIN, "-w", workspace]
    small = ["--set", "model.hidden_size=8", "--set", "model.heads=2", "--epochs", "2", "--threads", "1"]
    warm = ["--set", "model.temperature=0.1", "--set", "model.item_dropout=0.2"]
    done = typed(["train", "tiny", *more, *small, *warm], tmp_path)
    assert done.exit_code == 0, done.stderr
    told = typed(["recommend", "--dataset", "tiny", *more, "--history", "i1,i2", "-k", "5", "--json"], tmp_path)
    assert told.exit_code == 0, told.stderr
    scores = [item["score"] for one in json.loads(told.stdout)["results"] for item in one["items"]]
    assert scores == sorted(scores, reverse=True)
    assert all(-10 <= score <= 10 for score in scores)
    assert (workspace / "tiny" / name / f"{stage}.safetensors").is_file()


def test_the_plugin_is_one():
    with plugins([PLUGIN]):
        assert {find_model(name).title for name in cosine_scores.MODELS} == {"SASRec, cosines", "ADRec, cosines"}
