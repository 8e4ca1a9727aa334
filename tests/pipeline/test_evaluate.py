"""Evaluations and the ranks they leave: all figures come from them, and a stored one is used only where it holds."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from adrec_cli.artifacts.evaluation import ranks_path, read_evaluation, read_ranks
from adrec_cli.evaluating.options import EvaluationOptions
from adrec_cli.evaluating.rivals import ROOMY
from adrec_cli.evaluating.stored import find_evaluation
from adrec_cli.experiments.events import Warned
from adrec_cli.loading.opening import open_dataset
from adrec_cli.models.sampling import Sampling
from adrec_cli.pipeline.evaluate import evaluate
from adrec_cli.pipeline.preprocess import PreprocessOptions, preprocess
from adrec_cli.ranking.metrics import metric_table
from tests.conftest import write_interactions


@pytest.mark.parametrize(
    "options",
    [EvaluationOptions(), EvaluationOptions(part="valid", mask_seen=True), EvaluationOptions(negatives=9)],
    ids=["full", "masked", "sampled"],
)
def test_metrics_come_from_the_ranks(workspace, options):
    found = evaluate("mostpop", workspace=workspace, options=options)
    ranks = read_ranks(Path(found.path))
    assert metric_table(ranks.ranks, ranks.users) == found.metrics
    assert len(ranks) == found.cases
    assert ranks.provenance["protocol"] == found.protocol
    dataset = open_dataset(workspace / "tiny")
    assert ranks.user_ids.to_list() == dataset.sequences.user_ids.to_list()
    items = dataset.items
    assert ranks.item_ids.to_list() == items["item_id"].gather(ranks.targets - 1).to_list()
    assert ranks.target_counts.tolist() == items["count"].gather(ranks.targets - 1).to_list()
    if options.part == "test":
        assert (ranks.history_lengths == dataset.sequences.lengths - 1).all()
    if options.negatives:
        assert (ranks.candidates == 10).all()
    elif options.mask_seen:
        assert ranks.candidates.max() <= items.height
        assert ranks.candidates.mean() < items.height
    else:
        assert (ranks.candidates == items.height).all()


def write_negatives(workspace: Path, path: Path, shift: int = 0) -> None:
    dataset = open_dataset(workspace / "tiny")
    items, sequences = dataset.items["item_id"].to_list(), dataset.sequences
    last = [items[sequences.history(user)[-1] - 1] for user in range(sequences.users)]
    negatives = [items[shift : shift + 7]] * sequences.users
    pl.DataFrame({"user_id": sequences.user_ids, "item_id": last, "neg_items": negatives}).write_parquet(path)


def test_a_stored_evaluation_is_used_only_where_it_holds(workspace, tmp_path):
    dataset = open_dataset(workspace / "tiny")
    drawn = EvaluationOptions(negatives=7)
    assert find_evaluation(dataset, None, drawn) is None
    found = evaluate("mostpop", workspace=workspace, options=drawn)
    assert find_evaluation(dataset, None, drawn) == found
    for changed in ({"seed": 1}, {"negatives": 8}, {"part": "valid"}):
        assert find_evaluation(dataset, None, dataclasses.replace(drawn, **changed)) is None
    # MostPopular draws nothing.
    assert find_evaluation(dataset, None, dataclasses.replace(drawn, sampling=Sampling(steps=1))) == found
    # As many items, but those of a file: the protocol has the same code, the figures are others.
    write_negatives(workspace, tmp_path / "negatives.parquet")
    from_file = EvaluationOptions(negatives_file=tmp_path / "negatives.parquet")
    assert find_evaluation(dataset, None, from_file) is None
    again = evaluate("mostpop", workspace=workspace, options=from_file)
    assert again.protocol == found.protocol
    assert find_evaluation(dataset, None, from_file) == again
    assert find_evaluation(dataset, None, drawn) is None
    write_negatives(workspace, tmp_path / "negatives.parquet", shift=3)
    assert find_evaluation(dataset, None, from_file) is None


def test_a_stored_evaluation_without_its_ranks_does_not_hold(workspace):
    dataset = open_dataset(workspace / "tiny")
    found = evaluate("mostpop", workspace=workspace)
    ranks_path(Path(found.path)).write_bytes(b"PAR1")
    assert find_evaluation(dataset, None, EvaluationOptions()) is None
    assert evaluate("mostpop", workspace=workspace).ranks_sha256 == found.ranks_sha256


def test_the_report_counts_what_its_ranks_say(workspace):
    found = read_evaluation(Path(evaluate("mostpop", workspace=workspace).path))
    ranks = read_ranks(Path(found.path))
    assert found.cold_targets == int(ranks.cold.sum())
    assert found.users == len(np.unique(ranks.users))
    assert found.parameters == open_dataset(workspace / "tiny").items.height + 1


def test_a_global_time_split_has_several_ranks_a_user(tmp_path):
    write_interactions(tmp_path / "timed.csv", users=60)
    # Everybody's events are a minute apart, from 12:26:40 on.
    options = PreprocessOptions(split="time", valid_from="2020-09-13T12:31:40", test_from="2020-09-13T12:33:40")
    preprocess(str(tmp_path / "timed.csv"), workspace=tmp_path / "workspace", options=options)
    found = evaluate("mostpop", workspace=tmp_path / "workspace")
    ranks = read_ranks(Path(found.path))
    assert found.protocol == "time/full/test"
    assert found.cases == len(ranks) > found.users == len(np.unique(ranks.users))
    assert (np.diff(ranks.users) >= 0).all()
    assert metric_table(ranks.ranks, ranks.users) == found.metrics
    for pair in (("head", "tail"), ("long", "short"), ("warm", "cold"), ("repeat", "explore")):
        assert sum(found.slices[name]["cases"] for name in pair) == found.cases
    low, high = found.intervals["ndcg@10"]
    assert low < found.metrics["ndcg@10"] < high


@pytest.mark.parametrize(("negatives", "warned"), [(40 // ROOMY, 0), (40 // ROOMY + 1, 1)])
def test_few_items_are_said_where_drawn_ones_would_repeat(workspace, negatives, warned):
    seen = []
    evaluate("mostpop", workspace=workspace, options=EvaluationOptions(negatives=negatives), on_event=seen.append)
    messages = [event.message for event in seen if isinstance(event, Warned)]
    assert sum("are drawn with replacement from 40 items" in message for message in messages) == warned
