"""A large shop goes through one machine from its log to its report; a tenth of the target in the slow tests."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from tests.benchmarks.large_shop import MOST_GIGABYTES, MOST_OF_OWN, Step, describe_whole, go_through, write_log

STEPS = ["preprocess", "train", "evaluate", "recommend", "verify", "report"]


def test_the_log_is_as_large_as_it_says(tmp_path):
    write_log(tmp_path / "log.parquet", users=50, items=30, events=2000)
    log = pl.read_parquet(tmp_path / "log.parquet")
    assert (log.height, log["user_id"].n_unique()) == (2000, 50)
    assert 20 < log["item_id"].n_unique() <= 30
    assert log["timestamp"].is_sorted()
    counts = np.sort(log["item_id"].value_counts()["count"].to_numpy())
    assert counts[-1] > 5 * counts[0], "items are not equally popular"


def test_the_whole_is_held_against_what_its_steps_are_there_for():
    steps = [Step(name=name, seconds=9.0, processor_seconds=5.0, gigabytes=1.0, own_seconds=own) for name, own in
             (("train", 3.0), ("verify", 5.0))]  # fmt: skip
    assert "18.0 s     10.0 processor s, 1.25 times the 8.0 of" in describe_whole(steps)


@pytest.mark.slow
@pytest.mark.parametrize(("share", "most"), [(0.1, 2.5)])
def test_a_tenth_of_the_target_fits(tmp_path, share, most):
    sizes = {"users": int(1e6 * share), "items": int(1e6 * share), "events": int(3e7 * share)}
    steps = list(go_through(tmp_path, **sizes))
    assert [step.name for step in steps] == STEPS
    assert most < MOST_GIGABYTES
    assert all(0 < step.own_seconds <= step.processor_seconds for step in steps)
    assert sum(step.processor_seconds for step in steps) < MOST_OF_OWN * sum(step.own_seconds for step in steps)
    assert {step.name: step.gigabytes for step in steps if step.gigabytes > most} == {}
