"""What is taken away from ADRec, by name: each runs as one command, starts where it should, and still learns."""

from __future__ import annotations

import json

import pytest
import torch

from adrec_cli.artifacts.checkpoint import load_checkpoint
from adrec_cli.config import merge
from adrec_cli.errors import UsageError
from adrec_cli.experiments.experiment import compose
from adrec_cli.experiments.options import ExperimentOptions
from adrec_cli.experiments.work import Work
from adrec_cli.pipeline.sweep import sweep
from adrec_cli.pipeline.train import train, train_first_stage, train_next_stage
from adrec_cli.sweeping.ablations import find_ablations
from adrec_cli.sweeping.sweep_options import Design, SweepOptions
from tests.conftest import TINY

ABLATIONS = find_ablations("adrec")
SKIP = {"stages": {"pretrain": {"skip": True}, "align": {"skip": True}, "finetune": {"skip": True}}}


def trained(workspace, tables, **options):
    experiment = ExperimentOptions(overrides=merge(TINY, tables))
    return train("tiny", workspace=workspace, experiment=experiment, work=Work(**options))


@pytest.mark.parametrize("name", ABLATIONS)
def test_every_ablation_lies_over_any_experiment(name):
    base = compose("adrec", preset="rechorus").tables()
    tables = compose("adrec", inherited=merge(base, ABLATIONS[name])).tables()
    assert tables != base
    assert merge(tables, ABLATIONS[name]) == tables


def test_an_unknown_ablation_is_refused_with_the_known_ones(workspace):
    with pytest.raises(UsageError, match="unknown ablation 'pretraining'") as refused:
        sweep("tiny", workspace=workspace, options=SweepOptions(design=Design(ablate=("pretraining",))))
    assert "three-stage" in refused.value.hint


def test_without_three_stages_finetuning_starts_from_fresh_weights(workspace):
    (result,) = trained(workspace, ABLATIONS["three-stage"])
    assert (result.stage, result.metadata.parent_sha256) == ("finetune", "")
    assert {"item_embedding.weight", "adm.blocks.0.expand.weight"} <= load_checkpoint(result.path)[0].keys()


def test_without_pretraining_the_frozen_item_vectors_are_fresh_ones(workspace):
    align, finetune = trained(workspace, ABLATIONS["pretrain"])
    assert (align.stage, align.metadata.parent_sha256) == ("align", "")
    assert finetune.metadata.parent_sha256
    vectors = load_checkpoint(align.path)[0]["item_embedding.weight"]
    assert vectors[1:].std().item() == pytest.approx(0.02, rel=0.1), "as drawn"


def test_without_alignment_finetuning_starts_from_pretraining(workspace):
    pretrain, finetune = trained(workspace, ABLATIONS["align"])
    assert (pretrain.stage, finetune.stage) == ("pretrain", "finetune")
    assert load_checkpoint(pretrain.path)[0]["adm.blocks.0.expand.weight"].any(), "the ADM is drawn already"


def test_stages_one_by_one_keep_to_the_plan(workspace):
    options = ExperimentOptions(overrides=merge(TINY, ABLATIONS["align"]))
    first = train_first_stage("tiny", workspace=workspace, experiment=options)
    last = train_next_stage("finetune", parent=str(first.path), workspace=workspace)
    assert last.stage == "finetune"
    with pytest.raises(UsageError, match="'align' is not a later stage of adrec with these options"):
        train_next_stage("align", parent=str(first.path), workspace=workspace)
    with pytest.raises(UsageError, match="stage pretrain is skipped"):
        train_first_stage("tiny", workspace=workspace, experiment=ExperimentOptions(preset="no-pretrain"))


def test_skipping_every_stage_is_refused():
    with pytest.raises(UsageError, match="every stage is skipped"):
        compose("adrec", overrides=SKIP)


@pytest.mark.parametrize(("fresh", "kept"), [(["adm"], True), (["cam", "adm"], False)])
def test_the_cam_is_carried_over_from_pretraining_or_fresh(workspace, fresh, kept):
    """With a learning rate that moves nothing, the CAM after align is the one it started with."""
    still = {"stages": {"align": {"fresh": fresh, "learning_rate": 1e-30}}}
    pretrain, align, _ = trained(workspace, still)
    before, after = (load_checkpoint(result.path)[0]["cam.blocks.0.expand.weight"] for result in (pretrain, align))
    assert torch.allclose(before, after, atol=1e-6) is kept


@pytest.mark.parametrize(("ce_weight", "losses"), [(1.0, {"ce", "mse"}), (0.0, {"mse"})])
def test_alignment_learns_from_the_mse_alone_or_from_both_losses(workspace, ce_weight, losses):
    trained(workspace, {"stages": {"align": {"ce_weight": ce_weight}}})
    rows = [json.loads(line) for line in (workspace / "tiny/adrec/align.jsonl").read_text().splitlines()]
    assert rows[0]["losses"].keys() == losses
