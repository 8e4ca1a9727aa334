"""What pictures are drawn from is what logs, evaluations, sweeps and studies say, each figure in its place."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from adrec_cli.errors import ArtifactError, UsageError
from adrec_cli.loading.opening import Dataset
from adrec_cli.models.registry import find_facts
from adrec_cli.pictures.curves import curves
from adrec_cli.pictures.drawing import KINDS, PicturesSkipped, PicturesStarted, draw_kinds
from adrec_cli.pictures.options import PictureOptions
from adrec_cli.pictures.picture import Picture, display_name, model_colours
from adrec_cli.pictures.slices import slices
from adrec_cli.plots.metric_interval import MetricInterval
from adrec_cli.plots.slices import SliceRow
from adrec_cli.plots.style import Look
from adrec_cli.plots.training_curves import StageCurve
from tests.pictures.conftest import Asked
from tests.reporting.made_up import a_stage, an_evaluation

Catch = Callable[[str], Asked]
LOOK = PictureOptions(width=6, title=False)


def in_copy(dataset: Dataset, folder: Path) -> Dataset:
    return dataclasses.replace(dataset, folder=folder)


# Curves


def a_row(epoch: int, **more: Any) -> dict[str, Any]:
    return {
        "epoch": epoch, "seconds": epoch + 0.5, "losses": {"ce": 5.0 - epoch}, "valid": {"ndcg@10": 0.1 * epoch},
        "improved": False, "effective_rank": 9.0 - epoch, **more,
    }  # fmt: skip


def write_log(folder: Path, stage: str, rows: list[dict[str, Any]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{stage}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_curves_hold_every_epoch_of_every_stage(
    dataset: Dataset, tmp_path: Path, catch: Catch, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = catch("curves.draw_training_curves")
    write_log(tmp_path / "adrec", "pretrain", [a_row(1, improved=True), a_row(2, valid={}), a_row(3)])
    bare = a_row(2, losses={"ce": 1.0, "mse": 2.0}, valid={"hr@10": 0.75})
    del bare["effective_rank"]
    write_log(tmp_path / "adrec", "align", [a_row(1, losses={"mse": 4.0}, improved=True), bare])
    write_log(tmp_path / "adrec", "finetune", [a_row(1), a_row(2)])
    write_log(tmp_path / "sasrec", "train", [a_row(1, improved=True), a_row(2, improved=True), a_row(3)])
    for stage in ("pretrain", "finetune"):
        (tmp_path / f"adrec/{stage}.safetensors").touch()
    kept = {"pretrain": 3, "finetune": 2}

    def read(path: Path) -> Any:
        metrics = {"monitor": "hr@10" if path.stem == "finetune" else "mrr@10", "protocol": path.stem, "values": {}}
        return a_stage("adrec", path.stem, epoch=kept[path.stem], seed=kept[path.stem], metrics=metrics).metadata

    monkeypatch.setattr("adrec_cli.pictures.curves.read_metadata", read)
    found = curves(in_copy(dataset, tmp_path), LOOK)
    assert [one.name for one in found] == ["curves-adrec", "curves-sasrec"]
    assert [one.title for one in found] == ["Training of ADRec on tiny", "Training of SASRec on tiny"]
    assert [options["monitor"] for options in drawn.options] == ["HR@10", "NDCG@10"]
    count = f"{dataset.items.height:,}"
    star = "★ the epoch whose weights are kept"
    assert [one.about for one in found] == [
        f"tiny, {count} items; validation finetune; seed 2; {star}", f"tiny, {count} items; {star}",
    ]  # fmt: skip
    assert drawn.what[0] == [
        StageCurve(stage="pretrain", seconds=[1.5, 2.5, 3.5], losses={"ce": [4, 3, 2]}, metric=[None] * 3,
                   effective_rank=[8, 7, 6], kept_epoch=3),
        StageCurve(stage="align", seconds=[1.5, 2.5], losses={"mse": [4, 2], "ce": [None, 1]}, metric=[None, 0.75],
                   effective_rank=[8, None], kept_epoch=1),
        StageCurve(stage="finetune", seconds=[1.5, 2.5], losses={"ce": [4, 3]}, metric=[None] * 2,
                   effective_rank=[8, 7], kept_epoch=2),
    ]  # fmt: skip
    assert drawn.what[1] == [
        StageCurve(stage="train", seconds=[1.5, 2.5, 3.5], losses={"ce": [4, 3, 2]},
                   metric=[0.1, 0.2, pytest.approx(0.3)], effective_rank=[8, 7, 6], kept_epoch=2),
    ]  # fmt: skip
    assert {options["look"] for options in drawn.options} == {one.look for one in found} == {LOOK.look}


def test_a_stage_that_is_under_way_has_no_epoch_kept_yet(dataset: Dataset, tmp_path: Path, catch: Catch) -> None:
    drawn = catch("curves.draw_training_curves")
    write_log(tmp_path / "sasrec", "train", [a_row(1)])
    curves(in_copy(dataset, tmp_path), LOOK)
    assert drawn.what[0][0].kept_epoch == 0


def test_losses_that_have_come_to_nought_are_drawn(dataset: Dataset, tmp_path: Path, catch: Catch) -> None:
    drawn = catch("curves.draw_training_curves")
    write_log(tmp_path / "sasrec", "train", [a_row(1, losses={"ce": 0.0}, seconds=0.0), a_row(2, losses={})])
    curves(in_copy(dataset, tmp_path), LOOK)
    assert drawn.what[0][0].losses == {"ce": [0.0, None]}


@pytest.mark.parametrize("content", ["", "[]", "{}", "1", '{"seconds": 1}', json.dumps(a_row(1, losses=3)), "{"])
def test_a_log_that_is_none_is_named(dataset: Dataset, tmp_path: Path, content: str) -> None:
    write_log(tmp_path / "sasrec", "train", [])
    (tmp_path / "sasrec/train.jsonl").write_text(content)
    with pytest.raises(ArtifactError, match=r"train\.jsonl is damaged"):
        curves(in_copy(dataset, tmp_path), LOOK)


def test_without_a_log_there_is_none(dataset: Dataset, tmp_path: Path) -> None:
    (tmp_path / "sasrec").mkdir()
    with pytest.raises(ArtifactError, match="tiny has no log of a training"):
        curves(in_copy(dataset, tmp_path), LOOK)


# Slices


def part(level: float, cases: int, *names: str) -> dict[str, Any]:
    metrics = {name: level + place / 100 for place, name in enumerate(names or ("ndcg@10", "hr@10"))}
    return {
        "definition": f"those of {level}", "cases": cases, "metrics": metrics,
        "intervals": {name: [value - 0.01, value + 0.02] for name, value in metrics.items()},
    }  # fmt: skip


def around(value: float, below: float = 0.01, above: float = 0.02) -> MetricInterval:
    return MetricInterval(
        value=pytest.approx(value), lower=pytest.approx(value - below), upper=pytest.approx(value + above)
    )


def test_slices_hold_every_model_at_its_last_stage(
    dataset: Dataset, catch: Catch, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = catch("slices.draw_slices")
    here = {"sequences_sha256": dataset.manifest.sequences_sha256}
    parts = {"head": part(0.3, 9), "tail": part(0.2, 2500), "cold": part(0.1, 0), "long": part(0.4, 2499)}
    made = [
        an_evaluation("mostpop", 0.1, stage="", slices={"head": part(0.6, 9)}, **here),
        an_evaluation("sasrec", 0.2, slices={"head": part(0.5, 9), "long": part(0.7, 9, "mrr@5")}, **here),
        an_evaluation("adrec", 0.3, stage="pretrain", **here),
        an_evaluation("adrec", 0.4, stage="finetune", slices=parts, **here),
        an_evaluation("gru4rec", 0.5, sequences_sha256="others"),
        an_evaluation("unheard-of", 0.6, stage="", **here),
        an_evaluation("stranger", 0.7, stage="train", **here),
        an_evaluation("sasrec", 0.8, protocol="loo/full/valid", **here),
    ]
    monkeypatch.setattr("adrec_cli.pictures.slices.list_evaluations", lambda folder: range(len(made)))
    monkeypatch.setattr("adrec_cli.pictures.slices.read_evaluation", lambda number: made[number])
    monkeypatch.setattr("adrec_cli.pictures.slices.find_replaced", lambda folder, found: [])
    whole, validation = slices(dataset, dataclasses.replace(LOOK, metric="hr@10"))
    level = {"ADRec": 0.4, "SASRec": 0.2, "MostPopular": 0.1, "unheard-of": 0.6}
    shift = made[0].metrics["hr@10"] - 0.1
    (rows, other) = drawn.what
    assert [(row.name, row.about) for row in rows] == [
        ("all", "2,500 targets"), ("head", "9 targets"), ("long", "2,499 targets"),
    ]  # fmt: skip
    assert list(rows[0].models) == list(level), "in the order of the registry, unknown ones last"
    for name, found in rows[0].models.items():
        value = level[name] + shift
        assert found == MetricInterval(value=value, lower=value - 0.0123, upper=value + 0.0234)
    assert rows[1] == SliceRow(name="head", about="9 targets", models={
        "ADRec": around(0.31), "SASRec": around(0.51), "MostPopular": around(0.61)})  # fmt: skip
    assert rows[2].models == {"ADRec": around(0.41)}, "a metric that was not measured is left out"
    assert [(row.name, list(row.models)) for row in other] == [("all", ["SASRec"])]
    assert (whole.name, validation.name) == ("slices-loo-full-test", "slices-loo-full-valid")
    assert whole.title == "Where models are good on tiny: HR@10"
    assert whole.about == "tiny, loo/full/test; head: those of 0.3; long: those of 0.4"
    assert [options["metric"] for options in drawn.options] == ["HR@10"] * 2
    assert drawn.options[0]["colours"] == {name: model_colours([model])[name] for name, model in
        (("ADRec", "adrec"), ("SASRec", "sasrec"), ("MostPopular", "mostpop"))}  # fmt: skip
    slices(dataset, LOOK)
    assert drawn.options[-1]["metric"] == "NDCG@10"
    with pytest.raises(UsageError, match="unknown metric 'auc'") as refused:
        slices(dataset, dataclasses.replace(LOOK, metric="auc"))
    assert "ndcg@10" in str(refused.value.hint)


def test_slices_are_of_the_model_itself_or_of_its_lowest_seed_and_of_the_same_items(
    dataset: Dataset, catch: Catch, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = catch("slices.draw_slices")
    here = {"sequences_sha256": dataset.manifest.sequences_sha256}
    sampled = {"protocol": "loo/sampled-9/test", "negatives_source": "drawn with seed 0", **here}
    made = [
        an_evaluation("sasrec", 0.1, path="reports/sasrec-train-loo-full-test.json", **here),
        *(an_evaluation(model, 0.1 * seed, path=f"reports/{model}-train-seed-{seed}-loo-full-test.json", **here)
          for model, seed in (("sasrec", 3), ("gru4rec", 12), ("gru4rec", 5))),
        an_evaluation("hstu", 0.9, checkpoint_sha256="gone", **here),
        an_evaluation("sasrec", 0.6, **sampled),
        an_evaluation("gru4rec", 0.7, **{**sampled, "negatives_source": "drawn with seed 1"}, seed=1),
    ]  # fmt: skip
    monkeypatch.setattr("adrec_cli.pictures.slices.list_evaluations", lambda folder: range(len(made)))
    monkeypatch.setattr("adrec_cli.pictures.slices.read_evaluation", lambda number: made[number])
    monkeypatch.setattr(
        "adrec_cli.pictures.slices.find_replaced",
        lambda folder, found: [one for one in found if one.checkpoint_sha256 == "gone"],
    )
    pictures = slices(dataset, LOOK)
    shift = made[0].metrics["ndcg@10"] - 0.1
    shown = [{name: round(one.value - shift, 6) for name, one in rows[0].models.items()} for rows in drawn.what]
    assert shown == [{"SASRec": 0.1, "GRU4Rec": 0.5}, {"SASRec": 0.6}, {"GRU4Rec": 0.7}]
    assert [picture.name for picture in pictures] == [
        "slices-loo-full-test", "slices-loo-sampled-9-test", "slices-loo-sampled-9-test-2",
    ]  # fmt: skip
    assert [picture.about for picture in pictures] == [
        "tiny, loo/full/test; GRU4Rec with seed 5",
        "tiny, loo/sampled-9/test; sampled items: drawn with seed 0",
        "tiny, loo/sampled-9/test; sampled items: drawn with seed 1",
    ]


def test_slices_leave_out_who_was_evaluated_without_the_metric(
    dataset: Dataset, catch: Catch, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = catch("slices.draw_slices")
    here = {"sequences_sha256": dataset.manifest.sequences_sha256}
    with_more, without = an_evaluation("gru4rec", 0.1, **here), an_evaluation("sasrec", 0.2, **here)
    more = dataclasses.replace(
        with_more,
        metrics={**with_more.metrics, "mine@10": 0.5},
        intervals={**with_more.intervals, "mine@10": [0.4, 0.6]},
    )
    made = [more, without, dataclasses.replace(without, protocol="loo/full/valid")]
    monkeypatch.setattr("adrec_cli.pictures.slices.list_evaluations", lambda folder: range(3))
    monkeypatch.setattr("adrec_cli.pictures.slices.read_evaluation", lambda number: made[number])
    monkeypatch.setattr("adrec_cli.pictures.slices.find_replaced", lambda folder, found: [])
    (picture,) = slices(dataset, dataclasses.replace(LOOK, metric="mine@10"))
    assert [list(row.models) for rows in drawn.what for row in rows] == [["GRU4Rec"]]
    assert picture.note == "SASRec left out, evaluated without MINE@10"


# All kinds


def a_picture(name: str) -> Picture:
    return Picture(name=name, title="t", about="a", figure="figure")  # type: ignore[arg-type]


def test_what_cannot_be_drawn_is_an_error_where_it_was_asked_for_and_else_is_said(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nothing(dataset: Dataset, options: PictureOptions) -> list[Picture]:
        raise ArtifactError("there is none")

    kinds = {
        "one": lambda dataset, options: [a_picture("one-a"), a_picture(f"one-{options.seed}")],
        "two": nothing,
        "three": lambda dataset, options: [a_picture(dataset.manifest.dataset)],
    }
    monkeypatch.setattr("adrec_cli.pictures.drawing.KINDS", kinds)
    events: list[object] = []
    found = list(draw_kinds(dataset, [], PictureOptions(seed=5), events.append))
    skipped = PicturesSkipped(kind="two", reason="there is none")
    assert [one.name if isinstance(one, Picture) else one for one in found] == ["one-a", "one-5", skipped, "tiny"]
    started = [PicturesStarted(kind=kind) for kind in kinds]
    assert events == [started[0], started[1], skipped, started[2]]
    with pytest.raises(ArtifactError, match="there is none"):
        list(draw_kinds(dataset, ["two"], PictureOptions()))
    assert len(list(draw_kinds(dataset, ["three", "one"], PictureOptions()))) == 3
    with pytest.raises(UsageError, match="unknown kind of picture 'pie'") as refused:
        list(draw_kinds(dataset, ["one", "pie"], PictureOptions()))
    assert refused.value.hint == "one of: one, two, three"
    assert list(KINDS) == ["curves", "embeddings", "spectrum", "slices", "sweeps", "steps"]


def test_models_have_the_names_and_colours_of_the_registry() -> None:
    assert display_name("adrec") == "ADRec"
    assert display_name("stranger") == "stranger"
    assert model_colours(["adrec", "stranger", "mostpop"]) == {
        find_facts(name).title: find_facts(name).colour for name in ("adrec", "mostpop")
    }


@pytest.mark.parametrize(
    ("formats", "written"),
    [((), ["png", "svg"]), (("pdf",), ["pdf"]), (("pdf", "png"), ["png", "pdf"]), (("svg", "svg"), ["svg"])],
)
def test_files_are_written_in_the_formats_asked_for(formats: tuple[str, ...], written: list[str]) -> None:
    assert PictureOptions(formats=formats).written_formats == written


@pytest.mark.parametrize(("width", "allowed"), [(4.99, False), (5, True), (40, True), (40.01, False)])
def test_widths_have_bounds(width: float, allowed: bool) -> None:
    if allowed:
        options = PictureOptions(width=width, font="DejaVu Serif", title=False)
        assert options.look == Look(width=width, font="DejaVu Serif", titled=False)
    else:
        with pytest.raises(UsageError, match="between 5 and 40"):
            PictureOptions(width=width)


@pytest.mark.parametrize(("items", "allowed"), [(7, False), (8, True)])
def test_a_map_has_at_least_eight_points(items: int, allowed: bool) -> None:
    if allowed:
        assert PictureOptions(items=items).items == items
    else:
        with pytest.raises(UsageError, match="at least 8"):
            PictureOptions(items=items)
