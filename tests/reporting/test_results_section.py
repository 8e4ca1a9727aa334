"""Results have a row for every model, and a cell for what was measured."""

from __future__ import annotations

import dataclasses
from dataclasses import asdict
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from adrec_cli.artifacts.evaluation import Evaluation
from adrec_cli.artifacts.evaluation_sets import comparable_groups
from adrec_cli.artifacts.ranks import TargetRanks
from adrec_cli.errors import ArtifactError
from adrec_cli.models.sampling import Sampling
from adrec_cli.pages.markup import Html
from adrec_cli.ranking.samples import Merging
from adrec_cli.ranking.significance import Difference, differences_to
from adrec_cli.reporting.material import Material
from adrec_cli.reporting.results_section import METRICS, difference_cells, results_section
from tests.pages.tables import read_tables, read_words
from tests.reporting.made_up import a_stage, an_evaluation
from tests.reporting.test_sections import PICTURE


def ranks_of(name: str) -> TargetRanks:
    """Return ranks of 60 users that differ from model to model: the worse, the longer the name."""
    ranks = np.random.default_rng(len(name)).integers(1, 2 * len(name), size=60)
    ids = pl.Series([str(number) for number in range(60)])
    same = np.arange(60)
    return TargetRanks(
        user_ids=ids, item_ids=ids, users=same, targets=same, ranks=ranks, candidates=same, history_lengths=same,
        target_counts=same, provenance={},
    )  # fmt: skip


