"""Every cell of what a report tells of data and pipeline says what the artifacts say, under the name of its column."""

from __future__ import annotations

import dataclasses

import numpy as np
import polars as pl
import pytest

from adrec_cli.loading.opening import Content, Dataset
from adrec_cli.pages.markup import Html
from adrec_cli.reporting.data_section import data_section, describe_concentration
from adrec_cli.reporting.material import Material
from adrec_cli.reporting.pipeline_section import pipeline_section
from adrec_cli.reporting.results_section import results_section
from adrec_cli.reporting.sweeps_section import sweeps_section
from tests.pages.tables import read_tables, read_words
from tests.reporting.made_up import a_stage

PICTURE = Html("<b>the picture</b>")


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
    content = Content(items=known, sequences=dataset.sequences)
    popular = read_tables(data_section(dataclasses.replace(dataset, read=lambda: content)))[0]
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
