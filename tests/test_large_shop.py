"""A large shop goes through one machine from its log to its report; a tenth of the target in the slow tests."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from tests.benchmarks.large_shop import MOST_GIGABYTES, go_through, write_log

STEPS = ["preprocess", "train", "evaluate", "recommend", "verify", "report"]


def test_the_log_is_as_large_as_it_says(tmp_path):
    write_log(tmp_path / "log.parquet", users=50, items=30, events=2000)
    log = pl.read_parquet(tmp_path / "log.parquet")
    assert (log.height, log["user_id"].n_unique()) == (2000, 50)
    assert 20 < log["item_id"].n_unique() <= 30
    assert log["timestamp"].is_sorted()
    counts = np.sort(log["item_id"].value_counts()["count"].to_numpy())
    assert counts[-1] > 5 * counts[0], "items are not equally popular"


@pytest.mark.slow
@pytest.mark.parametrize(("share", "most"), [(0.1, 2.5)])
def test_a_tenth_of_the_target_fits(tmp_path, share, most):
    sizes = {"users": int(1e6 * share), "items": int(1e6 * share), "events": int(3e7 * share)}
    steps = list(go_through(tmp_path, **sizes))
    assert [step.name for step in steps] == STEPS
    assert most < MOST_GIGABYTES
    assert {step.name: step.gigabytes for step in steps if step.gigabytes > most} == {}
