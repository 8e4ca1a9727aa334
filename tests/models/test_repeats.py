"""Scores of items of the history are the same in the loss, in ranking and by hand; what is learned of them is so."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import torch
import torch.nn.functional as F

from adrec_cli.config import build
from adrec_cli.data.batches import CUTS
from adrec_cli.data.sequences import Sequences
from adrec_cli.errors import UsageError
from adrec_cli.models.base import SequentialRecommender
from adrec_cli.models.registry import MODELS, find_model, list_trainable
from adrec_cli.models.sampling import FAST_SAMPLING
from adrec_cli.models.stages import Stage
from adrec_cli.ranking.merging import merge_top_k
from adrec_cli.ranking.protocols import select_cases
from adrec_cli.ranking.ranks import target_ranks
from adrec_cli.ranking.rivals import Rivals
from adrec_cli.ranking.samples import MERGES, Merging
from adrec_cli.ranking.scores import top_k
from adrec_cli.runtime import make_generator
from adrec_cli.training.objective import Objective
from adrec_cli.training.ranking_loss import RankingLoss
from tests.batches import epoch_batches
from tests.layers.test_repeats import by_hand
from tests.ranking.test_scores import asked
from tests.training.small import small_training
from tests.training.test_loop import finished

pytestmark = pytest.mark.usefixtures("in_shell")

ITEMS = 12
NAMES = [name for name in MODELS if "repeats" in find_model(name).config_type.__dataclass_fields__]
OUTPUTS = [(name, output) for name in NAMES for output in MODELS[name].outputs]
SMALL = {"hidden_size": 16, "max_length": 8, "heads": 2, "gru_size": 16, "diffusion_steps": 4, "blocks": 1}


def made(name: str, mode: str = "learned") -> SequentialRecommender:
    """A small model whose biases are large enough to change every list."""
    entry = find_model(name)
    known = {key: value for key, value in SMALL.items() if key in entry.config_type.__dataclass_fields__}
    quiet = {key: 0.0 for key in entry.config_type.__dataclass_fields__ if "dropout" in key}
    model = entry(build(entry.config_type, {**known, **quiet, "repeats": mode}, where="[model]"), ITEMS)
    for component in model.components():
        model.initialize(component, make_generator(5, component))
    if mode == "learned":
        model.repeats.weight.data = torch.randn(model.repeats.weight.shape, generator=make_generator(6)) / 5
    return model.eval()


def shop(histories: list[list[int]]) -> Sequences:
    lengths = np.array([len(history) for history in histories])
    return Sequences(
        user_ids=pl.Series([str(user) for user in range(len(histories))]),
        items=np.concatenate(histories).astype(np.int32),
        offsets=np.concatenate([[0], np.cumsum(lengths)]),
        train_end=lengths - 2,
        valid_end=lengths - 1,
        item_count=ITEMS,
    )


@pytest.fixture(scope="module")
def repeating() -> Sequences:
    """Histories of 3 to 14 events among few items, so that most repeat."""
    random = np.random.default_rng(4)
    return shop([random.integers(1, ITEMS + 1, size=random.integers(3, 15)).tolist() for _ in range(25)])


def scores_by_hand(model: SequentialRecommender, data: Sequences, output: str) -> tuple[np.ndarray, list[list[int]]]:
    """All scores (users, V) of the test cases, padding in column 0, and the histories they come from."""
    cases = select_cases(data, "test")
    scores = np.full((len(cases), ITEMS + 1), -np.inf, dtype=np.float32)
    scorer = asked(model, output, sampling=FAST_SAMPLING)
    for numbers, (vectors_BD,), _ in scorer.represent(data, cases.starts, cases.ends):
        scores[numbers, 1:] = (vectors_BD @ model.item_vectors_VD().detach()[1:].T).numpy()
    histories = [data.items[s:e].tolist() for s, e in zip(cases.starts, cases.ends, strict=True)]
    for row, history in enumerate(histories):
        for item, value in by_hand(history[-model.max_length :], model.repeats.weight).items():
            scores[row, item] += value
    return scores, histories


@pytest.mark.parametrize(("name", "output"), OUTPUTS)
@pytest.mark.parametrize("mode", ["learned", "never"])
def test_ranks_and_lists_are_those_of_scores_by_hand(name, output, mode, repeating):
    model, cases = made(name, mode), select_cases(repeating, "test")
    scores, histories = scores_by_hand(model, repeating, output)
    negatives = np.random.default_rng(1).integers(1, ITEMS + 1, size=(len(cases), 6))
    scorer = asked(model, output, sampling=FAST_SAMPLING)
    full = target_ranks(scorer, repeating, cases)
    masked = target_ranks(scorer, repeating, cases, Rivals(mask_seen=True))
    sampled = target_ranks(scorer, repeating, cases, Rivals(negatives=negatives))
    for row, target in enumerate(cases.targets.tolist()):
        at_least = scores[row] >= scores[row, target] - 1e-5
        others = [item for item in range(1, ITEMS + 1) if item != target and at_least[item]]
        assert full[row] == 1 + len(others)
        assert masked[row] == 1 + len(set(others) - set(histories[row]))
        assert sampled[row] == 1 + sum(item != target and at_least[item] for item in negatives[row].tolist())
    nothing, some = [np.empty(0, dtype=np.int64)], np.array([2, 3, 5, 7, 11])
    for numbers, representations, bias in scorer.represent(repeating, cases.starts, cases.ends):
        vectors_VD = model.item_vectors_VD().detach()
        lists = top_k(representations[0], vectors_VD, ITEMS, nothing * len(numbers), bias=bias)
        few = top_k(representations[0], vectors_VD, 3, nothing * len(numbers), some, bias)
        for row, ranked, best in zip(numbers, lists, few, strict=True):
            np.testing.assert_allclose(ranked.scores, scores[row, ranked.items], atol=1e-4)
            np.testing.assert_allclose(ranked.scores, np.sort(scores[row, 1:])[::-1], atol=1e-4)
            np.testing.assert_allclose(best.scores, np.sort(scores[row, some])[::-1][:3], atol=1e-4)


@pytest.mark.parametrize("merge", MERGES)
def test_every_sample_has_the_bias(merge, repeating):
    """Samples of no noise are all alike, so that merging them is ranking one."""
    model, cases = made("adrec"), select_cases(repeating, "test")
    single = target_ranks(asked(model, "x_start", sampling=FAST_SAMPLING), repeating, cases)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("adrec_cli.ranking.scorer.check_sampled", lambda *_: None)
        thrice, twice = (
            asked(model, "x_start", sampling=FAST_SAMPLING, merging=Merging(samples=samples, merge=merge))
            for samples in (3, 2)
        )
    for negatives in (None, np.tile(np.arange(1, ITEMS + 1), (len(cases), 1))):
        found = target_ranks(thrice, repeating, cases, Rivals(negatives=negatives))
        assert found.tolist() == single.tolist()
    for numbers, samples, bias in twice.represent(repeating, cases.starts, cases.ends):
        nothing = [np.empty(0, dtype=np.int64)] * len(numbers)
        vectors_VD = model.item_vectors_VD().detach()
        merged = merge_top_k(samples, vectors_VD, 5, nothing, merge=merge, bias=bias)
        alone = top_k(samples[0], vectors_VD, 5, nothing, bias=bias)
        assert [one.items.tolist() for one in merged] == [one.items.tolist() for one in alone]


@pytest.mark.parametrize("samples", ["sequences", "prefixes"])
@pytest.mark.parametrize("loss", ["ce", "sampled_softmax", "gbce"])
@pytest.mark.parametrize(("name", "output"), OUTPUTS)
def test_the_loss_and_its_gradient_are_those_of_scores_by_hand(name, output, loss, samples, repeating):
    model = made(name)
    if model.needs_prefixes and samples == "sequences":
        pytest.skip(f"{name} learns from prefixes alone")
    windows = CUTS[samples](repeating, model.max_length)
    batch = next(iter(epoch_batches(windows, batch_size=9, max_length=8, generator=torch.Generator().manual_seed(2))))
    stage = Stage(output=output, trains=tuple(model.components()), ranking_loss=loss, negatives=7)
    ranking_loss = RankingLoss(stage, torch.ones(ITEMS + 1, dtype=torch.float64))
    values, targets = Objective(stage, model, ranking_loss, "float32").backward(
        [batch], [torch.Generator().manual_seed(1)], dict(model.named_parameters()), where="here"
    )
    found = model.repeats.weight.grad.clone()
    model.repeats.weight.grad = None
    generator = torch.Generator().manual_seed(1)
    outputs = model.token_outputs(batch, output=output, generator=generator)
    bias = model.token_bias(batch)
    dense = torch.zeros(targets, ITEMS + 1).scatter_add(1, bias.items_NS, bias.values_NS)
    logits = outputs.predicted_ND @ model.item_vectors_VD().T + dense
    if loss == "ce":
        expected = F.cross_entropy(logits[:, 1:], outputs.targets_N - 1)
    else:
        negatives = ranking_loss.draw(targets, generator).expand(targets, -1)
        same = negatives == outputs.targets_N.unsqueeze(1)
        positive, negative = logits.gather(1, outputs.targets_N.unsqueeze(1)), logits.gather(1, negatives)
        if loss == "sampled_softmax":
            both = torch.cat([positive, negative.masked_fill(same, float("-inf"))], dim=1)
            expected = F.cross_entropy(both, torch.zeros(targets, dtype=torch.int64))
        else:
            alpha = 7 / (ITEMS - 1)
            beta = alpha * (0.75 * (1 - 1 / alpha) + 1 / alpha)
            rejected = F.softplus(negative).masked_fill(same, 0.0).sum(dim=1)
            expected = (rejected - beta * F.logsigmoid(positive.squeeze(1))).mean() / 8
    assert values[loss] == pytest.approx(expected.item(), rel=1e-4)
    expected.backward()
    torch.testing.assert_close(found, model.repeats.weight.grad, rtol=1e-3, atol=1e-5)
    assert found.any()


@pytest.mark.parametrize("name", NAMES)
def test_without_repeats_there_is_nothing_new_in_a_model(name):
    entry = find_model(name)
    with_bias = made(name).state_dict().keys()
    plain = entry.outline(entry.config_type(), ITEMS).state_dict().keys()
    # DiffuRec has fewer blocks here than by default.
    assert with_bias - plain == {"repeats.weight"}
    assert not [key for key in plain if "repeats" in key]


def learned(repeat: bool, **network) -> torch.Tensor:
    """The biases, by age and count, that SASRec learns where users come back to their items, or never do."""
    random = np.random.default_rng(0)
    if repeat:
        histories = [random.choice(random.choice(40, 3, replace=False) + 1, size=9).tolist() for _ in range(80)]
    else:
        histories = [(random.permutation(40)[:9] + 1).tolist() for _ in range(80)]
    lengths = np.full(80, 9)
    data = Sequences(
        user_ids=pl.Series([str(user) for user in range(80)]), items=np.concatenate(histories).astype(np.int32),
        offsets=np.arange(81) * 9, train_end=lengths, valid_end=lengths, item_count=40,
    )  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tests.training.small.sequences", lambda items: data)
        run = small_training("sasrec", network={"repeats": "learned", **network}, epochs=15, learning_rate=0.03)
        finished(run)
    return 10 * run.model.repeats.weight.detach().view(7, 3)


def test_repeats_step_aside_where_nothing_repeats_and_come_forward_where_users_come_back():
    never, often = learned(repeat=False), learned(repeat=True)
    # Ages 0 to 3 of an item that stands there once occur in either.
    assert (never[:3, 0] < -1).all()
    assert (often[:3, 0] > 1).all()


def test_what_cannot_learn_repeats_says_so():
    with pytest.raises(UsageError, match="repeats are learned by the ranking loss") as told:
        small_training("dreamrec", network={"repeats": "learned"})
    assert "model.repeats=none" in told.value.hint
    small_training("dreamrec", network={"repeats": "learned"}, ce_weight=1.0)
    small_training("dreamrec", network={"repeats": "never"})
    with pytest.raises(UsageError, match=r"unknown model\.repeats"):
        made("sasrec", "sometimes")


def test_what_sees_later_items_learns_from_prefixes_alone():
    for name in list_trainable():
        if MODELS[name].needs_prefixes:
            assert find_model(name).default_training.samples == "prefixes"
            with pytest.raises(UsageError, match="learns from prefixes alone") as told:
                small_training(name, config={"samples": "sequences"})
            assert told.value.hint == "--set training.samples=prefixes"
