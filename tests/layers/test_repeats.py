"""The bias of items of the history, against counting by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from adrec_cli.data.batches import TrainingWindows, pack_batch
from adrec_cli.layers.names import REPEATS
from adrec_cli.layers.repeats import AGES, BUCKETS, COUNTS, RepeatBias
from tests.examples import tries

HISTORIES = st.lists(st.lists(st.integers(1, 5), min_size=2, max_size=40), min_size=1, max_size=6)


def made(mode: str = "learned") -> RepeatBias:
    bias = RepeatBias.from_name(mode)
    assert bias is not None
    if mode == "learned":
        bias.weight.data = torch.randn(BUCKETS, 1, generator=torch.Generator().manual_seed(1))
    return bias


def by_hand(history: list[int], weight: torch.Tensor) -> dict[int, float]:
    """What is added to the score of each item of a history."""
    found = {}
    for item in set(history):
        age = history[::-1].index(item)
        bucket = sum(age >= begin for begin in AGES) * (len(COUNTS) + 1)
        bucket += sum(history.count(item) >= begin for begin in COUNTS)
        found[item] = 10 * weight[bucket].item()
    return found


def as_dicts(found) -> list[dict[int, float]]:
    rows = []
    for items, values in zip(found.items_NS.tolist(), found.values_NS.tolist(), strict=True):
        assert all(value == 0 for item, value in zip(items, values, strict=True) if not item)
        real = [(item, value) for item, value in zip(items, values, strict=True) if item]
        assert len(dict(real)) == len(real), "each item once"
        rows.append(dict(real))
    return rows


def windows_of(histories: list[list[int]], *, prefixes: bool) -> TrainingWindows:
    lengths = np.array([len(history) - 1 for history in histories])
    starts = np.concatenate([[0], np.cumsum(lengths + 1)[:-1]])
    items = np.concatenate(histories).astype(np.int32)
    return TrainingWindows(items=items, starts=starts, lengths=lengths, prefixes=prefixes)


@settings(max_examples=tries(80), deadline=None)
@given(HISTORIES, st.booleans(), st.sampled_from(["learned", "never"]))
def test_every_token_has_the_bias_of_its_own_history(histories, prefixes, mode):
    bias = made(mode)
    batch = pack_batch(windows_of(histories, prefixes=prefixes), np.arange(len(histories)), 45)
    found = as_dicts(bias.of_tokens(batch.inputs_RL, batch.segments_RL, batch.learned_RL))
    segments, positions = batch.segments_RL[batch.learned_RL], batch.positions_RL[batch.learned_RL]
    assert len(found) == len(segments) == batch.targets
    for row, segment, position in zip(found, segments.tolist(), positions.tolist(), strict=True):
        assert row == pytest.approx(by_hand(histories[segment - 1][: position + 1], bias.weight))


@settings(max_examples=tries(80), deadline=None)
@given(HISTORIES)
def test_a_user_has_the_bias_the_last_token_was_trained_with(histories):
    bias, longest = made(), max(map(len, histories))
    items = torch.tensor([history + [0] * (longest - len(history)) for history in histories])
    found = as_dicts(bias.of_histories(items, torch.tensor([len(history) for history in histories])))
    for row, history in zip(found, histories, strict=True):
        assert row == pytest.approx(by_hand(history, bias.weight))


@settings(max_examples=tries(60), deadline=None)
@given(HISTORIES, st.integers(0, 99), st.booleans())
def test_the_bias_of_own_items_is_what_is_added_to_all_scores(histories, seed, shared):
    bias, longest = made(), max(map(len, histories))
    items = torch.tensor([history + [0] * (longest - len(history)) for history in histories])
    found = bias.of_histories(items, torch.tensor([len(history) for history in histories]))
    scores = torch.zeros(len(histories), 7)
    found.add_to(scores, first=1)
    asked = torch.randint(1, 8, (9,) if shared else (len(histories), 9), generator=torch.Generator().manual_seed(seed))
    assert torch.equal(found.of(asked), scores.gather(1, asked.expand(len(histories), -1) - 1))
    some = torch.zeros(1, 7)
    found.rows(slice(0, 1)).add_to(some, first=1)
    assert torch.equal(some, scores[:1])


def test_scores_that_leave_items_out_get_the_bias_of_the_others():
    found = made().of_histories(torch.tensor([[1, 5, 3]]), torch.tensor([3]))
    every, some = torch.zeros(1, 8), torch.zeros(1, 2)
    found.add_to(every, first=0)
    found.add_to(some, first=3)
    assert torch.equal(some, every[:, 3:5])
    assert every[0, 0] == 0


def test_nothing_is_added_at_the_start_and_never_stays_what_it_is():
    assert set(REPEATS) == {"none", "learned", "never"}
    assert RepeatBias.from_name("none") is None
    fresh, never = RepeatBias(learned=True), made("never")
    history = torch.tensor([[1, 2]]), torch.tensor([2])
    assert not fresh.of_histories(*history).values_NS.any()
    assert not list(never.parameters())
    assert not never.state_dict(), "nothing to be stored"
    never.initialize()
    assert (never.of_histories(*history).values_NS == -30).all()


@pytest.mark.parametrize(
    ("age", "bucket"),
    [(0, 0), (1, 1), (2, 2), (3, 2), (4, 3), (7, 3), (8, 4), (15, 4), (16, 5), (31, 5), (32, 6), (90, 6)],
)
@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_a_saved_bias_means_the_same_ages_and_counts_for_ever(age, bucket, count):
    """Weights of other buckets would be of the same shape, and of another meaning."""
    bias = made()
    bias.weight.data = torch.arange(21.0).unsqueeze(1)
    history = [*[7] * count, *range(10, 10 + age)]
    found = bias.of_histories(torch.tensor([history]), torch.tensor([len(history)]))
    assert as_dicts(found)[0][7] == 10 * (3 * bucket + min(count, 3) - 1)
