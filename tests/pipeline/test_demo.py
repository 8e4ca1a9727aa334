"""The demo: generated, offline, learnable, and usable at the end."""

from __future__ import annotations

import json
import re
import shlex
import socket
from pathlib import Path

import pytest

from adrec_cli.content.choice import choose_encoders
from adrec_cli.data.demo import EPISODES, SERIES, demo_interactions, demo_metadata
from adrec_cli.experiments.options import ExperimentOptions
from adrec_cli.pipeline.recommend import recommend
from adrec_cli.pipeline.run import RunOptions, run
from tests.robustness.processes import typed_here

HASTY = {"pretrain": {"epochs": 5, "learning_rate": 0.003}, "align": {"epochs": 1}, "finetune": {"epochs": 1}}
"""The demo's own recipe with fewer and larger steps."""


@pytest.mark.thorough
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


def test_a_description_tells_which_series_its_viewers_go_on_to():
    told = [re.fullmatch(r"Among (.+), part \d+: .+ the (.+) come\.", text) for text in demo_metadata()["description"]]
    people, next_people = ([match[group] for match in told[::EPISODES]] for group in (1, 2))
    assert len(set(people)) == len(set(next_people)) == SERIES
    log = demo_interactions()
    # From the last part of a series to the first of another: often of the one that follows.
    last = (log.user[:-1] == log.user[1:]) & (log.item[:-1] % EPISODES == EPISODES - 1) & (log.item[1:] % EPISODES == 0)
    left, came_to = log.item[:-1][last] // EPISODES, log.item[1:][last] // EPISODES
    follows = [next_people[one] == people[other] for one, other in zip(left, came_to, strict=True)]
    assert sum(follows) > 0.8 * len(follows) > 100


def test_the_demo_of_content_on_its_page(tmp_path, monkeypatch):
    """As its page shows it: a new series and a new part of a known one are recommended to those who watch them."""
    pytest.importorskip("sklearn", reason="the extra text is not installed")
    page = (Path(__file__).parents[2] / "adrec_cli/content/README.md").read_text(encoding="utf-8")
    section = page.partition("## Try it")[2].partition("\n## ")[0]
    (typed,), (items,) = (
        re.findall(rf"^```{language}\n(.*?)^```$", section, re.M | re.S) for language in ("sh", "csv")
    )
    monkeypatch.chdir(tmp_path)
    Path("new.csv").write_text(items, encoding="utf-8")
    *made, new_series, new_part = [shlex.split(line)[1:] for line in typed.splitlines()]
    for words in made:
        assert typed_here([*words, "--json"]).exit_code == 0, words
    for words, wanted in ((new_series, "s50e01"), (new_part, "s01e10")):
        done = typed_here([*words, "--json"])
        assert done.exit_code == 0, done.stderr
        assert wanted in [item["item_id"] for item in json.loads(done.stdout)["results"][0]["items"]]


def test_content_is_chosen_for_every_column_of_the_demo():
    assert [str(choice) for choice in choose_encoders(demo_metadata())] == [
        "tfidf of title, description", "categories of category",
    ]  # fmt: skip