@pytest.fixture
def ranks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every evaluation have ranks; of one that is called damaged they are."""

    def read(evaluation: Evaluation) -> TargetRanks:
        path = Path(evaluation.path)
        if path.stem == "damaged":
            raise ArtifactError(f"{path} is damaged")
        return ranks_of(path.stem)

    monkeypatch.setattr("adrec_cli.reporting.results_section.read_ranks_of", read)


def figure(value: float) -> str:
    return f"{value:.4f}"


def with_bounds(value: float, low: float, high: float) -> str:
    return f"{value:.4f} [{low:.4f}, {high:.4f}]"


@pytest.mark.usefixtures("ranks")
def test_every_model_of_a_protocol_has_a_row_of_its_own_figures(material: Material) -> None:
    evaluations = [
        an_evaluation("adrec", 0.2, stage="finetune", checkpoint_sha256="adrec-finetune-sha"),
        an_evaluation("sasrec", 0.3, seconds=7.5),
        an_evaluation("mostpop", 0.1, stage="", parameters=0, checkpoint_sha256=""),
        an_evaluation("gru4rec", 0.05, path="damaged.json"),
    ]
    models = {
        "adrec": [a_stage("adrec", stage, seconds=100) for stage in ("pretrain", "align", "finetune", "later")],
        "sasrec": [a_stage("sasrec", "train", sha256="another-sha")],
    }
    told = dataclasses.replace(material, evaluations=evaluations, models=models)
    section = results_section(told, [PICTURE])
    (table,) = read_tables(section)
    assert table.columns == [
        "model", "NDCG@10", "to sasrec", "p", *map(str.upper, METRICS[1:]), "trained", "ms a user", "parameters",
    ]  # fmt: skip
    assert table.right == table.columns[1:]
    assert table.texts("model") == ["adrec finetune", "sasrec", "mostpop"], "the best ranks first"
    whole = {"adrec finetune": evaluations[0], "sasrec": evaluations[1], "mostpop": evaluations[2]}
    for row in table.rows:
        one = whole[row["model"].text]
        assert row["NDCG@10"].text == with_bounds(one.metrics["ndcg@10"], *one.intervals["ndcg@10"])
        assert [row[name.upper()].text for name in METRICS[1:]] == [figure(one.metrics[name]) for name in METRICS[1:]]
    assert all(table.marked(name.upper(), "best") == [False, True, False] for name in METRICS)
    assert table.texts("trained") == ["5 min 00 s", "", ""], "up to the stage that was measured, if it is the one there"
    assert table.texts("ms a user") == ["2.00", "3.00", "2.00"]
    assert table.texts("parameters") == ["12,345", "12,345", "0"]
    values = {name: 1 / np.log2(ranks_of(name).ranks + 1.0) * (ranks_of(name).ranks <= 10) for name in
              ("adrec", "sasrec", "mostpop")}  # fmt: skip
    found = differences_to(values["sasrec"], [values["adrec"], values["mostpop"]])
    for row, difference in zip((table.rows[0], table.rows[2]), found, strict=True):
        expected = read_tables_of(difference)
        assert (row["to sasrec"].text, row["p"].text) == expected
    assert (table.rows[1]["to sasrec"].text, table.rows[1]["p"].text) == ("", "")
    assert told.left_out == ["damaged.json is damaged"]
    words = read_words(section)
    assert "1,200 users, 2,500 targets." in words
    assert words.endswith("the picture")


def read_tables_of(difference: Difference) -> tuple[str, str]:
    value, p = difference_cells(difference)
    assert isinstance(value, Html)
    return read_words(value).replace("  ", " "), str(p)


@pytest.mark.parametrize(
    ("value", "p_holm", "kind", "p"),
    [
        (0.01, 0.0499, "good", "0.050"), (-0.01, 0.0499, "bad", "0.050"), (0.01, 0.05, None, "0.050"),
        (0.0, 0.01, "bad", "0.010"), (0.01, 0.0009, "good", "<.001"), (0.01, 0.001, "good", "0.001"),
    ],
)  # fmt: skip
def test_a_difference_is_marked_where_it_is_significant(value: float, p_holm: float, kind: str | None, p: str) -> None:
    cell, told = difference_cells(Difference(value=value, low=-0.5, high=0.25, p=0.7, p_holm=p_holm))
    assert isinstance(cell, Html)
    mark = f' class="{kind}"' if kind else ""
    assert cell.text == f'<span{mark}>{value:+.4f}</span><span class="interval"> [-0.5000, +0.2500]</span>'
    assert told == p
    assert difference_cells(None) == ["", ""]


@pytest.mark.usefixtures("ranks")
def test_slices_and_lists_have_a_cell_for_what_was_measured_and_none_for_what_was_not(material: Material) -> None:
    def part(level: float) -> dict[str, object]:
        return {"definition": f"of {level}", "cases": 5, "metrics": {"ndcg@10": level},
                "intervals": {"ndcg@10": [level - 0.1, level + 0.2]}}  # fmt: skip

    empty = {"definition": "of none", "cases": 0, "metrics": {}, "intervals": {}}
    evaluations = [
        an_evaluation("adrec", 0.2, slices={"head": part(0.3), "cold": empty}),
        an_evaluation("sasrec", 0.2, slices={"head": part(0.4), "tail": part(0.5)}, beyond_accuracy={"gini@10": 0.25}),
        an_evaluation("gru4rec", 0.2, beyond_accuracy={"coverage@10": 0.123456, "gini@10": 0.5}),
    ]
    section = results_section(dataclasses.replace(material, evaluations=evaluations), [])
    _, slices, lists = read_tables(section)
    assert [{name: cell.text for name, cell in row.items()} for row in slices.rows] == [
        {"model": "adrec", "head": with_bounds(0.3, 0.2, 0.5), "cold": "", "tail": ""},
        {"model": "sasrec", "head": with_bounds(0.4, 0.3, 0.6), "cold": "", "tail": with_bounds(0.5, 0.4, 0.7)},
        {"model": "gru4rec", "head": "", "cold": "", "tail": ""},
    ]
    assert slices.right == ["head", "cold", "tail"]
    assert "NDCG@10 by slice" in read_words(section)
    assert "head: of 0.4; cold: of none; tail: of 0.5" in read_words(section)
    assert [{name: cell.text for name, cell in row.items()} for row in lists.rows] == [
        {"model": "sasrec", "coverage@10": "", "gini@10": "0.25"},
        {"model": "gru4rec", "coverage@10": "0.1235", "gini@10": "0.5"},
    ]
    assert lists.right == ["coverage@10", "gini@10"]


def test_only_what_was_ranked_against_the_same_items_stands_side_by_side() -> None:
    sampled = {"protocol": "loo/sampled-9/test", "negatives_source": "popularity"}
    evaluations = [
        an_evaluation("a", 0.1, **sampled, seed=0),
        an_evaluation("b", 0.1, **sampled, seed=1),
        an_evaluation("c", 0.1, **sampled, seed=0),
        an_evaluation("d", 0.1, **sampled, seed=0, negatives_sha256="f"),
        an_evaluation("e", 0.1, protocol="loo/full/valid"),
        an_evaluation("f", 0.1, seed=3),
        an_evaluation("g", 0.1, seed=4),
        an_evaluation("h", 0.1, items_sha256="others"),
    ]
    groups = [[one.model for one in group] for group in comparable_groups(evaluations)]
    assert groups == [["f", "g"], ["h"], ["a", "c"], ["b"], ["d"], ["e"]]


@pytest.mark.usefixtures("ranks")
def test_sampled_items_and_damage_are_said_under_their_protocol(material: Material) -> None:
    evaluations = [
        an_evaluation("a", 0.1, protocol="loo/sampled-9/test", negatives_source="popularity"),
        an_evaluation("b", 0.1, path="damaged.json"),
    ]
    section = results_section(dataclasses.replace(material, evaluations=evaluations), [])
    full, sampled = read_words(section).split(" loo/full/test ")[1].split(" loo/sampled-9/test ")
    assert full == "Nothing that is whole."
    assert sampled.startswith("1,200 users, 2,500 targets. Sampled items: popularity.")
    assert (
        "to " not in read_tables(results_section(dataclasses.replace(material, evaluations=evaluations), []))[0].columns
    )


def seeded(seed: int, level: float) -> Evaluation:
    path = f"reports/sasrec-train-seed-{seed}-loo-full-test.json"
    return an_evaluation("sasrec", level, path=path, checkpoint_sha256=f"sasrec-sha-{seed}")


@pytest.mark.usefixtures("ranks")
def test_several_seeds_are_one_row_with_their_mean_and_their_own_difference(material: Material) -> None:
    """Rows of one name once had the difference of the last of them."""
    trained = [seeded(seed, 0.2 + seed / 100) for seed in (7, 8, 9)]
    others = [an_evaluation("gru4rec", 0.3), an_evaluation("mostpop", 0.1, stage="", checkpoint_sha256="")]
    own = an_evaluation("sasrec", 0.27, checkpoint_sha256="sasrec-sha-7")
    elsewhere = dataclasses.replace(own, checkpoint_sha256="other options")
    for beside, names in [(own, ["sasrec, 3 seeds"]), (elsewhere, ["sasrec", "sasrec, 3 seeds"])]:
        told = dataclasses.replace(material, evaluations=[*trained, *others, beside])
        section = results_section(told, [])
        (table,) = read_tables(section)
        assert sorted(table.texts("model")) == ["gru4rec", "mostpop", *names]
        (row,) = (row for row in table.rows if row["model"].text == "sasrec, 3 seeds")
        mean = np.mean([one.metrics["hr@10"] for one in trained])
        assert row["HR@10"].text == f"{mean:.4f} ±0.0100"
        values = {
            one: 1 / np.log2(ranks_of(one).ranks + 1.0) * (ranks_of(one).ranks <= 10)
            for one in ("gru4rec", "mostpop", "sasrec", *(Path(one.path).stem for one in trained))
        }
        of_seeds = np.mean([values[Path(one.path).stem] for one in trained], axis=0)
        by_name = {"gru4rec": values["gru4rec"], "mostpop": values["mostpop"], "sasrec, 3 seeds": of_seeds,
                   "sasrec": values["sasrec"]}  # fmt: skip
        (column,) = (name for name in table.columns if name.startswith("to "))
        reference = by_name[column.removeprefix("to ")]
        for row in table.rows:
            name = row["model"].text
            shown = row[column].text.split(" ")[0]
            assert shown == ("" if name == column.removeprefix("to ") else f"{(by_name[name] - reference).mean():+.4f}")
        assert "behind ± is their standard deviation" in read_words(section)


@pytest.mark.usefixtures("ranks")
def test_slices_and_lists_say_which_seed_they_are_of(material: Material) -> None:
    trained = [dataclasses.replace(seeded(seed, 0.2), beyond_accuracy={"gini@10": 0.5}) for seed in (7, 8)]
    section = results_section(dataclasses.replace(material, evaluations=trained), [])
    assert read_tables(section)[-1].texts("model") == ["sasrec, seed 7", "sasrec, seed 8"]


@pytest.mark.usefixtures("ranks")
def test_a_row_says_how_its_model_was_sampled_where_that_is_not_usual(material: Material) -> None:
    usual = {**asdict(Sampling()), **asdict(Merging())}
    made = [
        an_evaluation("adrec", 0.4, stage="finetune", sampling=usual),
        an_evaluation("dreamrec", 0.3, sampling={**usual, "steps": 1, "noise": "zero", "seed": 3}),
        an_evaluation("diffurec", 0.2, sampling={**usual, "samples": 8}),
    ]
    (table,) = read_tables(results_section(dataclasses.replace(material, evaluations=made), []))
    assert sorted(table.texts("model")) == ["adrec finetune", "diffurec, samples 8", "dreamrec, steps 1, noise zero"]
