"""Pictures hold what was measured: every value, interval and seed where the axes say it lies, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.text import Text

from adrec_cli.plots.metric_interval import MetricInterval
from adrec_cli.plots.slices import SliceRow, draw_slices
from adrec_cli.plots.spectrum import Spectrum, draw_spectrum
from adrec_cli.plots.steps import StepsPoint, draw_steps
from adrec_cli.plots.sweep import SweepPoint, draw_sweep
from adrec_cli.plots.training_curves import StageCurve, draw_training_curves

pytestmark = pytest.mark.usefixtures("without_layout")
Points = list[tuple[float, float]]


def interval(value: float) -> MetricInterval:
    return MetricInterval(value=value, lower=value - 0.011, upper=value + 0.023)


def lines(axes: Axes, *markers: str) -> list[Points]:
    """Return the points of the lines with these markers, but those that stand for a legend alone."""
    drawn = [line for line in axes.lines if not markers or line.get_marker() in markers]
    found = [[(float(x), float(y)) for x, y in line.get_xydata()] for line in drawn if len(line.get_xdata())]
    return [[(round(x, 6), round(y, 6)) for x, y in points] for points in found]


def bars(axes: Axes) -> list[tuple[float, float]]:
    """Return where horizontal error bars begin and end, in order."""
    drawn = [part for part in axes.collections if isinstance(part, LineCollection)]
    return sorted(
        (round(float(piece[0][0]), 6), round(float(piece[-1][0]), 6)) for one in drawn for piece in one.get_segments()
    )


def bands(axes: Axes) -> list[Points]:
    """Return the corners of filled bands."""
    drawn = [part for part in axes.collections if isinstance(part, PolyCollection)]
    return [sorted({(round(float(x), 6), round(float(y), 6)) for x, y in one.get_paths()[0].vertices}) for one in drawn]


def texts(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.findobj(Text) if text.get_text()]


def sweep_points(key: str, values: Sequence[str], seeds: int) -> list[SweepPoint]:
    """Return runs of two parts; the second is the base."""
    return [
        SweepPoint(
            name="base" if number == 1 else f"{key}={value}",
            key=key,
            value=value,
            part=part,
            metric=interval(level + 0.01 * number),
            seeds=[level + 0.01 * number + 0.002 * seed for seed in range(seeds)],
        )
        for part, level in (("valid", 0.3), ("test", 0.2))
        for number, value in enumerate(values)
    ]


@pytest.mark.parametrize("seeds", [1, 3])
@pytest.mark.parametrize("values", [["2", "1", "3"], ["cosine", "linear", "sqrt"]], ids=["numbers", "names"])
def test_a_sweep_has_every_run_its_interval_and_its_seeds(values: list[str], seeds: int) -> None:
    points = sweep_points("key", values, seeds)
    figure = draw_sweep(points, metric="ndcg@10", title="Sweep", about="demo")
    (axes,) = figure.axes
    numbers = values[0] == "2"
    told = sorted(round(value, 6) for point in points for value in point.seeds) if seeds > 1 else []
    seen = sorted(round(y if numbers else x, 6) for points in lines(axes, "_" if numbers else "|") for x, y in points)
    assert seen == told
    if numbers:
        assert sorted(axes.get_xticks()) == [1, 2, 3]
        for part in ("valid", "test"):
            of_part = sorted((p for p in points if p.part == part), key=lambda p: float(p.value))
            assert [(float(p.value), round(p.metric.value, 6)) for p in of_part] in lines(axes)
            corners = {(float(p.value), round(y, 6)) for p in of_part for y in (p.metric.lower, p.metric.upper)}
            assert any(corners == set(band) for band in bands(axes))
            assert f"{part}, best {max(p.metric.value for p in of_part):.4f}" in texts(axes)
        rings = [line.get_xydata().tolist() for line in axes.lines if line.get_markersize() == 12]
        assert rings == [[[1.0, pytest.approx(p.metric.value)]] for p in points if p.name == "base"]
        return
    assert bars(axes) == sorted((round(p.metric.lower, 6), round(p.metric.upper, 6)) for p in points)
    assert {f"{p.metric.value:.4f}" for p in points} <= set(texts(axes))
    led = [line.get_xdata()[0] for line in axes.lines if list(line.get_ydata()) == [0, 1]]
    assert led == [p.metric.value for p in points if p.name == "base"]
    rows, heights = [text.get_text() for text in axes.get_yticklabels()], []
    for point in points:
        ((height,),) = [
            {y for x, y in drawn if x == round(point.metric.value, 6)}
            for drawn in lines(axes)
            if len(drawn) == 1 and drawn[0][0] == round(point.metric.value, 6)
        ][:1]
        heights.append(height)
        assert rows[round(height)] == ("base" if point.name == "base" else point.value)
    assert all(valid < test for valid, test in zip(heights[:3], heights[3:], strict=True)), "valid lies above test"


def test_curves_go_through_the_epochs_and_the_kept_one_is_marked() -> None:
    curves = [
        StageCurve(
            stage=stage, seconds=[2.0, 3.0, 4.0], losses=losses, metric=[0.1 + level, None, 0.12 + level],
            effective_rank=[9.0, 8.0, 7.0], kept_epoch=kept,
        )
        for stage, losses, level, kept in (
            ("pretrain", {"ce": [6.0, 5.0, 4.5]}, 0.0, 3),
            ("finetune", {"ce": [4.0, 3.0, 2.0], "mse": [1, 2, 3]}, 0.1, 1),
        )
    ]  # fmt: skip
    figure = draw_training_curves(curves, title="Training", about="demo", monitor="ndcg@10")
    ce, mse, metric, rank = figure.axes
    assert lines(ce, "o") == [[(2, 6), (5, 5), (9, 4.5)], [(11, 4), (14, 3), (18, 2)]]
    assert lines(mse, "o") == [[(11, 1), (14, 2), (18, 3)]]
    assert lines(metric, "o") == [[(2, 0.1), (9, 0.12)], [(11, 0.2), (18, 0.22)]]
    assert lines(rank, "o") == [[(2, 9), (5, 8), (9, 7)], [(11, 9), (14, 8), (18, 7)]]
    assert lines(metric, "*") == [[(9, 0.12)], [(11, 0.2)]]
    assert {"0.1200", "0.2000"} <= set(texts(metric))
    assert {"pretrain, 3 epochs", "finetune, 3 epochs"} <= set(texts(ce))
    assert rank.get_xlabel() == "seconds of training and validation"
    for axes in figure.axes:
        assert axes.get_xlim() == pytest.approx((0, 18 * 1.005))
        assert [line.get_xdata()[0] for line in axes.lines if list(line.get_ydata()) == [0, 1]] == [9]


@pytest.mark.parametrize(("each", "shown", "unit"), [(59, 177, "seconds"), (60, 3, "minutes"), (3600, 3, "hours")])
def test_the_unit_of_time_is_one_of_few_digits(each: float, shown: float, unit: str) -> None:
    curve = StageCurve(
        stage="train", seconds=[each] * 3, losses={"ce": [3, 2, 1]}, metric=[0.1] * 3, effective_rank=[3] * 3,
        kept_epoch=1,
    )  # fmt: skip
    last = draw_training_curves([curve], title="Training", about="demo", monitor="ndcg@10").axes[-1]
    assert last.get_xlabel().startswith(f"{unit} ")
    assert lines(last)[0][-1][0] == shown


def test_steps_have_what_they_buy_and_what_they_cost() -> None:
    points = [StepsPoint(steps=n, metric=interval(0.1 + n / 100), milliseconds=0.5 * n) for n in (4, 1, 2)]
    metric, cost = draw_steps(points, metric="ndcg@10", title="Steps", about="demo").axes
    assert lines(metric, "o") == [[(1, 0.11), (2, 0.12), (4, 0.14)]]
    assert lines(cost, "s") == [[(1, 0.5), (2, 1), (4, 2)]]
    (band,) = bands(metric)
    assert set(band) == {(n, round(0.1 + n / 100 + by, 6)) for n in (1, 2, 4) for by in (-0.011, 0.023)}
    assert [text for text in texts(metric) if text.startswith("0.1")][:2] == ["0.1100", "0.1400"]
    assert [text for text in texts(cost) if text.endswith(" ms")] == ["0.5 ms", "2 ms"]


def test_slices_have_every_model_that_was_measured() -> None:
    found = {"ADRec": 0.3, "SASRec": 0.2}
    rows = [
        SliceRow(name="head", about="9 targets", models={name: interval(value) for name, value in found.items()}),
        SliceRow(name="tail", about="4 targets", models={"SASRec": interval(0.1)}),
    ]
    (axes,) = draw_slices(rows, metric="ndcg@10", title="Slices", about="demo").axes
    assert bars(axes) == [(0.089, 0.123), (0.189, 0.223), (0.289, 0.323)]
    heights = {x: y for points in lines(axes) for x, y in points}
    assert {value: round(height) for value, height in heights.items()} == {0.3: 0, 0.2: 0, 0.1: 1}
    assert heights[0.3] < heights[0.2]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["head\n9 targets", "tail\n4 targets"]


def test_a_spectrum_is_told_in_units_of_a_ball() -> None:
    spectra = [
        Spectrum(name=name, singular_values=[width * n for n in (4, 2, 1)], items=16, effective_rank=rank)
        for name, width, rank in (("ADRec", 1.0, 2.6), ("noise", 2.0, 3.4))
    ]
    (axes,) = draw_spectrum(spectra, title="Directions", about="demo").axes
    drawn = [points for points in lines(axes) if len(points) == 3]
    assert drawn == [[(1, 1), (2, 0.5), (3, 0.25)], [(1, 2), (2, 1), (3, 0.5)]]
    assert {"ADRec, 3", "noise, 3"} <= set(texts(axes))
    assert axes.get_xlim() == (1, 3)
    assert np.isclose(axes.get_ylim()[0], 0.2)
