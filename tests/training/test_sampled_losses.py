"""Losses over drawn negatives and their gradients against the plain formulas."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from adrec_cli.errors import UsageError
from adrec_cli.layers.comparison import Comparison
from adrec_cli.layers.names import SCORES
from adrec_cli.models.registry import find_stages
from adrec_cli.models.stages import SAMPLED_LOSSES, Stage, ranking_losses
from adrec_cli.training import sampled_losses
from adrec_cli.training.losses import catalogue_cross_entropy
from adrec_cli.training.ranking_loss import RankingLoss
from adrec_cli.training.sampled_losses import (
    Items,
    bce,
    bpr_max,
    gbce,
    gbce_beta,
    negative_scores,
    sampled_softmax,
    target_scores,
    top1_max,
)
from tests.examples import tries
from tests.tiers import sampled

EXACT = {"rtol": 1e-9, "atol": 1e-9}


def sigmoid(x: torch.Tensor) -> torch.Tensor:
    return 1 / (1 + torch.exp(-x))


def softmax(scores: list[torch.Tensor]) -> list[torch.Tensor]:
    total = sum(torch.exp(score) for score in scores)
    return [torch.exp(score) / total for score in scores]


def naive_gbce(positive, negatives, beta=0.3):
    rejected = sum(torch.log(1 - sigmoid(negative)) for negative in negatives)
    return -(beta * torch.log(sigmoid(positive)) + rejected) / (1 + len(negatives))


def naive_sampled_softmax(positive, negatives):
    return -torch.log(softmax([positive, *negatives])[0])


def naive_bpr_max(positive, negatives, penalty=0.7):
    weighted = list(zip(softmax(negatives), negatives, strict=True))
    won = sum(weight * sigmoid(positive - negative) for weight, negative in weighted)
    return -torch.log(won) + penalty * sum(weight * negative**2 for weight, negative in weighted)


def naive_top1_max(positive, negatives):
    weighted = zip(softmax(negatives), negatives, strict=True)
    return sum(w * (sigmoid(negative - positive) + sigmoid(negative**2)) for w, negative in weighted)


CASES = {
    "bce": (bce, lambda p, n: naive_gbce(p, n, beta=1.0)),
    "gbce": (lambda p, n: gbce(p, n, beta=0.3), naive_gbce),
    "sampled_softmax": (sampled_softmax, naive_sampled_softmax),
    "bpr_max": (lambda p, n: bpr_max(p, n, penalty=0.7), naive_bpr_max),
    "top1_max": (top1_max, naive_top1_max),
}


@pytest.mark.parametrize("name", CASES)
@sampled("shared", [True, False], quick=[False])
@pytest.mark.parametrize("scores", SCORES)
@settings(max_examples=tries(15), deadline=None)
@given(tokens=st.integers(1, 9), count=st.integers(2, 7), chunk=st.integers(1, 300), seed=st.integers(0, 99))
def test_each_loss_and_its_gradients_equal_the_formula_token_by_token(name, shared, scores, tokens, count, chunk, seed):
    """Vectors and predictions in, so that scores, collisions with the target and chunks are covered as well."""
    generator = torch.Generator().manual_seed(seed)
    items, width = 12, 4
    predicted = torch.randn(tokens, width, generator=generator, dtype=torch.float64).requires_grad_()
    vectors = torch.randn(items + 1, width, generator=generator, dtype=torch.float64).requires_grad_()
    targets = torch.randint(1, items + 1, (tokens,), generator=generator)
    negatives = torch.randint(1, items + 1, (count,) if shared else (tokens, count), generator=generator)
    # One negative that is nobody's target, so that no token is left without any.
    negatives[..., 0] = 0
    fast, naive = CASES[name]
    comparison = Comparison(scores, 0.4)

    def score(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        return one @ other if scores == "product" else one @ other / one.norm() / other.norm() / 0.4

    per_token = []
    for token in range(tokens):
        own = negatives if shared else negatives[token]
        competing = [score(predicted[token], vectors[item]) for item in own if item != targets[token]]
        loss = naive(score(predicted[token], vectors[targets[token]]), competing)
        if name in ("bce", "gbce"):
            loss = loss * (1 + len(competing)) / (1 + count)
        per_token.append(loss)
    expected = torch.stack(per_token).mean()
    expected_gradients = torch.autograd.grad(expected, (predicted, vectors))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sampled_losses, "_CHUNK_ENTRIES", chunk)
        compared, among = comparison(predicted), Items(vectors, comparison)
        found = fast(target_scores(compared, among, targets), negative_scores(compared, among, negatives, targets))
        gradients = torch.autograd.grad(found, (predicted, vectors))
    torch.testing.assert_close(found, expected, **EXACT)
    for gradient, expected_gradient in zip(gradients, expected_gradients, strict=True):
        torch.testing.assert_close(gradient, expected_gradient, **EXACT)


@pytest.mark.parametrize("name", CASES)
def test_extreme_scores_and_only_collisions_stay_finite(name):
    fast, _ = CASES[name]
    for scale in (1.0, 1e4):
        positive = torch.tensor([-scale, scale, 0.0], requires_grad=True)
        nothing = float("-inf")
        negative = torch.tensor([[scale, -scale], [-scale, nothing], [nothing, nothing]], requires_grad=True)
        loss = fast(positive, negative)
        loss.backward()
        assert torch.isfinite(loss)
        assert torch.isfinite(positive.grad).all()
        assert torch.isfinite(negative.grad).all()


def test_beta_of_gbce():
    assert gbce_beta(256, 3416, 0.0) == pytest.approx(1.0)
    # gSASRec, section 5.2: alpha itself when fully calibrated.
    assert gbce_beta(256, 3416, 1.0) == pytest.approx(256 / 3415)
    assert gbce_beta(256, 3416, 0.75) == pytest.approx(0.25 + 0.75 * 256 / 3415)
    assert gbce_beta(500, 100, 0.75) == pytest.approx(1.0)


def ranking_loss(counts: list[int], **changes) -> RankingLoss:
    stage = dataclasses.replace(find_stages("sasrec")["train"], **changes)
    return RankingLoss(stage, torch.tensor(counts, dtype=torch.float64))


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("shared", [True, False])
def test_negatives_follow_the_counts_and_are_never_padding(power, shared):
    counts = [0, 1, 4, 16, 0, 64]
    loss = ranking_loss(counts, ranking_loss="bce", negatives=4000, shared_negatives=shared, negatives_power=power)
    drawn = loss.draw(5, torch.Generator().manual_seed(0))
    assert drawn.shape == ((4000,) if shared else (5, 4000))
    shares = torch.bincount(drawn.flatten(), minlength=6) / drawn.numel()
    weights = torch.tensor([0.0] + [1.0 if power == 0 else count**power * (count > 0) for count in counts[1:]])
    torch.testing.assert_close(shares, weights / weights.sum(), atol=0.03, rtol=0.0)
    assert shares[0] == 0


@pytest.mark.parametrize("power", [0.0, 0.75])
def test_the_corrected_sampled_softmax_estimates_the_full_one(power):
    generator = torch.Generator().manual_seed(0)
    vectors = torch.randn(21, 8, generator=generator)
    predicted = torch.randn(30, 8, generator=generator)
    targets = torch.randint(1, 21, (30,), generator=generator)
    options = {"ranking_loss": "sampled_softmax", "negatives": 20_000, "negatives_power": power}
    counts = [0, *range(1, 21)]
    full = catalogue_cross_entropy(predicted, vectors[1:], targets - 1)
    corrected, plain = (
        loss(predicted, vectors, targets, loss.draw(30, generator))
        for loss in (ranking_loss(counts, logq_correction=True, **options), ranking_loss(counts, **options))
    )
    assert corrected.item() == pytest.approx(full.item(), rel=0.02)
    assert plain.item() > 1.5 * full.item()


@pytest.mark.parametrize("name", ranking_losses())
def test_every_named_loss_prefers_the_target(name):
    loss = ranking_loss([0, 3, 3, 3, 3], ranking_loss=name, negatives=8)
    vectors = F.pad(torch.eye(4) * 4, (0, 0, 1, 0))
    negatives = loss.draw(1, torch.Generator().manual_seed(0))
    values = [loss(torch.eye(4)[[column]], vectors, torch.tensor([1]), negatives) for column in (0, 1)]
    assert values[0] < values[1]


def test_losses_differ_and_gbce_reads_t():
    vectors = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    predicted, targets = vectors[1:4].clone(), torch.tensor([1, 2, 3])
    counts = [0, 1, 1, 1, 1, 1]

    def value(**changes) -> float:
        loss = ranking_loss(counts, negatives=3, **changes)
        return float(loss(predicted, vectors, targets, loss.draw(3, torch.Generator().manual_seed(0))))

    values = [value(ranking_loss=name) for name in ranking_losses()]
    assert len({round(entry, 6) for entry in values}) == len(ranking_losses())
    assert value(ranking_loss="gbce", gbce_t=0.0) == pytest.approx(value(ranking_loss="bce"))
    assert value(ranking_loss="bpr_max", bpr_max_penalty=0.0) < value(ranking_loss="bpr_max")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ranking_loss": "softmax"}, "unknown ranking_loss 'softmax'"),
        ({"negatives": 0}, "negatives must be at least 1"),
        ({"negatives_power": -1.0}, "negatives_power must not be negative"),
        ({"gbce_t": 1.5}, "gbce_t must be in"),
        ({"bpr_max_penalty": -0.1}, "bpr_max_penalty must not be negative"),
    ],
)
def test_what_is_no_loss_is_refused(changes, message):
    with pytest.raises(UsageError, match=message):
        Stage(output="next_item", trains=("encoder",), **changes)


def test_an_item_that_is_its_own_only_negative_costs_no_more_than_nothing():
    """Collisions compete with nobody: the softmax over the target alone is 1."""
    vectors = torch.ones(2, 3)
    negative = negative_scores(torch.ones(1, 3), Items(vectors), torch.tensor([1, 1]), torch.tensor([1]))
    assert sampled_softmax(torch.tensor([3.0]), negative).item() == 0
    assert bce(torch.tensor([3.0]), negative).item() == pytest.approx(math.log(1 + math.exp(-3)) / 3)


def test_every_name_has_a_function():
    assert [SAMPLED_LOSSES[name].__name__ for name in ranking_losses()[1:]] == [
        f"apply_{name}" for name in SAMPLED_LOSSES
    ]


def test_a_loss_without_a_function_is_refused_where_it_is_looked_up():
    """Also where the options let it through: it must not train as another."""
    loss = ranking_loss([0, 1, 1, 1], negatives=2, ranking_loss="bce")
    object.__setattr__(loss.stage, "ranking_loss", "hinge")
    vectors = torch.eye(4, 3)
    with pytest.raises(UsageError, match=r"unknown ranking_loss 'hinge'"):
        loss(vectors[1:3], vectors, torch.tensor([1, 2]), torch.tensor([1, 3]))
