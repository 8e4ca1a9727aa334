"""NaN and infinity at chosen steps stop before the step; explosions and collapse are reported with their figures."""

from __future__ import annotations

import itertools

import pytest
import torch

from adrec_cli.artifacts.checkpoint import load_checkpoint, save_checkpoint
from adrec_cli.training import loop
from adrec_cli.training.diagnostics import LossWatch, embedding_health
from tests.robustness.processes import TINY, artifacts, save_state_every_step, typed, typed_here
from tests.tiers import sampled

BAD = [float("nan"), float("inf"), float("-inf")]
EVERY_PLACE = list(itertools.product([1, 2, 4], ["loss", "gradient", "weight before", "weight after"], BAD))


def spoil(monkeypatch: pytest.MonkeyPatch, what: str, at_step: int, bad: float) -> None:
    """Let a loss, a gradient or a weight become bad in a step, counted from 1 through a stage."""
    real = loop.StageTraining._step

    def step(training, batch):
        now = training.position.total_steps + 1 == at_step
        _, weight = next(iter(training.trained.items()))
        if now and what == "weight before":
            with torch.no_grad():
                weight.view(-1)[-1] = bad
        if now and what == "gradient":
            hook = weight.register_hook(lambda gradient: torch.full_like(gradient, bad))
            try:
                return real(training, batch)
            finally:
                hook.remove()
        if now and what == "loss":
            ranking_loss = training.objective.ranking_loss
            training.objective.ranking_loss = lambda *args, **named: ranking_loss(*args, **named) * bad
        result = real(training, batch)
        if now and what == "weight after":
            with torch.no_grad():
                weight.view(-1)[-1] = bad
        return result

    monkeypatch.setattr(loop.StageTraining, "_step", step)


@sampled("at_step,what,bad", EVERY_PLACE, quick=EVERY_PLACE[::5])
def test_what_is_not_finite_ends_the_stage_and_the_last_checkpoint_loads(
    workspace, monkeypatch, what, at_step, bad
):  # fmt: skip
    """The stage has two steps an epoch, so that step 4 is its last."""
    before = artifacts(workspace)
    spoil(monkeypatch, what, at_step, bad)
    message = typed_here(["pretrain", "shop", *TINY, "--seed", 3, "--workspace", workspace]).require_one_error(6)
    assert "pretrain epoch" in message
    assert "step" in message
    after = artifacts(workspace)
    log = "shop/adrec/pretrain.jsonl"
    assert {**after, log: 0} == {**before, log: 0}
    load_checkpoint(workspace / "shop/adrec/pretrain.safetensors")
    assert typed_here(["recommend", "--user", "u1", "--workspace", workspace]).exit_code == 0


@pytest.mark.parametrize("what", ["loss", "gradient", "weight after"])
def test_what_is_not_finite_ends_a_stage_in_bfloat16_too(workspace, monkeypatch, what):
    before = artifacts(workspace)
    spoil(monkeypatch, what, 2, float("inf"))
    line = ["pretrain", "shop", *TINY, "--seed", 3, "--set", "training.precision=bf16", "--workspace", workspace]
    assert "pretrain epoch" in typed_here(line).require_one_error(6)
    log = "shop/adrec/pretrain.jsonl"
    assert {**artifacts(workspace), log: 0} == {**before, log: 0}


def diverge_at_the_last_step() -> None:
    """Save each epoch, and spoil a weight in the last step."""
    save_state_every_step()
    spoil(pytest.MonkeyPatch(), "weight after", 4, float("nan"))


def test_a_diverged_run_goes_on_from_the_last_good_state(workspace, tmp_path):
    line = ["pretrain", "shop", *TINY, "--seed", 3, "--workspace", workspace]
    assert "epoch 2" in typed(line, tmp_path, diverge_at_the_last_step).require_one_error(6)
    again = typed_here(line)
    assert again.exit_code == 0
    assert "resumes after epoch 1" in again.stderr


def test_nothing_is_ranked_with_values_that_are_not_finite(workspace):
    path = workspace / "shop/adrec/finetune.safetensors"
    tensors, metadata = load_checkpoint(path)
    # Finite each, but their products are not.
    tensors["item_embedding.weight"] = torch.full_like(tensors["item_embedding.weight"], 3e38)
    tensors["item_embedding.weight"][::2] *= -1
    save_checkpoint(path, tensors, metadata)
    for line in (["evaluate", "finetune"], ["recommend", "--user", "u1", "--model", str(path)]):
        assert "not finite" in typed_here([*line, "--workspace", workspace]).require_one_error(4)


def test_source_data_that_are_not_finite_are_left_out_or_refused(tmp_path):
    lines = ["user_id,item_id,timestamp", *(f"u{n % 9},i{n % 7},{1_500_000_000 + n}" for n in range(90))]
    lines += [f"u1,i1,{bad}" for bad in ("nan", "inf", "-inf", "1e999")]
    (tmp_path / "shop.csv").write_text("\n".join(lines))
    line = ["preprocess", tmp_path / "shop.csv", "--workspace", tmp_path / "workspace"]
    done = typed_here(line)
    if done.exit_code:
        assert "shop.csv" in done.require_one_error(3)
    else:
        assert "4" in done.stderr


def test_a_loss_that_explodes_is_told_once_with_its_figures():
    watch = LossWatch()
    assert not any(watch.observe(7 - 0.01 * step) for step in range(100))
    assert not watch.observe(20.0)
    message = watch.observe(60.0)
    assert message.startswith("loss 60 is ")
    assert "times the lowest average so far (" in message
    assert not watch.observe(600.0)


@pytest.mark.parametrize("losses", [[1e-9] * 50 + [1e-7], [5.0, 100.0, 4.0], [7.0, 6.0] * 60])
def test_what_is_no_explosion(losses):
    watch = LossWatch()
    assert not any(watch.observe(loss) for loss in [1.0] * 10 * (losses[0] < 1) + losses)


def test_the_health_of_item_vectors():
    generator = torch.Generator().manual_seed(1)
    spread = torch.randn(3000, 32, generator=generator)
    healthy = embedding_health(spread)
    assert 30 < healthy.effective_rank <= 32
    assert abs(healthy.mean_cosine) < 0.01
    assert not healthy.warning
    same = embedding_health(torch.ones(50, 32) + 0.01 * spread[:50])
    assert same.warning.startswith("the item vectors collapse: mean cosine 1.0")
    line = embedding_health(spread[:, :1] * torch.randn(1, 32, generator=generator))
    assert line.effective_rank == pytest.approx(1, abs=1e-3)
    assert "effective rank 1.00 of 32" in line.warning
    exact = embedding_health(torch.cat([torch.zeros(1, 3), torch.eye(3) * 5]))
    assert exact.effective_rank == pytest.approx(3)
    assert exact.mean_cosine == pytest.approx(0)


def test_a_training_that_goes_wrong_warns(workspace, monkeypatch):
    line = ["pretrain", "shop", *TINY, "--epochs", 12, "--patience", 0, "--seed", 4, "--workspace", workspace]
    assert "warning" not in typed_here(line).stderr
    real = loop.StageTraining._step

    def collapse(training, batch):
        with torch.no_grad():
            training.model.item_vectors_VD()[1:] = 1.0
        tokens, loss = real(training, batch)
        return tokens, loss * (100 if training.position.total_steps > 15 else 1)

    monkeypatch.setattr(loop.StageTraining, "_step", collapse)
    said = typed_here([*line, "--force"]).stderr
    assert "warning: pretrain epoch 1: the item vectors collapse: mean cosine" in said
    assert said.count("times the lowest average so far") == 1
