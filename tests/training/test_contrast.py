"""The contrast of tokens by their targets, against loops; what it does in a training."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from adrec_cli.errors import UsageError
from adrec_cli.models.stages import Stage
from adrec_cli.training import contrast
from adrec_cli.training.contrast import same_target_contrast
from tests.examples import tries
from tests.tiers import sampled
from tests.training.small import small_training
from tests.training.test_loop import finished


def by_hand(predicted: torch.Tensor, targets: list[int], temperature: float) -> torch.Tensor:
    real = [n for n, target in enumerate(targets) if target]
    losses = []
    for i in real:
        score = {j: torch.cosine_similarity(predicted[i], predicted[j], dim=0) / temperature for j in real if j != i}
        partners = [j for j in score if targets[j] == targets[i]]
        if partners:
            total = torch.stack(list(score.values())).logsumexp(dim=0)
            losses.append(sum(total - score[j] for j in partners) / len(partners))
    return sum(losses) / len(losses) if losses else predicted.sum() * 0


@settings(max_examples=tries(60), deadline=None)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=12), st.sampled_from([0.1, 1.0]), st.integers(0, 99))
def test_it_is_what_loops_over_pairs_give(targets, temperature, seed):
    generator = torch.Generator().manual_seed(seed)
    predicted = torch.randn(len(targets), 5, generator=generator, dtype=torch.float64).requires_grad_()
    expected = by_hand(predicted, targets, temperature)
    found = same_target_contrast(predicted, torch.tensor(targets), temperature=temperature)
    torch.testing.assert_close(found, expected)
    (gradient,), (exact,) = (torch.autograd.grad(loss, predicted) for loss in (found, expected))
    torch.testing.assert_close(gradient, exact)


def test_of_very_many_tokens_every_second_or_third_is_compared(monkeypatch):
    monkeypatch.setattr(contrast, "MOST_TOKENS", 4)
    predicted, targets = torch.randn(11, 3, generator=torch.Generator().manual_seed(1)), torch.tensor([1, 2] * 5 + [1])
    found = same_target_contrast(predicted, targets, temperature=0.5)
    expected = by_hand(predicted[::3], targets[::3].tolist(), 0.5)
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)


@sampled(
    "model,stage,stepping",
    [
        (model, stage, stepping)
        for model, stage in [("adrec", "pretrain"), ("adrec", "finetune"), ("bsarec", "train")]
        for stepping in ("immediate", "queued")
    ],
    quick=[("adrec", "finetune", "queued")],
)
def test_it_is_lowered_beside_the_other_losses(model, stage, stepping):
    run = small_training(model, stage, stepping=stepping, epochs=4, contrast_weight=0.5)
    epochs = finished(run)
    assert set(epochs[0].losses) == {"ce", "contrast", *(["mse"] if stage == "finetune" else [])}
    assert epochs[-1].losses["contrast"] < epochs[0].losses["contrast"]
    assert all(math.isfinite(value) for epoch in epochs for value in epoch.losses.values())
    plain = small_training(model, stage, stepping=stepping, epochs=1)
    assert set(finished(plain)[0].losses) == set(epochs[0].losses) - {"contrast"}


def test_what_makes_no_sense_is_refused():
    options = {"output": "condition", "trains": ("cam",), "mse_weight": 1.0}
    for wrong in ({"contrast_weight": -1.0}, {"contrast_temperature": 0.0}, {"contrast_weight": 1.0, "pcgrad": True}):
        with pytest.raises(UsageError):
            Stage(**options, **wrong)
