"""Which options of an evaluation go together, and what its targets then compete with."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from adrec_cli.errors import UsageError
from adrec_cli.evaluating.held_out import prepare_held_out
from adrec_cli.evaluating.options import EvaluationOptions
from adrec_cli.evaluating.rivals import cases_of, choose_rivals, hash_negatives, name_protocol
from adrec_cli.experiments.events import RankingProgress, Warned
from adrec_cli.loading.opening import Dataset, open_dataset
from adrec_cli.ranking.protocols import select_cases
from adrec_cli.ranking.rivals import cold_rivals, draw_negatives
from tests.loading.content import with_items


@pytest.fixture(scope="module")
def dataset(tiny_source: Path) -> Dataset:
    return open_dataset(tiny_source / "tiny")


CHOICES = list(itertools.product((0, 5), (None, Path("n.csv")), (False, True), ("all", "cold-items"), (False, True)))


@pytest.mark.parametrize(("negatives", "file", "masked", "protocol", "lists"), CHOICES)
def test_one_way_of_competing_at_a_time(
    negatives: int, file: Path | None, masked: bool, protocol: str, lists: bool
) -> None:
    """Drawn, read, unseen, cold: each says what a target competes with; lists are of the whole catalogue."""
    ways = sum((bool(negatives), file is not None, masked, protocol == "cold-items"))
    possible = ways <= 1 and not (lists and (negatives or file or protocol == "cold-items"))
    told = {"negatives": negatives, "negatives_file": file, "mask_seen": masked, "protocol": protocol}
    if possible:
        options = EvaluationOptions(**told, beyond_accuracy=lists)  # type: ignore[arg-type]
        assert options.cold_items is (protocol == "cold-items")
    else:
        with pytest.raises(UsageError):
            EvaluationOptions(**told, beyond_accuracy=lists)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({}, "loo/full/test"), ({"part": "valid"}, "loo/full/valid"), ({"negatives": 5}, "loo/sampled-5/test"),
        ({"protocol": "cold-items"}, "loo/cold-items/test"), ({"mask_seen": True}, "loo/full/test/mask-seen"),
    ],
)  # fmt: skip
def test_the_protocol_says_how_was_ranked(dataset: Dataset, options: dict[str, object], code: str) -> None:
    told = EvaluationOptions(**options)  # type: ignore[arg-type]
    made = name_protocol(dataset, told, told.negatives)
    assert made.code == code
    assert made.mask_seen is told.mask_seen
    for given, source in (
        (dataclasses.replace(told, seed=7), "drawn with seed 7"),
        (EvaluationOptions(negatives_file=Path("a/n.csv")), "n.csv"),
        (EvaluationOptions(negatives_file=Path("a/n.csv"), negatives_name="shop:test"), "shop:test"),
    ):
        assert name_protocol(dataset, given, 3).negatives_source == source


def test_targets_compete_with_what_was_asked_for(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    cases = select_cases(dataset.sequences, "test")

    def chosen(**options: object):  # type: ignore[no-untyped-def]
        return choose_rivals(dataset, cases, EvaluationOptions(**options), events.append)  # type: ignore[arg-type]

    events: list[object] = []
    assert chosen().negatives is None
    assert (chosen().mask_seen, chosen(mask_seen=True).mask_seen) == (False, True)
    drawn = chosen(negatives=4, seed=3)
    assert np.array_equal(drawn.negatives, draw_negatives(dataset.sequences, cases, 4, 3))
    assert drawn.count == 4
    cold = chosen(protocol="cold-items")
    expected = cold_rivals(cases, dataset.train_counts)
    assert (cold.count, cold.mask_seen) == (expected.count, expected.mask_seen)
    assert events == [], "40 items are ten times 4"
    chosen(negatives=5)
    (warned,) = events
    assert isinstance(warned, Warned)
    assert warned.message.startswith("5 negatives are drawn with replacement from 40 items: ")
    read = np.full((len(cases), 3), 1)

    def read_file(path: Path, **given: object) -> np.ndarray:
        assert path == Path("n.csv")
        assert given["user_ids"] == dataset.sequences.user_ids.gather(cases.users).to_list()
        assert given["targets"] is cases.targets
        return read

    monkeypatch.setattr("adrec_cli.data.negatives.read_negatives", read_file)
    assert chosen(negatives_file=Path("n.csv")).negatives is read


def test_a_file_of_negatives_has_its_hash_and_others_none(tmp_path: Path) -> None:
    (tmp_path / "n.csv").write_text("x")
    assert hash_negatives(EvaluationOptions(negatives_file=tmp_path / "n.csv")).startswith("2d711642b726b044")
    assert hash_negatives(EvaluationOptions(negatives=5)) == ""


@pytest.mark.parametrize("part", ["test", "valid"])
def test_what_is_held_out_can_be_cut_to_its_first_cases(
    dataset: Dataset, part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = prepare_held_out(dataset, EvaluationOptions(part=part, negatives=4), lambda event: None)
    whole = select_cases(dataset.sequences, part)
    assert (held.protocol.code, len(held.cases)) == (f"loo/sampled-4/{part}", len(whole))
    some = held.first(7)
    assert (len(some.cases), some.protocol, some.dataset) == (7, held.protocol, dataset)
    assert np.array_equal(some.cases.targets, whole.targets[:7])
    assert np.array_equal(some.rivals.negatives, held.rivals.negatives[:7])
    events: list[object] = []

    def rank(  # type: ignore[no-untyped-def]
        scorer: object, sequences: object, cases: object, rivals: object, ranks: np.ndarray, *, turn: int, turns: int
    ):
        assert (scorer, sequences, cases, rivals) == ("scorer", dataset.sequences, some.cases, some.rivals)
        assert (turn, turns) == (0, 1)
        for numbers in (range(3), range(3, 7)):
            ranks[numbers] = 1 + np.array(numbers)
            clock[0] += 1.25
            yield len(numbers)

    clock = [100.0]
    monkeypatch.setattr("adrec_cli.evaluating.held_out.time.perf_counter", lambda: clock[0])
    monkeypatch.setattr("adrec_cli.ranking.ranks.rank_batches", rank)
    ranks, seconds = some.rank("scorer", events.append)  # type: ignore[arg-type]
    assert (ranks.tolist(), seconds) == ([1, 2, 3, 4, 5, 6, 7], 2.5)
    assert events == [RankingProgress(done=done, total=7) for done in (3, 7)]


def test_cold_targets_are_those_that_train_never_had(dataset: Dataset) -> None:
    column = pl.when(pl.col("item_index") == 5).then(0).otherwise(pl.col("count")).alias("count")
    rare = with_items(dataset, dataset.items.with_columns(column))
    options = EvaluationOptions(protocol="cold-items")
    whole = select_cases(dataset.sequences, "test")
    assert cases_of(rare, options).targets.tolist() == [5] * int((whole.targets == 5).sum())
    assert np.array_equal(cases_of(rare, options).users, whole.users[whole.targets == 5])
    assert len(cases_of(rare, EvaluationOptions())) == len(whole)
    held = prepare_held_out(rare, options, lambda event: None)
    assert held.protocol.code == "loo/cold-items/test"
