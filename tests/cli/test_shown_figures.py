"""Metrics, comparisons and item vectors as commands show them: each figure in the cell it belongs to."""

from __future__ import annotations

from typing import Any

import pytest

from adrec_cli.cli import (
    evaluate,
    inspect,
)
from adrec_cli.cli.show.compare import COSTS, show_comparison
from adrec_cli.cli.show.evaluation import describe
from adrec_cli.cli.show.step_study import show_step_study
from adrec_cli.comparing.side_by_side import ComparedModel, ModelComparison
from adrec_cli.diagnostics.embedding import TERMS, EmbeddingDiagnostics
from adrec_cli.inspecting.inspection import InspectedModel, Inspection, Neighbour, Neighbourhood
from adrec_cli.pipeline.step_study import StepRow, StepStudy
from adrec_cli.ranking.significance import Difference
from tests.cli.recorded import Recorded, shown_by
from tests.made_up import made_up
from tests.reporting.made_up import an_evaluation

LEFT_OUT_FIRST = ["parameters", "ms/user", "tried", "epochs", "CPU", "MRR@10", "HR@10", "training"]
"""Columns that a narrow terminal does without, the first ones first."""


def bounded(value: float, bounds: list[float]) -> str:
    return f"{value:.4f} [{bounds[0]:.4f}, {bounds[1]:.4f}]"


# Evaluations


def a_slice(level: float, cases: int) -> dict[str, Any]:
    metrics = {"ndcg@10": level, "hr@10": level + 0.1}
    bounds = {name: [value - 0.01, value + 0.02] for name, value in metrics.items()}
    return {"definition": f"those of {level}", "cases": cases, "metrics": metrics, "intervals": bounds}


def test_an_evaluation_has_every_metric_at_every_cut_off() -> None:
    found = an_evaluation("sasrec", 0.1, stage="", slices={"head": a_slice(0.3, 1234), "cold": {
        "definition": "none", "cases": 0, "metrics": {}, "intervals": {}}})  # fmt: skip
    shown = shown_by(evaluate._show, found, slices=True, processes=1)
    metrics, slices = shown.tables
    assert metrics.title == "sasrec on tiny, loo/full/test"
    assert metrics.column("metric") == [name.upper() for name in dict.fromkeys(n.split("@")[0] for n in found.metrics)]
    for name, value in found.metrics.items():
        kind, k = name.split("@")
        (row,) = [row for row in metrics.rows if row["metric"] == kind.upper()]
        assert row[f"@{k}"] == f"{value:.4f}"
    assert slices.rows == [
        {"slice": "head", "targets": "1,234", "NDCG@10": "0.3000 [0.2900, 0.3200]", "HR@10": "0.4000 [0.3900, 0.4200]"},
        {"slice": "cold", "targets": "0", "NDCG@10": "-", "HR@10": "-"},
    ]
    assert shown.lines[:2] == ["head: those of 0.3", "cold: none"]
    assert len(shown_by(evaluate._show, found, slices=False, processes=1).tables) == 1


@pytest.mark.parametrize("categories", [True, False])
def test_lists_are_described_at_every_cut_off(categories: bool) -> None:
    lists = {"coverage@10": 0.123456, "coverage@20": 0.2, "gini_index@10": 0.3, "gini_index@20": 0.4}
    lists |= {"diversity@10": 0.5, "diversity@20": 0.6} if categories else {}
    found = an_evaluation(
        "adrec", 0.1, beyond_accuracy={**lists, "history_popularity": 12.34, "target_popularity": 5.67}
    )
    shown = shown_by(evaluate._show, found, slices=False, processes=1)
    rows = [{"lists": "coverage", "@10": "0.1235", "@20": "0.2"}, {"lists": "gini index", "@10": "0.3", "@20": "0.4"}]
    rows += [{"lists": "diversity", "@10": "0.5", "@20": "0.6"}] if categories else []
    assert shown.tables[1].rows == rows
    assert shown.lines[0] == "mean train events of an item: 12.3 in histories, 5.7 among targets"
    assert ("no categories are known, so nothing is said about diversity" in shown.lines) == (not categories)


