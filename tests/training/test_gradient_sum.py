"""The gradient of a step against those of its parts, each computed alone and added in their order."""

from __future__ import annotations

import functools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from adrec_cli.training.gradient_sum import GradientSum, add_rows
from tests.training.small import small_training

ROWS = {
    "ranking_loss": "sampled_softmax", "negatives": 8, "config": {"embedding_optimizer": "rowwise_adagrad"},
}  # fmt: skip


def in_parts(model: str, stage: str, *, config=None, **options):
    return small_training(model, stage, config={"accumulate": 3, **(config or {})}, **options)


def dense(gradient: torch.Tensor) -> torch.Tensor:
    return gradient.to_dense() if gradient.is_sparse else gradient


@pytest.mark.parametrize(
    ("model", "stage", "options"),
    [("adrec", "pretrain", {}), ("adrec", "finetune", {}), ("sasrec", "train", ROWS)],
    ids=["adrec pretrain", "adrec finetune", "sasrec by rows"],
)
def test_it_is_the_sum_of_the_parts_in_their_order_to_the_byte(model, stage, options):
    """Rows that several parts use are what an unordered sum gets wrong in the last digits."""
    run = in_parts(model, stage, **options)
    batches = next(iter(run._begin_epoch()))
    generators = run._generators
    assert len(batches) == 3
    run.objective.backward(batches, generators(3), run.trained, where="")
    found = {name: dense(weight.grad) for name, weight in run.trained.items() if weight.grad is not None}
    targets, sequences = (sum(getattr(batch, what) for batch in batches) for what in ("targets", "sequences"))
    parts = []
    for batch, generator in zip(batches, generators(3), strict=True):
        run.optimizer.zero_grad()
        losses, _, _ = run.objective._losses(batch, run.objective._run(batch, generator), "")
        share = {"mse": batch.sequences / sequences}
        weights = {name: run.objective.weights[name] * share.get(name, batch.targets / targets) for name in losses}
        torch.stack([weights[name] * loss for name, loss in losses.items()]).sum().backward()
        parts.append({n: dense(w.grad.coalesce() if w.grad.is_sparse else w.grad) for n, w in run.trained.items()
                      if w.grad is not None})  # fmt: skip
    assert found.keys() == set().union(*parts) != set()
    for name, gradient in found.items():
        assert torch.equal(gradient, functools.reduce(torch.add, [part[name] for part in parts])), name


def test_what_a_part_draws_does_not_depend_on_the_parts_before_it():
    """Losses by timestep are remembered once all parts of a step are computed."""
    run = in_parts("adrec", "finetune", network={"timestep_sampling": "loss_aware"}, epochs=1)
    seen = []
    outputs_of = run.model.token_outputs

    def token_outputs(batch, **options):
        seen.append(run.model.noising.loss_aware.history_TH.clone())
        return outputs_of(batch, **options)

    run.model.token_outputs = token_outputs
    list(run.events())
    steps = [seen[begin : begin + 3] for begin in range(0, len(seen), 3)]
    assert len(steps) > 2
    for histories in steps:
        assert all(torch.equal(history, histories[0]) for history in histories)
    assert not torch.equal(steps[0][0], steps[1][0])


ROWS_AND_VALUES = st.lists(
    st.dictionaries(st.integers(0, 6), st.floats(-1e3, 1e3, width=32).filter(bool), max_size=7), min_size=1, max_size=4
)


@given(ROWS_AND_VALUES)
def test_rows_are_added_one_part_after_the_other(parts):
    """Against Python's own dictionaries and float32 sums, number by number."""
    total, expected = None, {}
    for part in parts:
        rows = sorted(part)
        values_UD = torch.tensor([[part[row]] for row in rows], dtype=torch.float32).reshape(-1, 1)
        total = add_rows(total, torch.tensor(rows, dtype=torch.int64), values_UD, torch.Size((7, 1)))
        for row in rows:
            value = torch.tensor(part[row], dtype=torch.float32)
            expected[row] = expected[row] + value if row in expected else value
    assert total.indices()[0].tolist() == sorted(expected)
    assert total.values()[:, 0].tolist() == [expected[row].item() for row in sorted(expected)]
    assert total.is_coalesced()


class OneOfTwo:
    """What a sum sees of two processes of which this one computes every part, and adds every stretch."""

    count, rank = 2, 0

    def deal(self, values_N):
        return values_N[None]

    def collect(self, stretch):
        return stretch


def test_a_part_without_a_gradient_adds_nothing_not_even_a_sign():
    first, second, never = (torch.nn.Parameter(torch.zeros(2, 2)) for _ in range(3))
    trained = {"first": first, "second": second, "never": never}
    gradients = GradientSum(trained, OneOfTwo())
    rounds = [
        {"first": [[1.5, -0.0], [2.0, 0.0]]},
        {"second": [[-0.0, 4.0], [0.0, 5.0]]},
        {"first": [[1.0, -0.0], [0.0, 0.0]]},
    ]
    for given_now in rounds:
        for name, gradient in given_now.items():
            trained[name].grad = torch.tensor(gradient)
        gradients.take(1, sparse=frozenset(), dense=frozenset(given_now))
        assert all(weight.grad is None for weight in trained.values())
    gradients.finish()
    assert never.grad is None
    for weight, expected in ((first, [[2.5, -0.0], [2.0, 0.0]]), (second, [[-0.0, 4.0], [0.0, 5.0]])):
        assert torch.equal(weight.grad, torch.tensor(expected))
        assert torch.equal(weight.grad.signbit(), torch.tensor(expected).signbit())
