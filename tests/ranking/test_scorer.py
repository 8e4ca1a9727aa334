"""What is not finite is refused before anybody is ranked by it, and what is, however large, is not."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from adrec_cli.errors import ArtifactError
from adrec_cli.loading.recommender import Histories
from adrec_cli.models.sampling import Sampling
from adrec_cli.ranking.samples import Merging
from adrec_cli.ranking.scorer import Scorer
from tests.training.small import small_training

# The sum of two of the largest overflows, that of the infinities is not a number.
VALUES = st.sampled_from([0.0, 1.0, -1.0, 3e38, -3e38, math.inf, -math.inf, math.nan])


@given(st.lists(st.tuples(VALUES, VALUES, VALUES), min_size=1, max_size=3))
def test_representations_are_refused_where_one_value_is_not_finite(samples):
    given_BD = iter(torch.tensor(samples, dtype=torch.float32).unsqueeze(1))
    model = small_training("adrec", "finetune").model.eval()
    model.represent = lambda *_, **__: next(given_BD)  # type: ignore[method-assign]
    scorer = Scorer(
        model=model,
        output="x_start",
        sampling=Sampling(),
        merging=Merging(samples=len(samples)),
        device=torch.device("cpu"),
    )
    history = Histories.join([np.array([1, 2], dtype=np.int32)], [None])
    found = scorer.represent(history, history.starts, history.ends)
    if all(map(math.isfinite, np.ravel(samples))):
        ((_, representations, _),) = found
        assert torch.equal(torch.stack(representations).squeeze(1), torch.tensor(samples))
    else:
        with pytest.raises(ArtifactError, match="not finite"):
            list(found)