SAMPLING = {"steps": None, "noise": "seeded", "temperature": 1.0, "seed": 3, "samples": 1, "merge": "mean"}


@pytest.mark.parametrize(
    ("sampling", "line"),
    [
        ({}, "as many reverse steps as trained with, seeded noise of temperature 1, seed 3"),
        ({"steps": 4}, "4 reverse steps, seeded noise of temperature 1, seed 3"),
        ({"guidance": 0.0}, "as many reverse steps as trained with, seeded noise of temperature 1, seed 3, guidance 0"),
        ({"samples": 2}, "as many reverse steps as trained with, seeded noise of temperature 1, seed 3; "
         "2 samples merged by mean"),
    ],
)  # fmt: skip
def test_how_was_sampled_is_said(sampling: dict[str, Any], line: str) -> None:
    assert f"sampling: {line}" in describe(an_evaluation("adrec", 0.1, sampling=SAMPLING | sampling))
    assert not any("sampling" in line for line in describe(an_evaluation("sasrec", 0.1)))


def test_what_figures_stand_on_is_said() -> None:
    plain = an_evaluation("sasrec", 0.1, seconds=2.34)
    lines = describe(plain)
    assert lines == [
        "protocol loo/full/test; seen items are not masked (--mask-seen masks them)",
        "1,200 users, 2,500 targets",
        f"95% intervals: NDCG@10 {bounded(plain.metrics['ndcg@10'], plain.intervals['ndcg@10'])}, "
        f"HR@10 {bounded(plain.metrics['hr@10'], plain.intervals['hr@10'])}",
        "ranked in 2.3 s, stored in sasrec.json",
    ]
    masked = an_evaluation("sasrec", 0.1, mask_seen=True, cold_targets=1234, users=99, slices={"warm": a_slice(0.3, 5)})
    lines = describe(masked)
    assert lines[0] == "protocol loo/full/test; seen items are masked"
    assert lines[1] == "99 users, 2,500 targets, 1,234 of them without a train event; without them NDCG@10 0.3000"
    assert lines[3].startswith("caution: only 99 users: ")
    empty = an_evaluation("sasrec", 0.1, negatives_source="drawn", cold_targets=1, slices={"warm": {"metrics": {}}})
    lines = describe(empty)
    assert lines[0] == "protocol loo/full/test; negatives: drawn"
    assert lines[1] == "1,200 users, 2,500 targets, 1 of them without a train event"


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        ({}, "1,234 targets; ddpm, zero noise, seed 5"),
        ({"sampler": "ddim", "eta": 0.5}, "1,234 targets; ddim with eta 0.5, zero noise, seed 5"),
        (
            {"temperature": 0.7, "guidance": 2.0},
            "1,234 targets; ddpm, zero noise at temperature 0.7, seed 5, guidance 2",
        ),
    ],
)
def test_a_study_of_steps_has_a_row_for_each_number(changed: dict[str, Any], line: str) -> None:
    names = ("ndcg@20", "hr@20", "ndcg@10", "hr@10")
    rows = [
        StepRow(steps=n, metrics={name: 0.1 * n + k / 100 for k, name in enumerate(names)}, seconds=n + 0.123,
                milliseconds_per_target=n / 3)
        for n in (1, 4)
    ]  # fmt: skip
    given = {"noise": "zero", "sampler": "ddpm", "eta": 0.5, "temperature": 1.0, "seed": 5, "cases": 1234, "rows": rows}
    study = made_up(StepStudy, **given | changed, threads=2)
    shown = shown_by(show_step_study, study)
    (table,) = shown.tables
    assert table.title == "model stage on dataset, protocol"
    assert table.rows == [
        {"steps": "1", "HR@10": "0.1300", "NDCG@10": "0.1200", "HR@20": "0.1100", "NDCG@20": "0.1000",
         "ms a target": "0.333", "seconds": "1.12"},
        {"steps": "4", "HR@10": "0.4300", "NDCG@10": "0.4200", "HR@20": "0.4100", "NDCG@20": "0.4000",
         "ms a target": "1.333", "seconds": "4.12"},
    ]  # fmt: skip
    assert shown.lines == [line, "on device, 2 threads"]


