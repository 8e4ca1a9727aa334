"""Times that are reported were spent: a clock that ticks once each time it is looked at."""

from __future__ import annotations

import itertools
import json
import time

import pytest

from adrec_cli.artifacts.evaluation import list_evaluations, read_evaluation
from adrec_cli.experiments.options import ExperimentOptions
from adrec_cli.pipeline.recommend_batch import recommend_batch
from adrec_cli.pipeline.run import RunOptions, run
from adrec_cli.recommending.batch_options import AudienceOptions, BatchOutput
from tests.conftest import write_interactions

QUICK = ExperimentOptions(overrides={"model": {"hidden_size": 8, "heads": 1}, "stages": {"train": {"epochs": 2}}})


@pytest.fixture
def clocks(monkeypatch):
    """Clocks that were never set: differences of what they show are whole numbers of ticks, and nothing else is."""
    beats = {"perf_counter": itertools.count(7000), "process_time": itertools.count(3000)}
    for name, beat in beats.items():
        monkeypatch.setattr(time, name, beat.__next__)
    return beats


def test_times_are_differences_of_a_clock(tmp_path, clocks):
    write_interactions(tmp_path / "shop.csv", users=30, items=12)
    options = RunOptions(experiment=QUICK)
    told = run(str(tmp_path / "shop.csv"), model_name="sasrec", workspace=tmp_path / "w", options=options)
    spent = next(clocks["perf_counter"]) - 7000
    seconds = {step.name: step.seconds for step in told.steps}
    rows = list(map(json.loads, (tmp_path / "w/shop/sasrec/train.jsonl").read_text().splitlines()))
    evaluated = [read_evaluation(path).seconds for path in list_evaluations(tmp_path / "w/shop")]
    everyone, output = AudienceOptions(all_users=True), BatchOutput(path=tmp_path / "lists.csv")
    written = recommend_batch(everyone, output=output, workspace=tmp_path / "w")
    several = [*seconds.values(), *evaluated, written.seconds]
    several += [row[name] for row in rows for name in ("seconds", "processor_seconds")]
    assert [value for value in several if value != round(value) or not 0 < value < spent] == []
    assert list(seconds) == ["preprocess", "train", "evaluate", "promote"]
    assert sum(seconds.values()) < spent
    assert sum(row["seconds"] for row in rows) < seconds["train"]
