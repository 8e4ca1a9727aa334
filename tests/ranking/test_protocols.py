"""How many items a target is ranked among."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from adrec_cli.ranking.protocols import find_repeats, select_cases
from adrec_cli.ranking.rivals import Rivals, count_candidates
from tests.examples import tries
from tests.ranking.test_scores import made


def test_candidates_are_those_that_compete():
    sequences = made([[1, 2, 2, 3], [3, 2, 3, 3]], items=9)
    cases = select_cases(sequences, "test")
    assert count_candidates(sequences, cases).tolist() == [9, 9]
    # The target, 3, always competes, also where it is in the history.
    assert count_candidates(sequences, cases, Rivals(mask_seen=True)).tolist() == [7, 8]
    negatives = np.array([[4, 4, 5, 3], [3, 3, 3, 3]])
    assert count_candidates(sequences, cases, Rivals(negatives=negatives)).tolist() == [4, 1]


@settings(max_examples=tries(60), deadline=None)
@given(st.lists(st.lists(st.integers(1, 5), min_size=3, max_size=9), min_size=1, max_size=6))
def test_a_target_is_a_repeat_if_it_stands_in_its_own_history(histories):
    sequences = made(histories, items=5)
    for part, ahead in (("valid", 2), ("test", 1)):
        expected = [history[-ahead] in history[:-ahead] for history in histories]
        assert find_repeats(sequences, select_cases(sequences, part)).tolist() == expected
