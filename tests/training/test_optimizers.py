"""Optimizers that step only the rows in use, against plain ones and torch's."""

from __future__ import annotations

import dataclasses
import itertools

import pytest
import torch

from adrec_cli.config import parse_settings
from adrec_cli.errors import ArtifactError, UsageError
from adrec_cli.experiments.experiment import compose
from adrec_cli.models.stages import TrainingConfig, ranking_losses
from adrec_cli.training.loop import StageTraining
from adrec_cli.training.optimizers import RowwiseAdagrad, SparseAdam
from tests.tiers import sampled
from tests.training.small import small_training
from tests.training.test_loop import CPU, finished, state_after

ROWS, WIDTH = 12, 4


def sparse(rows: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    return torch.sparse_coo_tensor(rows.unsqueeze(0), values, (ROWS, WIDTH), check_invariants=True).coalesce()


def sparse_steps(count: int) -> list[torch.Tensor]:
    """Gradients of some rows each, one of them twice."""
    generator = torch.Generator().manual_seed(0)
    steps = []
    for _ in range(count):
        rows = torch.randint(ROWS, (3,), generator=generator)
        rows = torch.cat([rows, rows[:1]])
        values = torch.randn(4, WIDTH, generator=generator)
        steps.append(sparse(rows, values))
    return steps


def fresh() -> torch.nn.Parameter:
    return torch.nn.Parameter(torch.randn(ROWS, WIDTH, generator=torch.Generator().manual_seed(1)))


@pytest.mark.parametrize("before", [0, 5_000])
def test_sparse_adam_equals_torchs(before):
    """Also after very many steps, when the moments' bias is gone."""
    ours, theirs = fresh(), fresh()
    optimizer, reference = SparseAdam(ours, lr=0.1, weight_decay=0.0), torch.optim.SparseAdam([theirs], lr=0.1)
    if before:
        for one, weight in ((optimizer, ours), (reference, theirs)):
            weight.grad = sparse(torch.arange(ROWS), torch.ones(ROWS, WIDTH))
            one.step()
            step = one.state[weight]["step"]
            one.state[weight]["step"] = step + before
    for gradient in sparse_steps(20):
        ours.grad, theirs.grad = gradient, gradient
        optimizer.step()
        reference.step()
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


def test_rowwise_adagrad_equals_the_plain_formula():
    ours, plain, sums = fresh(), fresh().detach(), torch.zeros(ROWS)
    optimizer = RowwiseAdagrad(ours, lr=0.1, weight_decay=0.5)
    for gradient in sparse_steps(20):
        ours.grad = gradient
        optimizer.step()
        for row in gradient.indices()[0].tolist():
            decayed = gradient.to_dense()[row] + 0.5 * plain[row]
            sums[row] += decayed.square().mean()
            plain[row] -= 0.1 * decayed / (sums[row].sqrt() + 1e-8)
    torch.testing.assert_close(ours.detach(), plain, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", [SparseAdam, RowwiseAdagrad])
def test_rows_that_are_not_used_keep_every_byte(kind):
    weight, before = fresh(), fresh().detach()
    optimizer = kind(weight, lr=0.1, weight_decay=0.1)
    gradient = sparse(torch.tensor([2, 5]), torch.ones(2, WIDTH))
    for _ in range(3):
        weight.grad = gradient
        optimizer.step()
    moved = (weight.detach() != before).any(dim=1)
    assert moved.nonzero().flatten().tolist() == [2, 5]


def training(optimizer: str, model_name: str = "sasrec", **changes) -> StageTraining:
    """A baseline over small data, its item vectors stepped by rows."""
    return small_training(
        model_name, network={"item_dropout": 0.0}, config={"embedding_optimizer": optimizer},
        **{"ranking_loss": "sampled_softmax", "negatives": 8, **changes},
    )  # fmt: skip


def item_gradient(optimizer: str, **changes) -> torch.Tensor:
    """The gradient of the item vectors of the first step."""
    run = training(optimizer, **changes)
    kept = []
    run.optimizer.step = lambda: kept.append(run.model.item_vectors_VD().grad.clone())
    next(run.events())
    return kept[0]


@pytest.mark.parametrize("loss", [name for name in ranking_losses() if name != "ce"])
@pytest.mark.parametrize("shared", [True, False])
def test_sparse_gradients_equal_the_dense_ones(loss, shared):
    dense = item_gradient("adam", ranking_loss=loss, shared_negatives=shared)
    by_rows = item_gradient("sparse_adam", ranking_loss=loss, shared_negatives=shared)
    assert by_rows.is_sparse
    torch.testing.assert_close(by_rows.to_dense(), dense, rtol=1e-5, atol=1e-7)


@sampled(
    "model_name,optimizer",
    itertools.product(
        ["sasrec", "esasrec", "bsarec", "hstu", "gru4rec", "dreamrec", "diffurec"], ["sparse_adam", "rowwise_adagrad"]
    ),
    quick=[("sasrec", "sparse_adam"), ("gru4rec", "rowwise_adagrad"), ("dreamrec", "sparse_adam")],
)
def test_every_model_learns_with_them(model_name, optimizer):
    changes = {"ce_weight": 0.0} if model_name == "dreamrec" else {}
    losses = [event.losses for event in finished(training(optimizer, model_name, epochs=6, **changes))]
    for name, first in losses[0].items():
        assert losses[-1][name] < first
    rows = training(optimizer, model_name, **changes).optimizer
    assert rows.steps_rows


@pytest.mark.parametrize("optimizer", ["sparse_adam", "rowwise_adagrad"])
@pytest.mark.parametrize("stop_after", [1, 5])
def test_an_interrupted_training_resumes_to_the_same_bytes(optimizer, stop_after):
    whole, first, second = (training(optimizer) for _ in range(3))
    finished(whole)
    second.restore(*state_after(first, stop_after))
    finished(second)
    for name, weight in whole.model.state_dict().items():
        assert torch.equal(weight, second.model.state_dict()[name]), name


def test_item_vectors_have_a_learning_rate_of_their_own_that_follows_the_schedule():
    run = training("rowwise_adagrad", learning_rate=1e-3, learning_rate_schedule="cosine", epochs=4)
    config = dataclasses.replace(run.config, embedding_learning_rate=1e-2)
    run = StageTraining(
        name="train", stage=run.stage, config=config, model=run.model, windows=run.windows, validate=dict, device=CPU
    )
    finished(run)
    dense, rows = (group["lr"] for group in run.optimizer.param_groups)
    assert rows == pytest.approx(10 * dense)
    assert 0 < dense < 1e-3
    with pytest.raises(UsageError, match="embedding_learning_rate is for item vectors that are stepped by rows"):
        TrainingConfig(embedding_learning_rate=0.1)


def test_a_state_of_another_optimizer_is_refused():
    run = training("rowwise_adagrad")
    next(run.events())
    with pytest.raises(ArtifactError, match=r"moments of 'item_embedding\.weight' are missing"):
        training("sparse_adam").restore(*run.state())


WRONG = {
    "missing": lambda moment: None,
    "a row less": lambda moment: moment[:-1] if moment.dim() else torch.zeros(2),
    "a row more": lambda moment: torch.cat([moment, moment[:1]]) if moment.dim() else torch.zeros(1),
    "turned over": lambda moment: moment.unsqueeze(0),
    "one number": lambda moment: torch.zeros(()) if moment.dim() else torch.zeros(1, 1),
}


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("optimizer", ["adam", "sparse_adam", "rowwise_adagrad"])
def test_every_moment_must_be_there_in_its_shape(optimizer, wrong):
    """Adam would broadcast some of them in silence; what is refused leaves the training as it was."""
    run = training(optimizer)
    next(run.events())
    tensors, text = run.state()
    names = [name for name in tensors if name.startswith("adam/")]
    assert len(names) > len(run.trained)
    other = training(optimizer)
    before = {name: weight.clone() for name, weight in other.model.state_dict().items()}
    for name in names:
        changed = {**tensors, name: WRONG[wrong](tensors[name])}
        if changed[name] is None:
            del changed[name]
        with pytest.raises(ArtifactError) as refused:
            other.restore(changed, text)
        weight = name.rpartition("/")[2]
        assert f"moments of {weight!r} are missing or of another shape" in str(refused.value)
        assert other.optimizer.moments() == {}
    assert all(torch.equal(weight, before[name]) for name, weight in other.model.state_dict().items())
    other.restore(tensors, text)
    assert all(torch.equal(moment, tensors[f"adam/{name}"]) for name, moment in other.optimizer.moments().items())


def test_padding_stays_zero_and_a_frozen_embedding_keeps_every_byte():
    run = training("sparse_adam")
    finished(run)
    assert not run.model.item_vectors_VD()[0].any()
    run = training("sparse_adam", trains=("encoder",), ranking_loss="ce")
    before = run.model.item_vectors_VD().clone()
    finished(run)
    assert torch.equal(run.model.item_vectors_VD(), before)
    assert not run.optimizer.steps_rows


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["stages.train.ranking_loss=ce"], "ranking_loss 'ce' uses all of them"),
        (["stages.train.average_decay=0.9"], "does not go with average_decay"),
        (["stages.train.embedding_decay=0.5"], "does not go with embedding_decay"),
    ],
)
def test_what_changes_every_item_is_refused(settings, message):
    options = ["training.embedding_optimizer=sparse_adam", "stages.train.ranking_loss=gbce", *settings]
    with pytest.raises(UsageError, match=message):
        compose("sasrec", overrides=parse_settings(options))
