"""Sweeps and searches have a row for every run, with what the results say of it."""

from __future__ import annotations

import dataclasses

import pytest

from adrec_cli.artifacts.sweep_files import RunDifference, SweepRecord
from adrec_cli.pages.markup import Html
from adrec_cli.reporting.material import Material, SearchTold, SweepTold
from adrec_cli.reporting.sweeps_section import sweeps_section
from adrec_cli.sweeping.results import Summary
from adrec_cli.sweeping.trials import Trial
from tests.pages.tables import read_tables, read_words
from tests.reporting.test_results_section import figure, with_bounds
from tests.reporting.test_sections import PICTURE


def summary(run: str, metric: str, mean: float, *, part: str = "valid", seeds: int = 1) -> Summary:
    return Summary(
        run=run, key="k", value="v", part=part, protocol=f"loo/full/{part}", metric=metric, seeds=seeds, mean=mean,
        lower=mean - 0.01, upper=mean + 0.02, training_seconds=100 * mean, ranking_seconds=1,
    )  # fmt: skip


@pytest.mark.parametrize("seeds", [1, 3])
def test_a_sweep_has_a_table_for_each_part_with_every_run(material: Material, seeds: int) -> None:
    level = {"base": 0.3, "k=1": 0.4, "k=2": 0.2}
    summaries = [
        summary(run, metric, value + shift + more, part=part, seeds=seeds if run == "k=2" else 1)
        for run, value in level.items()
        for part, shift in (("valid", 0.0), ("test", 0.1))
        for metric, more in (("ndcg@10", 0.0), ("hr@10", 0.05), ("mrr", 0.07), ("hr@20", 0.09))
        if not (run == "base" and metric == "hr@20")
    ]
    record = SweepRecord(
        dataset="tiny", model="adrec", name="mine", command="adrec sweep tiny --vary k=1,2", monitor="ndcg@10",
        sequences_sha256="s", base={}, base_values={}, runs=[], failed=[{"run": "k=9", "error": "no room"}],
        differences=[
            RunDifference(run=run, part=part, metric="ndcg@10", seeds=1, value=value, low=-1, high=1, p=0.4, p_holm=0.5)
            for run, part, value in (("k=1", "test", 0.1), ("k=1", "valid", 0.2), ("k=2", "test", -0.3))
        ],
    )  # fmt: skip
    material = dataclasses.replace(material, sweeps=[SweepTold(record=record, summaries=summaries)])
    section = sweeps_section(material, {"mine": PICTURE, "other": Html("<b>no</b>")})
    assert section is not None
    valid, test = read_tables(section)
    assert (valid.caption, test.caption) == ("loo/full/valid", "loo/full/test")
    assert valid.columns == ["run", "NDCG@10", "to base", "p", "HR@10", "trained"], "what some runs lack is left out"
    for table, shift in ((valid, 0.0), (test, 0.1)):
        assert table.right == table.columns[1:]
        for row, (run, value) in zip(table.rows, level.items(), strict=True):
            mean = value + shift
            told = "" if run == "k=2" or seeds == 1 else " (1 of 3 seeds)"
            assert row["run"].text == run + told, "where the others diverged it is a mean of those that did not"
            assert row["NDCG@10"].text == with_bounds(mean, mean - 0.01, mean + 0.02)
            assert row["HR@10"].text == figure(mean + 0.05)
            assert row["trained"].text == f"{round(100 * mean)} s"
        assert table.marked("NDCG@10", "best") == table.marked("HR@10", "best") == [False, True, False]
    assert [text.partition(" ")[0] for text in valid.texts("to base")] == ["", "+0.2000", ""]
    assert [text.partition(" ")[0] for text in test.texts("to base")] == ["", "+0.1000", "-0.3000"]
    assert test.texts("p") == ["", "0.500", "0.500"]
    words = read_words(section)
    assert ("adrec; one seed, 95%" in words) == (seeds == 1)
    assert ("adrec; means of 3 seeds" in words) == (seeds == 3)
    assert "k=9 has no result: no room" in words
    assert "the picture" in words
    assert " no " not in words.replace("has no result: no room", "")
    assert words.endswith("adrec sweep tiny --vary k=1,2")


def test_a_sweep_without_its_base_has_no_differences(material: Material) -> None:
    record = SweepRecord(
        dataset="tiny", model="adrec", name="mine", command="adrec sweep tiny", monitor="mrr", sequences_sha256="s",
        base={}, base_values={}, runs=[],
    )  # fmt: skip
    summaries = [summary("k=1", metric, 0.1) for metric in ("hr@10", "mrr", "ndcg@20")]
    material = dataclasses.replace(material, sweeps=[SweepTold(record=record, summaries=summaries)])
    section = sweeps_section(material, {})
    assert section is not None
    assert read_tables(section)[0].columns == ["run", "MRR", "HR@10", "NDCG@20", "trained"]


def test_a_search_shows_its_best_trials_and_counts_all(material: Material) -> None:
    values = {1: 0.1, 2: 0.5, 3: 0.3, 4: 0.2, 5: 0.4, 6: 0.15}
    trials = [
        Trial(number=n, chosen={"lr": 0.00123456 * n, "size": n}, state="done", value=value, epochs={}, seconds=n)
        for n, value in values.items()
    ]
    failed = [
        Trial(number=7, chosen={"lr": 9.0, "size": 7}, state="pruned", value=0.9, epochs={}, seconds=7),
        Trial(number=8, chosen={"lr": 9.0, "size": 8}, state="diverged", value=None, epochs={}, seconds=8),
    ]
    about = {
        "name": "hunt",
        "model": "sasrec",
        "monitor": "ndcg@10",
        "protocol": "loo/full/valid",
        "command": "adrec tune",
    }

    def show(trials: list[Trial]) -> Html:
        told = dataclasses.replace(material, searches=[SearchTold(about=about, trials=trials)])
        section = sweeps_section(told, {})
        assert section is not None
        return section

    section = show([failed[0], *trials, failed[1]])
    (table,) = read_tables(section)
    assert table.caption == "loo/full/valid"
    assert table.right == ["trial", "NDCG@10", "lr", "size", "trained"]
    assert [[cell.text for cell in row.values()] for row in table.rows] == [
        [str(n), f"{values[n]:.4f}", "done", f"{0.00123456 * n:.4g}", str(n), f"{n} s"] for n in (2, 5, 3, 4, 6)
    ]
    words = read_words(section)
    assert "sasrec: 8 trials (1 pruned, 6 done, 1 diverged); the best, trial 2, has NDCG@10 0.5000." in words
    assert words.startswith("Sweeps hunt")
    assert words.endswith("adrec tune")
    none = show(failed)
    assert "sasrec: 2 trials (1 pruned, 1 diverged)." in read_words(none)
    (table,) = read_tables(none)
    assert table.texts("trial") == ["7", "8"]
    assert table.texts("NDCG@10") == ["0.9000", ""]
