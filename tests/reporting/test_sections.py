"""Every cell of a report's tables says what the artifacts say, in the column that is named after it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from adrec_cli.artifacts.ranks import TargetRanks
from adrec_cli.artifacts.sweep_files import RunDifference, SweepRecord
from adrec_cli.diagnostics.embedding import TERMS, EmbeddingDiagnostics
from adrec_cli.errors import ArtifactError
from adrec_cli.inspecting.inspection import InspectedModel, Inspection
from adrec_cli.loading.opening import Dataset, open_dataset
from adrec_cli.pages.markup import Html
from adrec_cli.ranking.significance import Difference, differences_to
from adrec_cli.reporting.data_section import data_section, describe_concentration
from adrec_cli.reporting.embeddings_section import embeddings_section
from adrec_cli.reporting.material import Material, SearchTold, SweepTold
from adrec_cli.reporting.pipeline_section import pipeline_section
from adrec_cli.reporting.results_section import METRICS, comparable_groups, difference_cells, results_section
from adrec_cli.reporting.sweeps_section import sweeps_section
from adrec_cli.sweeping.results import Summary
from adrec_cli.sweeping.trials import Trial
from tests.pages.tables import read_tables, read_words
from tests.reporting.made_up import a_stage, an_evaluation

PICTURE = Html("<b>the picture</b>")


@pytest.fixture(scope="module")
def dataset(tiny_source: Path) -> Dataset:
    return open_dataset(tiny_source / "tiny")


@pytest.fixture
def material(dataset: Dataset) -> Material:
    return Material(dataset=dataset, models={}, evaluations=[], sweeps=[], searches=[], left_out=[])


# Data


def test_the_data_are_counted_as_one_would_by_hand(dataset: Dataset) -> None:
    parts = pl.read_parquet(dataset.folder / "sequences.parquet").to_dicts()
    items = pl.read_parquet(dataset.folder / "items.parquet")
    told = data_section(dataset)
    words = read_words(told)
    events = [len(row["items"]) for row in parts]
    counted = {
        "users": f"{len(parts):,}",
        "items": f"{items.height:,}",
        "interactions": f"{sum(events):,}",
        "average length": f"{sum(events) / len(parts):.2f}",
        "density": f"{sum(events) / len(parts) / items.height:.3%}",
        "train / valid / test events": " / ".join(
            f"{number:,}"
            for number in (
                sum(row["train_end"] for row in parts),
                sum(row["valid_end"] - row["train_end"] for row in parts),
                sum(len(row["items"]) - row["valid_end"] for row in parts),
            )
        ),
        "first event": "2020-09-13",
        "last event": "2020-09-13",
    }
    for name, value in counted.items():
        assert f" {name} {value} " in words
    popular, sources, parameters = read_tables(told)
    order = sorted(zip(items["count"], items["item_id"], strict=True), key=lambda one: (-one[0], one[1]))
    assert popular.texts("item") == [item for _, item in order[:10]]
    assert popular.texts("train events") == [f"{count:,}" for count, _ in order[:10]]
    size = (dataset.folder.parents[1] / "tiny.csv").stat().st_size
    assert [cell.text for cell in sources.rows[0].values()] == [
        "tiny.csv", f"{size / 1000:,.1f} kB", str(dataset.manifest.sources[0]["sha256"])[:12],
    ]  # fmt: skip
    given = {
        name.replace("_", " "): str(value)
        for name, value in dataset.manifest.parameters.items()
        if value is not None and not isinstance(value, dict)
    }
    assert dict(zip(parameters.texts("option"), parameters.texts("value"), strict=True)) == given
    histories, popularity = words.split(" Lengths of histories ")[1].split(" Popularity of items ")
    assert "events of a user" in histories
    assert "train events of an item" in popularity


@pytest.mark.parametrize(
    ("size", "shown"),
    [(999, "1.0 kB"), (999_999, "1,000.0 kB"), (1_000_000, "1.0 MB"), (1_234_567_890, "1,234.6 MB"), (None, "")],
)
def test_sizes_are_told_in_the_unit_that_fits(dataset: Dataset, size: int | None, shown: str) -> None:
    manifest = dataclasses.replace(dataset.manifest, sources=[{"name": "a", "bytes": size}])
    _, sources, _ = read_tables(data_section(dataclasses.replace(dataset, manifest=manifest)))
    assert [cell.text for cell in sources.rows[0].values()] == ["a", shown, ""]


def test_titles_and_categories_have_columns_and_long_ones_are_cut(dataset: Dataset) -> None:
    titles = ["x" * (79 + number) if number < 3 else None for number in range(dataset.items.height)]
    known = dataset.items.sort(["count", "item_id"], descending=[True, False]).with_columns(
        pl.Series("title", titles), pl.lit("kind").alias("category")
    )
    popular = read_tables(data_section(dataclasses.replace(dataset, items=known)))[0]
    assert popular.columns == ["item", "title", "category", "train events"]
    assert popular.texts("title")[:4] == ["x" * 79, "x" * 80, "x" * 79 + "…", ""]


@pytest.mark.parametrize(
    ("counts", "sentence"),
    [
        ([6, 1, 1, 1, 1], "The most popular fifth of the items has 60% of the train events."),
        ([1, 6, 6, 1, 1, 1, 1, 1, 1, 1], "The most popular fifth of the items has 60% of the train events."),
        ([3, 1], "The most popular fifth of the items has 75% of the train events."),
        ([3, 0], "The most popular fifth of the items has 100% of the train events. One item has none and cannot have"
         " been learned."),
        ([0] * 1200, "The most popular fifth of the items has 0% of the train events. 1,200 items have none and cannot"
         " have been learned."),
    ],
)  # fmt: skip
def test_concentration_by_hand(counts: list[int], sentence: str) -> None:
    assert describe_concentration(np.array(counts)) == sentence


# Pipeline


def test_every_stage_has_a_row_of_its_own_figures(material: Material) -> None:
    stages = [
        a_stage("adrec", "pretrain", epochs=1234, seconds=3725),
        a_stage("adrec", "align", parent_sha256="adrec-pretrain-sha", epochs=0, seconds=99, fits=False, promoted=True),
        a_stage("adrec", "finetune", parent_sha256="somebody-else", promoted=True, epoch=1001, metrics={"values": {}}),
    ]
    models = {"adrec": stages, "sasrec": [a_stage("sasrec", "train")]}
    section = pipeline_section(dataclasses.replace(material, models=models), [PICTURE])
    (table,) = read_tables(section)
    assert [[cell.text for cell in row.values()] for row in table.rows] == [
        ["adrec pretrain", "1,234", "7", "1 h 02 min", "NDCG@10 0.1234", "fresh weights", "adrec-pretra",
         "of this data"],
        ["adrec align", "", "7", "", "NDCG@10 0.1234", "pretrain adrec-pretra", "adrec-align-",
         "trained on other data"],
        ["adrec finetune", "12", "1,001", "1 min 15 s", "", "somebody-els", "adrec-finetu", "promoted"],
        ["sasrec train", "12", "7", "1 min 15 s", "NDCG@10 0.1234", "fresh weights", "sasrec-train", "of this data"],
    ]  # fmt: skip
    assert table.right == ["epochs", "kept", "trained", "validation"]
    assert table.marked("state", "bad") == [False, True, False, False]
    assert table.marked("state", "good") == [False, False, True, False]
    manifest = material.dataset.manifest
    words = read_words(section)
    assert f"sequences {manifest.sequences_sha256[:12]} , items {manifest.items_sha256[:12]} , made by adrec" in words
    assert words.endswith("the picture")


def test_what_there_is_not_yet_is_said_with_what_makes_it(material: Material) -> None:
    assert "Nothing is trained yet: adrec train tiny" in read_words(pipeline_section(material, []))
    assert "Nothing is evaluated yet: adrec run tiny" in read_words(results_section(material, []))
    assert sweeps_section(material, {}) is None


# Results


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

    def read(path: Path) -> TargetRanks:
        if path.stem == "damaged":
            raise ArtifactError(f"{path} is damaged")
        return ranks_of(path.stem)

    monkeypatch.setattr("adrec_cli.reporting.results_section.read_ranks", read)


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
        {"model": "sasrec", "coverage@10": "0", "gini@10": "0.25"},
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


# Sweeps


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
            assert row["run"].text == run
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


# Item vectors


def diagnostics(level: float, *, items: int) -> EmbeddingDiagnostics:
    """Return figures that differ from each other, from a level on."""
    told = {name: level + number / 100 for number, name in enumerate(TERMS)}
    return EmbeddingDiagnostics(items=items, width=8, singular_values=(1.0,), **told)


def test_every_figure_of_item_vectors_stands_with_its_model_and_noise() -> None:
    models = [
        InspectedModel(
            name=name, model=name, stage="train", epoch=1, dataset="tiny", checkpoint="c", checkpoint_sha256="s",
            items=items, diagnostics=diagnostics(level, items=50), warning=warning, neighbourhoods=[],
        )
        for name, level, items, warning in (("adrec", 1.0, 50, ""), ("sasrec", 2.0, 50, "collapsed"))
    ]  # fmt: skip
    noise = dataclasses.replace(diagnostics(3.0, items=50), silhouette=None, isotropy=12_345.6, mean_cosine=-0.0001)
    inspection = Inspection(models=models, noise=noise, without_silhouette=False)
    section = embeddings_section(inspection, [PICTURE])
    (table,) = read_tables(section)
    assert table.columns == ["figure", "adrec", "sasrec", "noise", "meaning"]
    assert table.right == ["adrec", "sasrec", "noise"]
    assert table.texts("figure") == [name.replace("_", " ") for name in TERMS]
    assert table.texts("meaning") == list(TERMS.values())
    for name, level in (("adrec", 1.0), ("sasrec", 2.0)):
        assert table.texts(name) == [f"{level + number / 100:.4g}" for number in range(len(TERMS))]
    of_noise = dict(zip(TERMS, table.texts("noise"), strict=True))
    assert (of_noise["isotropy"], of_noise["mean_cosine"], of_noise["silhouette"]) == ("1.2e+04", "-1.0e-04", "none")
    words = read_words(section)
    assert "sasrec: collapsed" in words
    assert "adrec: " not in words
    assert words.endswith("the picture")
