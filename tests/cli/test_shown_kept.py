"""Data sets, files and what was removed as commands show them: each count with the words it belongs to."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from adrec_cli.cli import (
    bench,
    clean,
    datasets,
    encode,
    export,
    forget,
    plot,
    preprocess,
    rollback,
)
from adrec_cli.content.encoding import EncodedColumns, EncodeResult
from adrec_cli.data.datasets import DatasetSpec, Expected, Filters, SourceFiles, Variant
from adrec_cli.data.filter_applied import FilterApplied
from adrec_cli.data.named_datasets import ListedDataset
from adrec_cli.forgetting.learnt import Learnt
from adrec_cli.pipeline.bench import Bench, Ranking
from adrec_cli.pipeline.clean import Removable
from adrec_cli.pipeline.export_vectors import ExportedVectors
from adrec_cli.pipeline.forget import Forgotten
from adrec_cli.pipeline.plot import Plotted, PlottedFile
from adrec_cli.pipeline.preprocess import PreprocessPreview, PreprocessResult
from adrec_cli.pipeline.rollback import DataRolledBack
from tests.cli.recorded import Recorded, shown_by
from tests.made_up import made_up

# Data


def test_a_preview_shows_what_would_be_made() -> None:
    long = "x" * 41
    seen = made_up(
        PreprocessPreview, dataset="shop", columns=("user", "item"), head=(("u1", long), ("u2", "y" * 40)),
        found={"user_column": "user", "join": None, "flags": True, "off": False, "files": ["a", "b"],
               "inner": {"unit": "s", "zone": None}},
        sequences=[
            {"user_id": "u1", "items": ["a", long], "times": ["2020", ""], "length": 5},
            {"user_id": long, "items": ["a"], "times": None, "length": 1},
        ],
        statistics={"users": 1234, "average_length": 1.5, "last_time": None}, warnings=["odd"], notes=["assumed"],
        removed=[
            FilterApplied(name="min_rating", interactions=1000, users=2000, items=3000, rounds=1),
            FilterApplied(name="nothing", interactions=0, users=5, items=5, rounds=1),
        ],
    )  # fmt: skip
    shown = shown_by(preprocess._show_preview, seen)
    found, head, users, statistics, removed = shown.tables
    assert [tuple(row.values()) for row in found.rows] == [
        ("user column", "user"), ("flags", "yes"), ("off", "no"), ("files", "a,b"), ("inner", "unit = s"),
    ]  # fmt: skip
    cut = "x" * 39 + "…"
    assert head.rows == [{"user": "u1", "item": cut}, {"user": "u2", "item": "y" * 40}]
    assert [tuple(row.values()) for row in users.rows] == [("u1", f"a (2020), {cut}, ... 5 in all"), (cut, "a")]
    assert statistics.title == "shop"
    assert [tuple(row.values()) for row in statistics.rows] == [
        ("users", "1,234"), ("average length", "1.5"), ("last time", "unknown"),
    ]  # fmt: skip
    assert removed.rows == [{"left out by": "min rating", "interactions": "1,000", "users": "2,000", "items": "3,000"}]
    assert shown.said == ["warning: odd", "assumed"]
    assert shown.lines == ["nothing was written"]


@pytest.mark.parametrize("skipped", [True, False])
def test_what_preprocessing_made_is_counted(skipped: bool) -> None:
    result = made_up(PreprocessResult, warnings=["odd"], notes=["assumed"], skipped=skipped)
    result.manifest.statistics.update(users=1234)
    shown = shown_by(preprocess._show, result)
    assert shown.said == ["warning: odd", "assumed", *(["dataset is up to date; --force makes it again"] * skipped)]
    assert [table.rows for table in shown.tables] == [[{"statistic": "users", "value": "1,234"}]]
    assert shown.lines == ["stored in folder"]


def test_named_data_sets_have_a_row_each() -> None:
    def row(**given: Any) -> list[str]:
        return datasets._row(made_up(ListedDataset, **given), given["checked"])

    assert row(bytes=1_234_567_890, interactions=1234, checked=True, licence="x" * 32) == [
        "source", "yes", "files", "1,234.6 MB", "yes", "1,234", "x" * 32, "title",
    ]  # fmt: skip
    assert row(bytes=None, checked=False, licence="x" * 33) == [
        "source", "no", "files", "?", "no", "?", "x" * 31 + "…", "title",
    ]  # fmt: skip
    for files in ("by hand", "generated"):
        assert row(bytes=1, checked=False, files=files)[3] == ""


def test_a_named_data_set_shows_each_cut_with_what_is_expected_of_it() -> None:
    nothing = dict.fromkeys(field.name for field in fields(Filters))
    spec = DatasetSpec(
        name="shop", title="Shop", licence="MIT", sources=(SourceFiles(files=("a.csv", "b.csv")),),
        negatives={"test": ("n.csv",)}, filters=Filters(**{**nothing, "where": ("a = 1", "b = 2"), "max_length": 50}),
        expected=Expected(users=1234, items=None, interactions=5678, source="its paper", checked=True),
        variants={"small": Variant(filters=Filters(**nothing), expected=Expected(items=9))}, citation="",
    )  # fmt: skip
    terminal = Recorded()
    datasets._show(terminal, spec)
    about, cuts = terminal.shown.tables
    assert [tuple(row.values()) for row in about.rows] == [
        ("title", "Shop"), ("licence", "MIT"), ("files", "a.csv + b.csv"), ("negatives", "--negatives shop:test"),
    ]  # fmt: skip
    assert cuts.rows == [
        {"cut": "default", "filters": "where a = 1; b = 2, max_length 50", "users": "1,234", "items": "?",
         "interactions": "5,678", "expected by": "its paper", "checked": "yes"},
        {"cut": "small", "filters": "none", "users": "?", "items": "9", "interactions": "?", "expected by": "",
         "checked": "no"},
    ]  # fmt: skip


# What is kept, written and removed


@pytest.mark.parametrize("left", [None, 7])
def test_going_back_says_to_what_and_what_is_left(left: int | None) -> None:
    done = DataRolledBack(
        dataset="shop", generation=3, statistics={"users": 1234, "items": 56, "interactions": 7890},
        withdrawn=["a.csv", "b.csv"], left=left, earlier=[1, 2], models=["adrec", "sasrec"],
    )  # fmt: skip
    shown = shown_by(rollback._show_data, done)
    kept = ["the state before is kept: adrec rollback shop --data --to 7"] if left else []
    assert shown.lines == [
        "shop is generation 3 again: 1,234 users, 56 items, 7,890 interactions", *kept,
        "earlier generations to go back to: 1, 2",
    ]  # fmt: skip
    assert [line.rpartition(" --model ")[2] for line in shown.said[:2]] == ["adrec", "sasrec"]
    assert shown.said[2] == "withdrawn, and not taken again without --retake: a.csv, b.csv"
    bare = made_up(DataRolledBack, statistics=done.statistics)
    assert shown_by(rollback._show_data, bare).lines[-1] == "earlier generations to go back to: none"
    assert shown_by(rollback._show_data, bare).said == []


def test_forgetting_says_what_is_gone_and_what_may_remember() -> None:
    done = Forgotten(
        dataset="shop", users=1234, interactions=5678, pending=1111, generations=[1, 2], damaged=[3],
        ranks=[Path("r1"), Path("r2"), Path("r3")], batches=[Path("b")],
        learnt=[made_up(Learnt, path=Path("m1"), certain=True), made_up(Learnt, path=Path("m2"), certain=False)],
        retrained=["adrec", "sasrec"], not_retrained=[], sources=["a.csv", "b.csv"],
    )  # fmt: skip
    shown = shown_by(forget._show, done, None)
    assert shown.lines == [
        "1,234 users of shop forgotten: 5,678 interactions, 1,111 pending events, 2 former generations, "
        "3 files of ranks, 1 file of recommendations",
        "trained again: adrec, sasrec",
    ]
    assert shown.said == [
        "warning: generation 3 was damaged and is removed: its users could not be read",
        "warning: m1 has learned from users who were forgotten",
        "warning: m2 may have learned from users who were forgotten: not all that it was trained on is known any "
        "longer",
        "to train models again from fresh weights: adrec forget shop --retrain",
        "the files they came in are not touched: a.csv, b.csv; nor are HTML reports",
    ]


def test_what_is_not_trained_again_is_not_said_to_be() -> None:
    stages = ("shop/sweeps/lambda/stages/adrec-align-0/align", "shop/adrec/seed-1/finetune")
    left = [made_up(Learnt, path=Path(f"{stage}.safetensors"), certain=True) for stage in stages]
    only = shown_by(forget._show, made_up(Forgotten, users=1, interactions=1, learnt=left, damaged=[]), None).said
    assert any("are not trained again" in line for line in only)
    assert not any("--retrain" in line for line in only)
    model = made_up(Learnt, path=Path("shop/adrec/finetune.safetensors"), certain=True)
    both = shown_by(forget._show, made_up(Forgotten, users=1, interactions=1, learnt=[*left, model], damaged=[]), None)
    assert {"--retrain" in line or "are not trained again" in line for line in both.said[3:5]} == {True}


@pytest.mark.parametrize("held", ["interactions", "pending", "generations", None])
def test_whoever_was_never_there_is_named_as_such(held: str | None) -> None:
    nothing = {"interactions": 0, "pending": 0, "generations": []}
    some = {"interactions": 1, "pending": 1, "generations": [1]}
    counts = nothing | ({held: some[held]} if held else {})
    said = shown_by(forget._show, made_up(Forgotten, users=1, **counts), None).said
    assert any("held no data of 1 user; later files will not bring any in" in line for line in said) == (held is None)
    nobody = made_up(Forgotten, users=0, **nothing)
    shown = shown_by(forget._show, nobody, None)
    assert shown.said == []
    assert shown.lines[0].startswith("0 users of dataset forgotten: 0 interactions")


def test_encoding_counts_the_items_of_which_nothing_is_known() -> None:
    parts = (
        EncodedColumns(encoder="tfidf", columns=("title", "text"), width=12, silent=1234),
        EncodedColumns(encoder="numbers", columns=("price",), width=3, silent=0),
    )
    done = made_up(
        EncodeResult,
        path=Path("v"),
        items=5678,
        width=15,
        encoders=parts,
        silent=1001,
        assumptions=("a",),
        warnings=("w",),
    )
    shown = shown_by(encode._show, done)
    assert shown.said == [
        "assumed: a", "warning: w", "warning: 1,234 of 5,678 items have no value in title, text (tfidf)",
        "warning: nothing is known about 1,001 of 5,678 items; their vectors are zeros",
    ]  # fmt: skip
    assert shown.lines == ["v: 5,678 items, 15 entries each: tfidf of title, text (12), numbers of price (3)"]
    assert shown_by(encode._show, made_up(EncodeResult, silent=0)).said == []


def test_vectors_that_are_written_are_counted() -> None:
    done = made_up(
        ExportedVectors, vectors="users", path=Path("v"), ids_path=Path("ids"), rows=1234, width=8,
        without_history=1001, assumptions=("a",), warnings=("w",),
    )  # fmt: skip
    shown = shown_by(export._show_vectors, done)
    assert shown.said == [
        "assumed: a", "warning: w",
        "warning: 1,001 users without an item that the model knows, and so without a vector",
    ]  # fmt: skip
    assert shown.lines == ["v: 1,234 users, 8 entries each, of model", "ids has the id of each row"]
    bare = shown_by(export._show_vectors, made_up(ExportedVectors, without_history=0))
    assert (len(bare.lines), bare.said) == (1, [])


def test_a_benchmark_has_a_row_for_every_measurement() -> None:
    ranking = [
        Ranking(steps=1, milliseconds_per_user=0.1234, share_of_matrix_rate=0.25, p50=1.26, p99=2.34),
        Ranking(steps=4, milliseconds_per_user=2.0, share_of_matrix_rate=0.5, p50=3.0, p99=4.0),
    ]
    found = made_up(
        Bench, users=1234, items=5678, events=9012, threads=2, matrix_gflops=123.4, tokens_per_second=45_678.9,
        share_of_matrix_rate=0.125, ranking=ranking, ranking_memory=1234.5, training_memory=2345.4,
    )  # fmt: skip
    shown = shown_by(bench._show, found)
    assert [tuple(row.values()) for row in shown.tables[0].rows] == [
        ("matrix product", "123 GFLOP/s", ""),
        ("training", "45,679 tokens/s", "12%"),
        ("full ranking, 1 step", "0.123 ms/user", "25%"),
        ("one user alone, 1 step", "p50 1.3 ms, p99 2.3 ms", ""),
        ("full ranking, 4 steps", "2.000 ms/user", "50%"),
        ("one user alone, 4 steps", "p50 3.0 ms, p99 4.0 ms", ""),
        ("memory of ranking", "1,234 MiB", ""),
        ("memory of training", "2,345 MiB", ""),
    ]
    assert shown.lines == ["1,234 users, 5,678 items, 9,012 events", "on device, 2 threads, PyTorch torch_version"]
    without = shown_by(bench._show, made_up(Bench, ranking=ranking)).tables[0].column("what")
    assert without[-1] == "one user alone, 4 steps"


def test_pictures_are_listed_with_where_they_lie() -> None:
    plotted = made_up(
        Plotted, formats=["png", "svg"], pictures=[made_up(PlottedFile, name="curves-adrec", title="Training of ADRec")]
    )
    shown = shown_by(plot._show, plotted)
    assert shown.tables[0].rows == [{"picture": "curves-adrec", "shows": "Training of ADRec"}]
    assert shown.lines == ["stored as .png and .svg in folder"]


def test_what_can_be_removed_has_its_size() -> None:
    assert clean._row(made_up(Removable, size=1_234_567)) == ("1,234,567", "path", "reason")
