"""Stages as commands: what they hand over, skip, resume and refuse, and that they learn."""

from __future__ import annotations

import itertools
import json
import shutil

import pytest
import torch

from adrec_cli.artifacts.checkpoint import load_checkpoint, save_checkpoint
from adrec_cli.artifacts.checkpoint_metadata import read_metadata
from adrec_cli.config import merge
from adrec_cli.errors import ArtifactError, DivergedError, InterruptedRun, UsageError
from adrec_cli.evaluating.options import EvaluationOptions
from adrec_cli.experiments import validation
from adrec_cli.experiments.events import StageStarted
from adrec_cli.experiments.options import ExperimentOptions
from adrec_cli.experiments.work import ComputeOptions, Work
from adrec_cli.models.sampling import FAST_SAMPLING
from adrec_cli.pipeline.evaluate import evaluate
from adrec_cli.pipeline.preprocess import PreprocessOptions, preprocess
from adrec_cli.pipeline.train import train, train_first_stage, train_next_stage
from adrec_cli.runtime import StopRequest
from adrec_cli.training.events import EpochDone, StepDone
from tests.conftest import TINY, write_interactions
from tests.tiers import sampled

TINY_EXPERIMENT = ExperimentOptions(overrides=TINY)
LEARNING = ExperimentOptions(
    overrides=merge(
        TINY,
        {
            "training": {"batch_size": 16},
            "stages": {
                "pretrain": {"epochs": 30, "learning_rate": 0.01},
                "align": {"epochs": 5, "learning_rate": 0.01},
                "finetune": {"epochs": 10, "learning_rate": 0.005},
            },
        },
    )
)


def trained(workspace, **options):
    return train("tiny", workspace=workspace, experiment=TINY_EXPERIMENT, work=Work(**options))


