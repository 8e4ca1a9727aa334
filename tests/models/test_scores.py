"""Scores as cosines, by hand, wherever a model is compared with items: losses, ranks, lists and blocks of items."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from adrec_cli.config import build
from adrec_cli.data.batches import CUTS
from adrec_cli.data.sequences import Sequences
from adrec_cli.models.base import SequentialRecommender
from adrec_cli.models.registry import find_model
from adrec_cli.models.sampling import FAST_SAMPLING
from adrec_cli.models.stages import Stage
from adrec_cli.ranking.protocols import select_cases
from adrec_cli.ranking.ranks import target_ranks
from adrec_cli.ranking.rivals import Rivals
from adrec_cli.ranking.scores import top_k
from adrec_cli.runtime import make_generator
from adrec_cli.training.objective import Objective
from adrec_cli.training.ranking_loss import RankingLoss
from tests.batches import epoch_batches
from tests.models.test_repeats import ITEMS, NAMES, OUTPUTS, SMALL, shop
from tests.ranking.test_scores import asked
from tests.tiers import sampled
from tests.training.small import small_training

TEMPERATURE = 0.3
QUICK = [("adrec", "x_start"), ("sasrec", "next_item")]


def made(name: str, **network: object) -> SequentialRecommender:
    entry = find_model(name)
    fields = entry.config_type.__dataclass_fields__
    known = {key: value for key, value in SMALL.items() if key in fields}
    quiet = {key: 0.0 for key in fields if "dropout" in key}
    compared = {"scores": "cosine", "score_temperature": TEMPERATURE}
    model = entry(build(entry.config_type, {**known, **quiet, **compared, **network}, where="[model]"), ITEMS)
    for component in model.components():
        model.initialize(component, make_generator(5, component))
    with torch.no_grad():
        # Of very unlike lengths, of which nothing may be seen.
        for table in model.item_tables():
            table.weight.mul_(torch.linspace(0.1, 30, ITEMS + 1)[:, None])
    return model.eval()


@pytest.fixture(scope="module")
def histories() -> Sequences:
    random = np.random.default_rng(4)
    return shop([random.integers(1, ITEMS + 1, size=random.integers(3, 15)).tolist() for _ in range(25)])


def cosines(predicted: torch.Tensor, items_VD: torch.Tensor) -> torch.Tensor:
    return F.cosine_similarity(predicted.unsqueeze(1), items_VD.unsqueeze(0), dim=2) / TEMPERATURE


@sampled("name,output", OUTPUTS, quick=QUICK)
def test_ranks_and_lists_are_those_of_cosines(name: str, output: str, histories: Sequences) -> None:
    model, cases = made(name), select_cases(histories, "test")
    scorer = asked(model, output, sampling=FAST_SAMPLING)
    ranks = target_ranks(scorer, histories, cases)
    negatives = np.tile(np.arange(1, ITEMS + 1), (len(cases), 1))
    assert target_ranks(scorer, histories, cases, Rivals(negatives=negatives)).tolist() == ranks.tolist()
    for numbers, (vectors_BD,), _ in scorer.represent(histories, cases.starts, cases.ends):
        expected_BV = cosines(vectors_BD, model.item_vectors_VD().detach())[:, 1:]
        nothing = [np.empty(0, dtype=np.int64)] * len(numbers)
        lists = top_k(vectors_BD, scorer.vectors_VD, ITEMS, nothing)
        for row, (number, found) in enumerate(zip(numbers, lists, strict=True)):
            np.testing.assert_allclose(found.scores, expected_BV[row].sort(descending=True).values, atol=1e-4)
            target = cases.targets[number] - 1
            assert ranks[number] == (expected_BV[row] >= expected_BV[row, target] - 1e-6).sum()


@pytest.mark.parametrize(
    ("loss", "shared"),
    [("ce", True), ("sampled_softmax", True), ("sampled_softmax", False)],
    ids=["ce", "shared negatives", "own negatives"],
)
@sampled("name,output", OUTPUTS, quick=QUICK)
def test_the_loss_and_its_gradients_are_those_of_cosines(
    name: str,
    output: str,
    loss: str,
    shared: bool,
    histories: Sequences,
) -> None:
    model = made(name)
    samples = "prefixes" if model.needs_prefixes else "sequences"
    windows = CUTS[samples](histories, model.max_length)
    batch = next(iter(epoch_batches(windows, batch_size=9, max_length=8, generator=torch.Generator().manual_seed(2))))
    stage = Stage(
        output=output, trains=tuple(model.components()), ranking_loss=loss, negatives=7, shared_negatives=shared
    )
    ranking_loss = RankingLoss(stage, torch.ones(ITEMS + 1, dtype=torch.float64), comparison=model.comparison)
    values, targets = Objective(stage, model, ranking_loss, "float32").backward(
        [batch], [torch.Generator().manual_seed(1)], dict(model.named_parameters()), where="here"
    )
    found = {key: weight.grad.clone() for key, weight in model.named_parameters() if weight.grad is not None}
    model.zero_grad()
    generator = torch.Generator().manual_seed(1)
    outputs = model.token_outputs(batch, output=output, generator=generator)
    logits = cosines(outputs.predicted_ND, model.item_vectors_VD())
    if loss == "ce":
        expected = F.cross_entropy(logits[:, 1:], outputs.targets_N - 1)
    else:
        negatives = ranking_loss.draw(targets, generator).expand(targets, 7)
        same = negatives == outputs.targets_N.unsqueeze(1)
        positive, negative = logits.gather(1, outputs.targets_N.unsqueeze(1)), logits.gather(1, negatives)
        both = torch.cat([positive, negative.masked_fill(same, float("-inf"))], dim=1)
        expected = F.cross_entropy(both, torch.zeros(targets, dtype=torch.int64))
    assert values[loss] == pytest.approx(expected.item(), rel=1e-4)
    expected.backward()
    for key, weight in model.named_parameters():
        if weight.grad is not None:
            torch.testing.assert_close(found[key], weight.grad, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("temperature", [1.0, 0.07, 0.05, 0.01])
def test_what_never_repeats_is_behind_all_others_however_far_scores_are_apart(
    temperature: float, histories: Sequences
) -> None:
    model = made("sasrec", repeats="never", score_temperature=temperature)
    scorer, cases = asked(model, "next_item", sampling=FAST_SAMPLING), select_cases(histories, "test")
    for numbers, (vectors_BD,), bias in scorer.represent(histories, cases.starts, cases.ends):
        lists = top_k(vectors_BD, scorer.vectors_VD, ITEMS, [np.empty(0, dtype=np.int64)] * len(numbers), bias=bias)
        for number, found in zip(numbers, lists, strict=True):
            seen = set(histories.items[max(cases.starts[number], cases.ends[number] - 8) : cases.ends[number]].tolist())
            assert set(found.items[ITEMS - len(seen) :].tolist()) == seen


@sampled("name", NAMES, quick=["sasrec"])
def test_a_model_has_no_weight_more(name: str) -> None:
    entry = find_model(name)
    plain, compared = (
        entry.outline(build(entry.config_type, {"scores": scores}, where="[model]"), ITEMS).state_dict().keys()
        for scores in ("product", "cosine")
    )
    assert plain == compared


def test_the_denoising_loss_is_of_the_vectors_as_they_are() -> None:
    """What a step of the reverse process begins with must be of the size that noise is added to."""
    values = {}
    for scores in ("product", "cosine"):
        run = small_training("adrec", "align", network={"scores": scores}, ce_weight=0.0, epochs=1)
        values[scores] = [event.losses["mse"] for event in run.events() if hasattr(event, "losses")]
    assert values["product"] == values["cosine"]


def test_training_lowers_the_loss_of_cosines() -> None:
    run = small_training("sasrec", network={"scores": "cosine", "score_temperature": 0.2}, epochs=12)
    losses = [event.losses["ce"] for event in run.events() if hasattr(event, "losses")]
    assert losses[-1] < 0.9 * losses[0]