# Comparisons


def compared(name: str, level: float, *, difference: float | None = None, **changed: Any) -> ComparedModel:
    metrics = {"ndcg@10": level, "hr@10": level + 0.1, "mrr@10": 0.9 - level}
    found = None if difference is None else Difference(value=difference, low=-0.25, high=0.5, p=0.9, p_holm=0.04)
    told: dict[str, Any] = {
        "name": name, "model": name, "metrics": metrics, "seeds": [1], "tried": 3, "seconds_per_user": 0.00123,
        "intervals": {key: [value - 0.01, value + 0.03] for key, value in metrics.items()}, "parameters": 12_345,
        "differences": {} if found is None else {"ndcg@10": found},
    }  # fmt: skip
    return made_up(ComparedModel, **told | changed)


def a_comparison(models: list[ComparedModel], reference: str | None, **changed: Any) -> ModelComparison:
    metrics = ["ndcg@10", "hr@10", "mrr@10"]
    return made_up(ModelComparison, metrics=metrics, reference=reference, models=models, users=1200, **changed)


def test_a_comparison_has_a_row_for_every_model() -> None:
    models = [
        compared("adrec", 0.3, difference=0.1, training_seconds=75.0, processor_seconds=3600.0, epochs=12.4),
        compared("sasrec", 0.2, spread={"ndcg@10": 0.011, "hr@10": 0.012, "mrr@10": 0.013}, seeds=[3, 1]),
        compared("mostpop", 0.1, difference=-0.1, seeds=[]),
    ]
    shown = shown_by(show_comparison, a_comparison(models, "sasrec", left_out=["gru4rec is not trained"]), markup=None)
    (table,) = shown.tables
    assert table.title == "dataset, protocol"
    costs = {"tried": "3", "ms/user": "1.23", "parameters": "12,345", "training": "-", "CPU": "-", "epochs": "-"}
    known = costs | {"training": "1:15", "CPU": "1:00:00", "epochs": "12"}
    assert table.rows == [
        {"model": "adrec", "NDCG@10": ".3000 ±.0200", "diff": "+.1000", "p": ".040",
         "HR@10": ".4000 ±.0200", "MRR@10": ".6000 ±.0200", **known},
        {"model": "sasrec", "NDCG@10": ".2000 ±.0110", "diff": "", "p": "", "HR@10": ".3000 ±.0120",
         "MRR@10": ".7000 ±.0130", **costs},
        {"model": "mostpop", "NDCG@10": ".1000 ±.0200", "diff": "-.1000", "p": ".040", "HR@10": ".2000 ±.0200",
         "MRR@10": ".8000 ±.0200", **costs, "tried": "-"},
    ]  # fmt: skip
    assert table.right == [*list(table.rows[0])[1:]]
    assert table.optional == [*LEFT_OUT_FIRST, "p", "diff"]
    assert shown.said == ["warning: gru4rec is not trained"]
    legend = " ".join(shown.lines)
    assert "Means over the seeds 1, 3;" in legend
    assert "Differences in NDCG@10 to sasrec; p of a paired randomisation test, corrected for 2 comparisons" in legend
    assert "Protocol protocol, 1,200 users; negatives: negatives_source." in legend


def test_one_model_alone_has_no_difference() -> None:
    shown = shown_by(show_comparison, a_comparison([compared("adrec", 0.3)], None, negatives_source=""), markup=None)
    assert list(shown.tables[0].rows[0]) == ["model", "NDCG@10", "HR@10", "MRR@10", *COSTS]
    assert shown.tables[0].optional == LEFT_OUT_FIRST
    assert "Protocol protocol, 1,200 users." in shown.lines
    assert "Behind ± half of the 95% interval, a bootstrap over users." in shown.lines


