"""Another numbering changes no history but for the items it does not have."""

from __future__ import annotations

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from adrec_cli.data.reindexing import index_mapping, reindex
from adrec_cli.data.sequences import Sequences
from tests.examples import tries


def items(ids: list[str]) -> pl.DataFrame:
    return pl.DataFrame({"item_index": range(1, len(ids) + 1), "item_id": ids}, schema_overrides={"item_id": pl.String})


@settings(max_examples=tries(60), deadline=None)
@given(
    st.lists(st.lists(st.integers(1, 6), max_size=6), min_size=1, max_size=5),
    st.lists(st.sampled_from("abcdefgh"), unique=True),
    st.randoms(use_true_random=False),
)
def test_histories_are_those_of_the_known_items(histories, target, random):
    source = list("fedcba")
    lengths = np.array([len(history) for history in histories])
    cuts = [sorted((random.randint(0, int(n)), random.randint(0, int(n)))) for n in lengths]
    sequences = Sequences(
        user_ids=pl.Series([str(user) for user in range(len(histories))]),
        items=np.array([item for history in histories for item in history], dtype=np.int32),
        offsets=np.concatenate([[0], np.cumsum(lengths)]),
        train_end=np.array([cut[0] for cut in cuts]),
        valid_end=np.array([cut[1] for cut in cuts]),
        item_count=6,
    )
    mapping = index_mapping(items(source), items(target))
    found = reindex(sequences, mapping, len(target))
    for user, history in enumerate(histories):
        raw = [source[item - 1] for item in history]
        known = [item for item in raw if item in target]
        assert [target[item - 1] for item in found.history(user)] == known
        for name, cut in zip(("train_end", "valid_end"), cuts[user], strict=True):
            assert getattr(found, name)[user] == len([item for item in raw[:cut] if item in target])