def test_three_stages_hand_over(workspace):
    results = trained(workspace)
    assert [result.stage for result in results] == ["pretrain", "align", "finetune"]
    metadata = [result.metadata for result in results]
    assert [entry.output for entry in metadata] == ["condition", "x_start", "x_start"]
    assert metadata[0].parent_sha256 == ""
    assert len({entry.parent_sha256 for entry in metadata}) == 3
    assert metadata[2].metrics["protocol"] == "loo/full/valid"
    rows = [json.loads(line) for line in (workspace / "tiny/adrec/finetune.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    assert {"ce", "mse"} <= rows[0]["losses"].keys()
    assert not list(workspace.rglob("*.state.safetensors"))
    assert not list(workspace.rglob("*.tmp"))


def test_align_leaves_the_embedding_bytes_as_they_were(workspace):
    trained(workspace)
    before, _ = load_checkpoint(workspace / "tiny/adrec/pretrain.safetensors")
    after, _ = load_checkpoint(workspace / "tiny/adrec/align.safetensors")
    assert torch.equal(before["item_embedding.weight"], after["item_embedding.weight"])
    assert not torch.equal(before["cam.blocks.0.expand.weight"], after["cam.blocks.0.expand.weight"])


def test_a_second_time_everything_is_up_to_date_until_something_changes(workspace):
    trained(workspace)
    before = {path: path.read_bytes() for path in workspace.rglob("*.safetensors")}
    assert all(result.skipped for result in trained(workspace))
    changed = ExperimentOptions(overrides=merge(TINY, {"stages": {"finetune": {"mse_weight": 0.5}}}))
    results = train("tiny", workspace=workspace, experiment=changed)
    assert [result.skipped for result in results] == [True, True, False]
    assert trained(workspace, options=ComputeOptions(force=True))[0].skipped is False
    assert {path: path.read_bytes() for path in workspace.rglob("*.safetensors")} == before


@sampled(
    "setting",
    [{"lambda": 0.5}, {"condition_dropout": 0.2, "guidance": 1.0}, {"diffusion_steps": 7}],
    quick=[{"condition_dropout": 0.2, "guidance": 1.0}],
)
def test_options_that_pretraining_ignores_do_not_train_it_again(workspace, tmp_path, setting):
    shutil.copytree(workspace, tmp_path / "fresh")
    changed = ExperimentOptions(overrides=merge(TINY, {"model": setting}))
    trained(workspace)
    results = train("tiny", workspace=workspace, experiment=changed)
    assert [result.skipped for result in results] == [True, False, False]
    train("tiny", workspace=tmp_path / "fresh", experiment=changed)
    for result in results:
        fresh = tmp_path / "fresh" / result.path.relative_to(workspace)
        assert result.path.read_bytes() == fresh.read_bytes(), "also what it says of its options, which others inherit"
        assert result.metadata == read_metadata(fresh)


@sampled("setting", [{"dropout": 0.4}, {"cam_blocks": 3}, {"item_dropout": 0.1}], quick=[{"cam_blocks": 3}])
def test_options_that_pretraining_reads_train_it_again(workspace, setting):
    trained(workspace)
    changed = ExperimentOptions(overrides=merge(TINY, {"model": setting}))
    assert not train_first_stage("tiny", workspace=workspace, experiment=changed).skipped


@sampled(
    "stage,stop_after",
    itertools.product(["pretrain", "align", "finetune"], [1, 3]),
    quick=[("align", 1), ("finetune", 3)],
)
def test_an_interrupted_command_goes_on_to_the_same_bytes(workspace, tmp_path, stage, stop_after):
    shutil.copytree(workspace, tmp_path / "whole")
    trained(tmp_path / "whole")
    stop = StopRequest()
    steps = 0

    def interrupt(event):
        nonlocal steps
        if isinstance(event, StepDone) and event.stage == stage:
            steps += 1
            if steps == stop_after:
                stop.signal_number = 15

    with pytest.raises(InterruptedRun) as stopped:
        trained(workspace, stop=stop, on_event=interrupt)
    assert stopped.value.exit_code == 143
    assert (workspace / f"tiny/adrec/{stage}.state.safetensors").is_file()
    assert not (workspace / f"tiny/adrec/{stage}.safetensors").exists()
    started = []
    trained(workspace, on_event=lambda event: started.append(event) if isinstance(event, StageStarted) else None)
    assert started[0].stage == stage
    assert started[0].resumed_epoch is not None
    for name in ("pretrain", "align", "finetune"):
        found = (workspace / f"tiny/adrec/{name}.safetensors").read_bytes()
        assert found == (tmp_path / f"whole/tiny/adrec/{name}.safetensors").read_bytes()


def test_a_stop_in_a_validation_goes_on_to_the_same_bytes(workspace, tmp_path, monkeypatch):
    shutil.copytree(workspace, tmp_path / "whole")
    trained(tmp_path / "whole")
    stop, ranked = StopRequest(), validation.target_ranks

    def interrupt(*asked, **named):
        stop.signal_number = 15
        return ranked(*asked, **named)

    monkeypatch.setattr(validation, "target_ranks", interrupt)
    with pytest.raises(InterruptedRun, match="pretrain stopped in epoch 1 and saved"):
        trained(workspace, stop=stop)
    monkeypatch.undo()
    trained(workspace)
    name = "tiny/adrec/finetune.safetensors"
    assert (workspace / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_a_stop_after_the_last_epoch_hands_over_the_best_weights(workspace, tmp_path):
    """They are not those of the last epoch, which learns far too fast."""
    shutil.copytree(workspace, tmp_path / "whole")
    wild = {"epochs": 3, "learning_rate": 0.5, "patience": 0}
    experiment = ExperimentOptions(overrides=merge(TINY, {"stages": {"pretrain": wild}}))
    whole = train_first_stage("tiny", workspace=tmp_path / "whole", experiment=experiment)
    assert whole.metadata.epoch < 3
    stop = StopRequest()

    def interrupt(event):
        if isinstance(event, EpochDone) and event.epoch == event.epochs:
            stop.signal_number = 15

    with pytest.raises(InterruptedRun, match="pretrain is finished and saved"):
        train_first_stage("tiny", workspace=workspace, experiment=experiment, work=Work(stop=stop, on_event=interrupt))
    assert (workspace / "tiny/adrec/pretrain.safetensors").read_bytes() == whole.path.read_bytes()


def test_a_state_of_other_options_is_not_resumed(workspace):
    stop = StopRequest()

    def interrupt(event):
        if isinstance(event, StepDone):
            stop.signal_number = 2

    with pytest.raises(InterruptedRun):
        trained(workspace, stop=stop, on_event=interrupt)
    other = ExperimentOptions(overrides=merge(TINY, {"training": {"seed": 2}}))
    with pytest.raises(ArtifactError, match="other data, options or code"):
        train_first_stage(
            "tiny", workspace=workspace, experiment=other, work=Work(options=ComputeOptions(resume="require"))
        )
    assert not train_first_stage("tiny", workspace=workspace, experiment=other).skipped
    with pytest.raises(ArtifactError, match="nothing to resume"):
        train_first_stage(
            "tiny",
            workspace=workspace,
            experiment=other,
            work=Work(options=ComputeOptions(resume="require", force=True)),
        )


def test_later_stages_start_from_the_right_checkpoint_only(workspace):
    train_first_stage("tiny", workspace=workspace, experiment=TINY_EXPERIMENT)
    with pytest.raises(ArtifactError, match="is of stage 'pretrain', finetune starts from stage 'align'") as refused:
        train_next_stage("finetune", parent="pretrain.safetensors", workspace=workspace)
    assert refused.value.hint == "adrec finetune --from align.safetensors"
    aligned = train_next_stage("align", parent="pretrain.safetensors", workspace=workspace)
    assert aligned.metadata.config["hidden_size"] == TINY["model"]["hidden_size"]
    assert aligned.metadata.training["training"]["batch_size"] == TINY["training"]["batch_size"]
    with pytest.raises(ArtifactError, match=r"no checkpoint finetune\.safetensors"):
        train_next_stage("finetune", parent="finetune", workspace=workspace)


def test_a_checkpoint_of_another_dataset_is_refused_although_it_fits(workspace, tmp_path):
    train_first_stage("tiny", workspace=workspace, experiment=TINY_EXPERIMENT)
    write_interactions(tmp_path / "other.csv", seed=9)
    preprocess(str(tmp_path / "other.csv"), workspace=workspace, options=PreprocessOptions())
    path = str(workspace / "tiny/adrec/pretrain.safetensors")
    with pytest.raises(ArtifactError, match="was trained on other items: dataset 'tiny'"):
        train_next_stage("align", parent=path, workspace=workspace, dataset_name="other")


def test_an_ambiguous_name_lists_the_candidates(workspace, tmp_path):
    train_first_stage("tiny", workspace=workspace, experiment=TINY_EXPERIMENT)
    write_interactions(tmp_path / "other.csv", seed=9)
    preprocess(str(tmp_path / "other.csv"), workspace=workspace, options=PreprocessOptions())
    train_first_stage("other", workspace=workspace, experiment=TINY_EXPERIMENT)
    with pytest.raises(UsageError, match=r"ambiguous: .*other/adrec.*tiny/adrec"):
        train_next_stage("align", parent="pretrain.safetensors", workspace=workspace)
    assert train_next_stage("align", parent="pretrain.safetensors", workspace=workspace, dataset_name="other")


def test_a_network_of_another_size_is_refused_in_later_stages(workspace):
    train_first_stage("tiny", workspace=workspace, experiment=TINY_EXPERIMENT)
    wider = ExperimentOptions(overrides={"model": {"hidden_size": 32}})
    with pytest.raises(ArtifactError, match=r"does not fit the configuration of align: hidden_size is 32, was 16$"):
        train_next_stage("align", parent="pretrain", workspace=workspace, experiment=wider)


def test_divergence_stops_with_exit_code_6_and_keeps_the_last_checkpoint(workspace):
    done = train_first_stage("tiny", workspace=workspace, experiment=TINY_EXPERIMENT)
    before = done.path.read_bytes()
    wild = ExperimentOptions(overrides=merge(TINY, {"stages": {"pretrain": {"learning_rate": 1e30}}}))
    with pytest.raises(DivergedError, match=r"pretrain epoch 1 step \d: (loss ce|the gradient)") as stopped:
        train_first_stage("tiny", workspace=workspace, experiment=wild)
    assert stopped.value.exit_code == 6
    assert done.path.read_bytes() == before
    assert read_metadata(done.path) == done.metadata


def test_damaged_weights_are_refused_as_a_parent(workspace):
    done = train_first_stage("tiny", workspace=workspace, experiment=TINY_EXPERIMENT)
    tensors, metadata = load_checkpoint(done.path)
    tensors["input_norm.weight"][0] = float("inf")
    save_checkpoint(done.path, tensors, metadata)
    with pytest.raises(ArtifactError, match=r"input_norm\.weight has values that are not finite"):
        train_next_stage("align", parent="pretrain", workspace=workspace)


def test_what_can_be_learned_is_learned(workspace):
    epochs = []
    train(
        "tiny",
        workspace=workspace,
        experiment=LEARNING,
        work=Work(on_event=lambda event: epochs.append(event) if isinstance(event, EpochDone) else None),
    )
    for stage in ("pretrain", "align", "finetune"):
        of_stage = [epoch for epoch in epochs if epoch.stage == stage]
        assert all(of_stage[-1].losses[name] < loss for name, loss in of_stage[0].losses.items())
    popular = evaluate("mostpop", workspace=workspace).metrics["ndcg@10"]
    for stage in ("pretrain", "finetune"):
        assert evaluate(stage, workspace=workspace).metrics["ndcg@10"] > max(0.6, 2 * popular)


@pytest.mark.thorough
def test_noise_is_not_learned(tmp_path):
    """On independent draws nothing beats popularity but by chance: at 400 users 3 standard errors are about 0.06."""
    write_interactions(tmp_path / "noise.csv", users=400, shuffled=True)
    preprocess(str(tmp_path / "noise.csv"), workspace=tmp_path, options=PreprocessOptions())
    train("noise", workspace=tmp_path, experiment=LEARNING)
    options = EvaluationOptions()
    popular = evaluate("mostpop", workspace=tmp_path, options=options).metrics["hr@10"]
    model = evaluate("finetune", workspace=tmp_path, options=options).metrics["hr@10"]
    assert model < popular + 0.06


def test_epochs_may_be_monitored_on_some_users_and_the_checkpoint_says_what_all_do(workspace):
    few = ExperimentOptions(overrides=merge(TINY, {"training": {"monitor_users": 7}}))
    told: list[EpochDone] = []
    done = train(
        "tiny",
        workspace=workspace,
        experiment=few,
        work=Work(on_event=lambda event: told.append(event) if isinstance(event, EpochDone) else None),
    )[-1]
    whole = evaluate(
        "finetune", workspace=workspace, options=EvaluationOptions(part="valid", sampling=FAST_SAMPLING)
    ).metrics["ndcg@10"]
    assert done.metadata.metrics["values"]["ndcg@10"] == pytest.approx(whole, rel=1e-9)
    # Of 7 users a hit rate is a number of sevenths.
    assert all(event.valid["hr@10"] * 7 == pytest.approx(round(event.valid["hr@10"] * 7)) for event in told)
    assert [result.skipped for result in train("tiny", workspace=workspace, experiment=few)] == [True] * 3
