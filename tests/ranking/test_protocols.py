"""How many items a target is ranked among."""

from __future__ import annotations

import numpy as np

from adrec_cli.ranking.protocols import candidate_counts, held_out_cases
from tests.ranking.test_scores import made


def test_candidates_are_those_that_compete():
    sequences = made([[1, 2, 2, 3], [3, 2, 3, 3]], items=9)
    cases = held_out_cases(sequences, "test")
    assert candidate_counts(sequences, cases).tolist() == [9, 9]
    # The target, 3, always competes, also where it is in the history.
    assert candidate_counts(sequences, cases, mask_seen=True).tolist() == [7, 8]
    negatives = np.array([[4, 4, 5, 3], [3, 3, 3, 3]])
    assert candidate_counts(sequences, cases, negatives=negatives).tolist() == [4, 1]