@pytest.mark.parametrize("reference", ["sasrec", None])
def test_markdown_has_the_best_of_each_metric_in_bold(reference: str | None) -> None:
    models = [compared("adrec", 0.3, difference=0.1), compared("sasrec", 0.2)]
    terminal = Recorded()
    show_comparison(terminal, a_comparison(models, reference), markup="markdown")
    head, rule, *rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in terminal.shown.lines if line.startswith("|")
    ]
    tested = ["difference to sasrec", "p"] if reference else []
    assert head == ["dataset, `protocol`", "NDCG@10", *tested, "HR@10", "MRR@10", *COSTS]
    assert rule == ["---", *["---:"] * (len(head) - 1)]
    found = [dict(zip(head, row, strict=True)) for row in rows]
    bold = [[name for name, cell in row.items() if cell.startswith("**")] for row in found]
    assert bold == [["NDCG@10", "HR@10"], ["MRR@10"]]
    assert found[0]["NDCG@10"] == "**.3000 ±.0200**"
    if reference:
        assert [row[tested[0]] for row in found] == ["+.1000 [-.2500, +.5000]", ""]
        assert "corrected for 1 comparison (Holm)" in " ".join(terminal.shown.lines)


# Item vectors


def test_figures_of_item_vectors_stand_under_their_model() -> None:
    def diagnostics(values: list[float | None]) -> EmbeddingDiagnostics:
        return made_up(EmbeddingDiagnostics, items=50, width=8, **dict(zip(TERMS, values, strict=True)))

    values = [0.0, 9.99994, 10.0, 999.994, 1000.0, 9_999.4, 10_000.0, -0.0004, 0.0005, -12.3456, None]
    model = made_up(
        InspectedModel, name="adrec", dataset="shop", items=50, warning="collapsed", diagnostics=diagnostics(values),
        neighbourhoods=[
            Neighbourhood(item_id="i1", title="Tea", neighbours=[
                Neighbour(rank=1, item_id="i2", title="Mug", cosine=0.98765),
                Neighbour(rank=2, item_id="i3", title=None, cosine=-0.5),
            ]),
        ],
    )  # fmt: skip
    noise = diagnostics([number / 8 for number in range(11)])
    found = Inspection(models=[model], noise=noise, without_silhouette=False)
    shown = shown_by(inspect._show, found, explain=True)
    figures, near, meaning = shown.tables
    assert figures.title == "Item vectors of shop"
    assert figures.right == ["adrec", "noise"]
    assert figures.column("adrec") == [
        "50", "8", "0.0000", "9.9999", "10.00", "999.99", "1000", "9999", "1.0e+04", "-4.0e-04", "0.0005", "-12.35",
        "none",
    ]  # fmt: skip
    assert figures.column("noise")[2:] == [f"{number / 8:.4f}" for number in range(11)]
    names = ["items", "width", "variance", "mean cosine", "mean distance", "effective rank", "spectrum entropy",
             "spectrum variance", "isotropy", "KL to Gaussian", "KL unbounded",
             "covariance entropy", "silhouette"]  # fmt: skip
    assert figures.column("figure") == names
    assert meaning.column("figure") == [*names[2:], "spectrum"]
    assert meaning.column("meaning")[:-1] == list(TERMS.values())
    assert near.title == "Nearest to i1 Tea, adrec"
    assert near.rows == [
        {"rank": "1", "item": "i2", "title": "Mug", "cosine": "0.988"},
        {"rank": "2", "item": "i3", "title": "", "cosine": "-0.500"},
    ]
    assert shown.said == ["warning: adrec: collapsed"]
    assert len(shown_by(inspect._show, found, explain=False).tables) == 2
    untitled = made_up(Neighbourhood, neighbours=[Neighbour(rank=1, item_id="i2", title=None, cosine=0.1)])
    found = Inspection(
        models=[made_up(InspectedModel, neighbourhoods=[untitled], diagnostics=noise, items=50, warning="")],
        noise=noise,
        without_silhouette=True,
    )
    shown = shown_by(inspect._show, found, explain=False)
    assert list(shown.tables[1].rows[0]) == ["rank", "item", "cosine"]
    assert shown.said == ["the silhouette needs scikit-learn: pip install 'adrec-cli[plots]'"]
