"""Ranks by cached keys and values, batches of equal length and counting, against full sequences and sorting."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from adrec_cli.data.batches import history_batches
from adrec_cli.data.sequences import Sequences
from adrec_cli.models.sampling import Sampling
from adrec_cli.ranking import scorer, scores
from adrec_cli.ranking.protocols import select_cases
from adrec_cli.ranking.ranks import target_ranks
from tests.examples import tries
from tests.models.test_adrec import made
from tests.ranking.test_scores import asked
from tests.reference import adrec as reference

CPU = torch.device("cpu")
ITEMS = 40


def of_lengths(lengths: list[int]) -> Sequences:
    """Histories of these lengths, each with two held-out items behind it."""
    whole = np.array(lengths) + 2
    items = np.random.default_rng(len(lengths)).integers(1, ITEMS + 1, size=whole.sum()).astype(np.int32)
    return Sequences(
        user_ids=pl.Series([str(user) for user in range(len(whole))]), items=items,
        offsets=np.concatenate([[0], np.cumsum(whole)]), train_end=whole - 2, valid_end=whole - 1, item_count=ITEMS,
    )  # fmt: skip


def reference_ranks(model, sequences: Sequences, steps: int) -> list[int]:
    """One user after the other, whole sequences at every step, all scores sorted."""
    ranks = []
    for user in range(sequences.users):
        *history, target = sequences.history(user)[-model.max_length - 1 :].tolist()
        zeros = [torch.zeros(1, 16)] * steps
        sample = reference.sample_last(model, torch.tensor([history]), [len(history)], zeros, steps=steps)
        order = (sample @ model.item_embedding.weight[1:].T).argsort(descending=True) + 1
        ranks.append(order[0].tolist().index(target) + 1)
    return ranks


@settings(max_examples=tries(12), deadline=None, derandomize=True)
@given(
    st.lists(st.integers(1, 19), min_size=1, max_size=9), st.sampled_from([1, 2, 5]),
    st.sampled_from([8, 40, 4096]), st.integers(1, 7),
)  # fmt: skip
def test_ranks_equal_those_of_full_sequences_and_sorting(lengths, steps, batch_tokens, rows) -> None:
    model, sequences = made(steps=5), of_lengths(lengths)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scorer, "_MIN_BATCH_TOKENS", 1)
        patch.setattr(scorer, "_BATCH_TOKENS", {"cpu": batch_tokens})
        patch.setattr(scores, "_MIN_ROWS", rows)
        patch.setattr(scores, "_CHUNK_ENTRIES", {"cpu": 1})
        stepped = asked(model, "x_start", sampling=Sampling(steps=steps, noise="zero"))
        ranks = target_ranks(stepped, sequences, select_cases(sequences, "test"))
    assert ranks.tolist() == reference_ranks(model, sequences, steps)


@settings(max_examples=tries(10), deadline=None, derandomize=True)
@given(st.lists(st.integers(1, 30), min_size=2, max_size=12), st.sampled_from(["condition", "x_start"]))
def test_nobody_is_given_other_vectors_in_other_company(lengths, output) -> None:
    """Noise is seeded: it belongs to a history, whatever the batch, the order and the number of histories."""
    model, sequences = made(steps=4), of_lengths(lengths)
    starts, ends = sequences.offsets[:-1], sequences.offsets[1:]

    def vectors(chosen: list[int], tokens: int) -> dict[int, torch.Tensor]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(scorer, "_MIN_BATCH_TOKENS", 1)
            patch.setattr(scorer, "_BATCH_TOKENS", {"cpu": tokens})
            seeded = asked(model, output, sampling=Sampling(seed=3))
            batches = seeded.represent(sequences, starts[chosen], ends[chosen])
            return {
                chosen[case]: row
                for cases, (vectors_BD,), _ in batches
                for case, row in zip(cases.tolist(), vectors_BD, strict=True)
            }

    together = vectors(list(range(len(lengths))), 4096)
    some = vectors(list(range(len(lengths)))[::-2], 30)
    for user, row in some.items():
        torch.testing.assert_close(row, together[user], atol=1e-5, rtol=1e-5)


def test_a_batch_is_of_one_length_where_there_are_enough_of_it() -> None:
    sequences = of_lengths([3] * 20 + [5] * 20 + [9, 11])
    batches = list(
        history_batches(sequences.items, sequences.offsets[:-1], sequences.offsets[1:], max_length=50, batch_tokens=64)
    )
    assert [batch.whole for _, batch in batches[:-1]] == [True] * (len(batches) - 1)
    assert not batches[-1][1].whole
    assert batches[-1][1].lengths_B.tolist() == [7, 7, 11, 13]
