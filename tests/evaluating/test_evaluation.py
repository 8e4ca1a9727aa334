"""What is stored of an evaluation is what its ranks say, without users who have left."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from adrec_cli.artifacts.evaluation import read_evaluation, read_ranks
from adrec_cli.evaluating import evaluation as evaluating
from adrec_cli.evaluating.evaluation import evaluate_opened
from adrec_cli.evaluating.given_negatives import Looking
from adrec_cli.evaluating.options import EvaluationOptions
from adrec_cli.loading.opening import Dataset, open_dataset
from adrec_cli.ranking.metrics import metric_table
from adrec_cli.ranking.protocols import select_cases
from tests.loading.content import with_items


@pytest.fixture
def dataset(workspace: Path) -> Dataset:
    """The data set; its fifth item never occurs in train, and its sixth once."""
    opened = open_dataset(workspace / "tiny")
    number = pl.col("item_index")
    count = pl.when(number == 5).then(0).when(number == 6).then(1).otherwise(pl.col("count")).alias("count")
    return with_items(opened, opened.items.with_columns(count))


@pytest.mark.parametrize("lists", [False, True])
@pytest.mark.parametrize("part", ["test", "valid"])
def test_it_says_what_its_ranks_say(dataset: Dataset, lists: bool, part: str) -> None:
    options = EvaluationOptions(part=part, beyond_accuracy=lists, seed=7, threads=1)
    made = evaluate_opened(dataset, None, options)
    assert made == read_evaluation(Path(made.path))
    assert bool(made.beyond_accuracy) is lists
    cases, found = select_cases(dataset.sequences, part), read_ranks(Path(made.path))
    assert np.array_equal(found.targets, cases.targets)
    assert np.array_equal(found.users, cases.users)
    assert found.user_ids.to_list() == dataset.sequences.user_ids.gather(cases.users).to_list()
    ids = dict(zip(dataset.items["item_index"], dataset.items["item_id"], strict=True))
    counts = dict(zip(dataset.items["item_index"], dataset.items["count"], strict=True))
    targets = cases.targets.tolist()
    assert found.item_ids.to_list() == [ids[item] for item in targets]
    assert found.target_counts.tolist() == [counts[item] for item in targets]
    assert found.cold.tolist() == [item == 5 for item in targets]
    assert found.history_lengths.tolist() == (cases.ends - cases.starts).tolist()
    assert made.cold_targets == targets.count(5) > 0
    # MostPopular ranks by how often an item occurs in train, with those of equal counts in the order of their numbers.
    order = sorted(counts, key=lambda item: (-counts[item], item))
    assert (np.abs(found.ranks - [order.index(item) + 1 for item in targets]) <= 10).all()
    assert made.metrics == metric_table(found.ranks, found.users)
    assert (made.users, made.cases, made.items) == (len(set(cases.users.tolist())), len(cases), 40)
    assert (made.model, made.stage, made.checkpoint, made.checkpoint_sha256) == ("mostpop", "", "", "")
    assert (made.parameters, made.device, made.seed, made.sampling, made.mask_seen) == (41, "cpu", 7, {}, False)
    assert (made.protocol, made.negatives_source, made.negatives_sha256) == (f"loo/full/{part}", "", "")
    for name in ("items_sha256", "sequences_sha256"):
        assert getattr(made, name) == getattr(dataset.manifest, name)


@pytest.mark.parametrize("leaving", [(), (0,), (1,), (0, 1)])
def test_whoever_leaves_before_or_while_it_is_written_is_not_in_it(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch, leaving: tuple[int, ...]
) -> None:
    """A user leaves before the first look, another between the two."""
    looks, leave_out = [], ("u1", "u2")

    def look(dataset: Dataset, ranks: pl.DataFrame) -> pl.DataFrame:
        gone = [leave_out[number] for number in leaving if number <= len(looks)]
        looks.append(gone)
        return ranks.filter(~pl.col("user_id").is_in(gone))

    written = []
    write = evaluating.write_evaluation
    monkeypatch.setattr(evaluating, "_leave_out_forgotten", look)
    monkeypatch.setattr(evaluating, "write_evaluation", lambda *given: written.append(given[1].height) or write(*given))
    whole = len(select_cases(dataset.sequences, "test"))
    made = evaluate_opened(dataset, None, EvaluationOptions(threads=1))
    gone = {leave_out[number] for number in leaving}
    assert not gone & set(read_ranks(Path(made.path)).user_ids)
    assert written == [whole - (0 in leaving), *([whole - len(leaving)] if 1 in leaving else [])]


def test_a_file_of_negatives_is_found_by_its_name_or_as_published(tmp_path: Path) -> None:
    assert Looking().find("negatives.csv", "test") == (Path("negatives.csv"), "")
    assert Looking().find("a/b.parquet", "valid") == (Path("a/b.parquet"), "")
