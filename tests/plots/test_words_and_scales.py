"""The words of pictures, and the scales of their axes: said or chosen where they hold, and nowhere else."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

pytest.importorskip("matplotlib")

from matplotlib.figure import Figure
from matplotlib.text import Text

from adrec_cli.plots.line_labels import LineEnd, label_lines
from adrec_cli.plots.metric_interval import MetricInterval
from adrec_cli.plots.slices import SliceRow, draw_slices
from adrec_cli.plots.spectrum import NOISE, Spectrum, draw_spectrum
from adrec_cli.plots.steps import StepsPoint, draw_steps
from adrec_cli.plots.style import (
    BLUE,
    CYCLE,
    DASHES,
    GREY,
    GROUND,
    MARKERS,
    USUAL,
    VERMILLION,
    Look,
    apply_style,
    headline,
    model_colour,
    new_figure,
)
from adrec_cli.plots.sweep import ABLATION, BASE, SweepPoint, draw_sweep
from adrec_cli.plots.training_curves import StageCurve, draw_training_curves

pytestmark = pytest.mark.usefixtures("without_layout")
TEXT: dict[str, str] = {"title": "the title", "about": "about the data"}


def interval(value: float, reach: float = 0.01) -> MetricInterval:
    return MetricInterval(value=value, lower=value - reach, upper=value + reach)


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


@apply_style
def a_figure(title: str, about: str, *, look: Look = USUAL) -> Figure:
    figure = new_figure(4, look)
    figure.subplots()
    headline(figure, title, about, look)
    return figure


@pytest.mark.parametrize("titled", [True, False])
@pytest.mark.parametrize("width", [5.0, 8.0])
def test_long_headlines_are_broken_into_lines(titled: bool, width: float) -> None:
    long = "words and more words of a headline " * 6
    figure = a_figure(long, long, look=Look(width=width, titled=titled))
    assert (long in texts(figure)) is True
    assert bool(figure.get_suptitle()) is titled
    for artist in (figure._suptitle, figure._supxlabel):
        if artist is None:
            continue
        box = artist.get_window_extent(figure.canvas.get_renderer())
        assert 0 <= box.x0 < box.x1 <= figure.bbox.x1
        assert box.x0 < figure.bbox.x1 / 10, "it begins at the left"
        assert box.height > 20, "several lines"


def test_models_have_their_own_colour_or_the_next_one() -> None:
    assert model_colour("a", 0, {"a": "red"}) == "red"
    assert [model_colour("b", place, {"a": "red"}) for place in range(8)] == [*CYCLE, CYCLE[0]]


@pytest.mark.parametrize(
    ("value", "lower", "upper", "reach"),
    [(0.5, 0.4, 0.7, (0.1, 0.2)), (0.5, 0.5, 0.5, (0, 0)), (0.5, 0.6, 0.4, (0, 0)), (0.0, -2.0, 3.0, (2, 3))],
)
def test_an_interval_reaches_to_both_sides_or_not_at_all(
    value: float, lower: float, upper: float, reach: tuple[float, float]
) -> None:
    ((below,), (above,)) = MetricInterval(value=value, lower=lower, upper=upper).below_and_above
    assert (below, above) == pytest.approx(reach)


@apply_style
def labelled(ends: list[LineEnd]) -> Figure:
    figure = new_figure(4, USUAL)
    axes = figure.subplots()
    axes.set_ylim(0, 10)
    axes.set_xlim(0, 5)
    label_lines(axes, ends)
    return figure


def test_names_stand_right_of_their_lines_at_the_height_where_these_end() -> None:
    ends = [LineEnd(x=4, y=y, text=f"line {y}", colour=colour) for y, colour in ((8.0, "red"), (1.0, "blue"))]
    (axes,) = labelled(ends).axes
    for end, name in zip(ends, axes.texts, strict=True):
        assert (name.get_text(), name.get_color(), name.xy) == (end.text, end.colour, (end.x, end.y))
        x, y = name.get_position()
        assert x > 1, "outside of the axes"
        assert y == pytest.approx(end.y / 10)
        assert name.arrow_patch is not None
    near = labelled([LineEnd(x=4, y=5 + 0.01 * each, text=str(each), colour="red") for each in range(4)])
    canvas: Any = near.canvas
    # The middle of each text: its box, with the line that leads to it, reaches farther.
    heights = [name.get_position()[1] * near.axes[0].get_window_extent().height for name in near.axes[0].texts]
    points = [height * 72 / canvas.figure.dpi for height in heights]
    assert all(high - low >= 9 for low, high in itertools.pairwise(points)), "none covers another"


# Training


def curve(stage: str, epochs: int, *, seconds: float = 1.0, kept: int = 0, **losses: list[float]) -> StageCurve:
    found = losses or {"ce": [2.0] * epochs}
    metric = [0.1 + each / 100 for each in range(epochs)]
    return StageCurve(
        stage=stage, seconds=[seconds] * epochs, losses=found, metric=metric, effective_rank=[None] * epochs,
        kept_epoch=kept,
    )  # fmt: skip


def draw_curves(*curves: StageCurve) -> Figure:
    return draw_training_curves(curves, monitor="NDCG@10", **TEXT)


@pytest.mark.parametrize(("least", "said"), [(1e9, True), (100.0, True), (0.001, False), (-3.0, False)])
def test_a_panel_that_does_not_begin_at_nought_says_so_and_ticks_are_whole_numbers(least: float, said: bool) -> None:
    axes = draw_curves(curve("align", 2, ce=[least, least + 1.0])).axes[0]
    assert axes.get_title(loc="left") == f"training loss: ce{', not from 0' if said else ''}"
    assert (axes.get_ylim()[0] > 0) == said
    axes.figure.canvas.draw()
    assert "+" not in axes.yaxis.get_offset_text().get_text(), "no tick lacks what stands beside the axis"


def test_curves_may_be_drawn_over_epochs() -> None:
    stages = [curve("one", 2, seconds=7.0, kept=2), curve("two", 3, seconds=0.1)]
    figure = draw_training_curves(stages, monitor="NDCG@10", over="epochs", **TEXT)
    losses = [list(line.get_xdata()) for line in figure.axes[0].lines if list(line.get_ydata()) != [0, 1]]
    assert losses == [[1, 2], [3, 4, 5]]
    assert figure.axes[-1].get_xlabel() == "epochs of all stages"
    assert [tuple(line.get_xdata()) for line in figure.axes[-2].lines if line.get_marker() == "*"] == [(2,)]
    assert draw_training_curves(stages[:1], monitor="m", over="epochs", **TEXT).axes[-1].get_xlabel() == "epochs"


def test_every_panel_of_a_training_says_what_it_shows() -> None:
    figure = draw_curves(curve("align", 2, ce=[1, 2], mse=[3, 4], other=[5, 6]))
    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        "training loss: ce, not from 0", "training loss: mse, not from 0", "training loss: other, not from 0",
        "validation: NDCG@10, not from 0", "effective rank of the item vectors",
    ]  # fmt: skip
    assert (figure.get_suptitle(), figure.get_supxlabel()) == ("the title", "about the data")
    assert figure.axes[-1].lines[:1] == [], "no rank was logged"


@pytest.mark.parametrize(("share", "words"), [(0.2, "short"), (0.25, "short, 1 epoch"), (0.5, "short, 1 epoch")])
def test_a_narrow_stage_has_no_room_for_its_epochs(share: float, words: str) -> None:
    names = [
        text.get_text()
        for text in draw_curves(curve("long", 1, seconds=1 - share), curve("short", 1, seconds=share)).axes[0].texts
    ]
    assert names == ["long, 1 epoch", words]


def test_every_second_stage_has_a_ground_between_lines() -> None:
    figure = draw_curves(curve("one", 2), curve("two", 3), curve("three", 1))
    for axes in figure.axes:
        spans = [(patch.get_x(), patch.get_x() + patch.get_width(), patch.get_facecolor()[2]) for patch in axes.patches]
        assert [(begin, end) for begin, end, _ in spans] == [(0, 2), (2, 5), (5, 6)]
        assert [blue == pytest.approx(int(GROUND[-2:], 16) / 255) for *_, blue in spans] == [False, True, False]
        assert [line.get_xdata()[0] for line in axes.lines if list(line.get_ydata()) == [0, 1]] == [2, 5]
    assert [text.xy[0] for text in figure.axes[0].texts] == [1, 3.5, 5.5], "names stand in the middle"


@pytest.mark.parametrize(("epochs", "marker"), [(29, "o"), (30, "")])
def test_epochs_are_marked_while_they_can_be_told_apart(epochs: int, marker: str) -> None:
    axes = draw_curves(curve("one", epochs)).axes[0]
    (drawn,) = [line for line in axes.lines if len(line.get_xdata()) == epochs]
    assert drawn.get_marker() == marker


@pytest.mark.parametrize(("kept", "marked"), [(0, []), (1, [(1.0, 0.1)]), (3, [(3.0, 0.12)]), (4, [])])
def test_the_epoch_that_is_kept_is_marked_if_there_is_one(kept: int, marked: list[tuple[float, float]]) -> None:
    axes = draw_curves(curve("one", 3, kept=kept)).axes[-2]
    stars = [tuple(line.get_xydata()[0]) for line in axes.lines if line.get_marker() == "*"]
    assert stars == [pytest.approx(point) for point in marked]
    assert [text.get_text() for text in axes.texts] == [f"{value:.4f}" for _, value in marked]


# Steps


@pytest.mark.parametrize("reach", [0.0, 0.01])
def test_steps_say_whether_they_have_intervals(reach: float) -> None:
    points = [StepsPoint(steps=n, metric=interval(0.1 * n, reach), milliseconds=n / 3) for n in (1, 3, 8)]
    figure = draw_steps(points, metric="NDCG@10", **TEXT)
    left, right = figure.axes
    said = ", with 95% interval over users" if reach else ""
    assert [axes.get_title(loc="left") for axes in (left, right)] == [f"NDCG@10{said}", "milliseconds a target"]
    for axes in (left, right):
        assert axes.get_xlabel() == "reverse steps"
        assert (axes.get_xscale(), axes.xaxis.get_transform().base) == ("log", 2)
        ticks = [
            (place, text.get_text()) for place, text in zip(axes.get_xticks(), axes.get_xticklabels(), strict=True)
        ]
        assert ticks == [(1, "1"), (3, "3"), (8, "8")]
        assert axes.get_ylim()[0] == 0
        assert len(axes.get_xticks(minor=True)) == 0
    assert left.get_ylim()[1] > 0.8 + reach
    assert right.get_ylim()[1] > 8 / 3
    one = draw_steps(points[:1], metric="NDCG@10", **TEXT)
    assert [text.get_text() for text in one.axes[0].texts] == ["0.1000"]


# Slices


def test_slices_name_models_by_mark_and_colour_and_begin_at_nought() -> None:
    models = {f"model {number}": interval(0.1 * (number + 1)) for number in range(8)}
    rows = [SliceRow(name=name, about="9 targets", models=models) for name in ("all", "head", "tail")]
    figure = draw_slices(rows, metric="NDCG@10", colours={"model 2": "#123456"}, **TEXT)
    (axes,) = figure.axes
    legend = axes.get_legend()
    assert [text.get_text() for text in legend.get_texts()] == list(models)
    colours = [*CYCLE, CYCLE[0]]
    colours[2] = "#123456"
    marks = [(handle.get_marker(), handle.get_color()) for handle in legend.legend_handles]
    assert marks == list(zip([*MARKERS, MARKERS[0]], colours, strict=True))
    drawn = [line for line in axes.lines if len(line.get_xdata()) == 1]
    assert [(line.get_marker(), line.get_color()) for line in drawn] == marks * 3
    heights = [float(line.get_ydata()[0]) for line in drawn]
    assert heights == sorted(heights), "models in their order, slices from the top"
    assert all(abs(height - place // 8) < 0.5 for place, height in enumerate(heights))
    assert (axes.get_xlim()[0], axes.get_ylim()) == (0, (2.5, -0.5))
    assert axes.get_xlabel() == "NDCG@10, with 95% intervals over users"
    grounds = [sorted(patch.get_corners()[:, 1])[::3] for patch in axes.patches]
    assert grounds == [[-0.5, 0.5], [1.5, 2.5]], "every second row"


# Singular values


def test_a_spectrum_tells_models_from_noise_and_says_what_its_axes_are() -> None:
    spectra = [
        Spectrum(name=name, singular_values=[8.0, 4.0, value], items=16, effective_rank=2.5 + place)
        for place, (name, value) in enumerate([("A", 2.0), (NOISE, 3.0), ("B", 0.0)])
    ]
    figure = draw_spectrum(spectra, colours={"B": "#123456"}, **TEXT)
    (axes,) = figure.axes
    assert axes.get_yscale() == "log"
    assert axes.get_xlabel() == "number of the direction, strongest first"
    assert axes.get_ylabel() == "singular value / √items"
    assert axes.get_title(loc="right") == "model, effective rank"
    assert [line.get_color() for line in axes.lines] == [CYCLE[0], GREY, "#123456"]
    assert [line.get_linestyle() for line in axes.lines][::2] == [DASHES[0], DASHES[2]]
    assert axes.lines[1].is_dashed(), "noise is dotted whatever its place"
    assert [text.get_text() for text in axes.texts] == ["A, 2", "noise, 4", "B, 4"]
    assert axes.lines[2].get_ydata()[-1] == axes.get_ylim()[0] == 1e-4, "what is nought is at the foot"
    assert {text.get_text() for text in axes.get_yticklabels()} >= {"0.001", "0.01", "0.1", "1"}


# Sweeps


def point(value: str, level: float, **given: Any) -> SweepPoint:
    told: dict[str, Any] = {"name": f"k={value}", "key": "k", "value": value, "part": "valid", "seeds": [level]}
    return SweepPoint(**{**told, "metric": interval(level), **given})


def draw(*points: SweepPoint) -> Figure:
    return draw_sweep(points, metric="NDCG@10", **TEXT)


@pytest.mark.parametrize(
    ("values", "scale"),
    [(("1", "19.9"), "linear"), (("1", "20"), "log"), (("0", "100"), "linear"), (("-1", "100"), "linear")],
)
def test_a_line_over_far_apart_numbers_has_a_logarithmic_axis(values: tuple[str, str], scale: str) -> None:
    (axes,) = draw(*(point(value, 0.3) for value in values)).axes
    assert axes.get_xscale() == scale
    assert list(axes.get_xticks()) == sorted(map(float, values))
    assert [text.get_text() for text in axes.get_xticklabels()] == [f"{float(value):g}" for value in values]


@pytest.mark.parametrize("values", [("1", "inf"), ("1", "nan"), ("1", "x"), ("1", "1.0")])
def test_what_is_no_line_has_a_row_for_each_value(values: tuple[str, str]) -> None:
    (axes,) = draw(*(point(value, 0.3) for value in values)).axes
    assert [text.get_text() for text in axes.get_yticklabels()] == list(values)


def test_each_key_has_a_panel_and_the_base_stands_in_all_rows() -> None:
    base = point("", 0.25, name=BASE, key="")
    figure = draw(
        base, point("1", 0.3), point("2", 0.4), point("a", 0.3, key="name", name="name=a"),
        point("x", 0.2, key=ABLATION, name="x"),
    )  # fmt: skip
    line, rows, left_out = figure.axes
    assert (line.get_xlabel(), line.get_ylabel()) == ("k", "NDCG@10, not from 0")
    assert [text.get_text() for text in rows.get_yticklabels()] == ["base", "a"]
    assert [text.get_text() for text in left_out.get_yticklabels()] == ["base", "without x"]
    assert (rows.get_ylabel(), left_out.get_ylabel()) == ("name", "")
    assert rows.get_xlabel() == left_out.get_xlabel() == "NDCG@10 (valid), not from 0"
    for axes in (rows, left_out):
        assert [one.get_xdata()[0] for one in axes.lines if list(one.get_ydata()) == [0, 1]] == [0.25]
        assert axes.get_legend() is None
        assert axes.get_ylim()[0] > 1.3, "the base is on top, and no row is cut"
        assert axes.get_ylim()[1] < -0.3
    both = draw(base, point("a", 0.3), point("a", 0.2, part="test")).axes[0]
    assert [text.get_text() for text in both.get_legend().get_texts()] == ["valid", "test"]
    assert both.get_xlabel() == "NDCG@10, not from 0"
    colours = {line.get_color() for line in both.lines if len(line.get_xdata()) == 1}
    assert colours == {BLUE, VERMILLION}


def test_an_axis_that_begins_at_nought_says_nothing_of_it() -> None:
    (line,) = draw(point("1", 0.005), point("2", 0.3)).axes
    assert (line.get_ylim()[0], line.get_ylabel()) == (0, "NDCG@10")
    (rows,) = draw(point("a", 0.005), point("b", 0.3)).axes
    assert rows.get_xlim()[0] <= 0
    assert rows.get_xlabel() == "NDCG@10 (valid)"


@pytest.mark.parametrize(("reach", "beyond"), [(0.1, False), (0.2, True)])
def test_intervals_that_would_hide_the_rest_are_said_to_reach_beyond(reach: float, beyond: bool) -> None:
    points = [point(str(n), 0.5 + 0.05 * n, metric=interval(0.5 + 0.05 * n, reach)) for n in (1, 2, 3)]
    (axes,) = draw(*points).axes
    assert axes.get_xlabel() == ("k (intervals reach beyond the panel)" if beyond else "k")
    assert bool(axes.collections) is not beyond
    low, high = axes.get_ylim()
    means = (0.55, 0.65)
    assert low < means[0]
    assert high > means[1]
    assert (high - low) < 0.6
