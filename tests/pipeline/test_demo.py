"""The demo: generated, offline, learnable, and usable at the end."""

from __future__ import annotations

import socket

import pytest

from adrec_cli.experiments.options import ExperimentOptions
from adrec_cli.pipeline.recommend import recommend
from adrec_cli.pipeline.run import RunOptions, run

HASTY = {"pretrain": {"epochs": 5, "learning_rate": 0.003}, "align": {"epochs": 1}, "finetune": {"epochs": 1}}
"""The demo's own recipe with fewer and larger steps."""


@pytest.mark.parametrize("stages", [HASTY, pytest.param({}, marks=pytest.mark.slow)], ids=["hasty", "as it is"])
def test_the_demo_beats_popularity_and_serves(tmp_path, monkeypatch, stages):
    def refuse(*args, **kwargs):
        raise AssertionError("the demo went to the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    options = RunOptions(experiment=ExperimentOptions(overrides={"stages": stages}))
    summary = run("demo", workspace=tmp_path, options=options)
    assert summary.warnings == []
    assert summary.evaluation.metrics["ndcg@10"] > 3 * summary.baseline.metrics["ndcg@10"]
    assert summary.evaluation.metrics["ndcg@10"] > 0.4
    found = recommend(workspace=tmp_path, users=["u0001"], histories=[["s00e00", "s00e01"]])
    assert [len(result.items) for result in found.results] == [10, 10]
    # The next episode is what most viewers of a series go on to.
    assert "s00e02" in [item.item_id for item in found.results[1].items[:3]]
    assert all(item.title for item in found.results[0].items)
