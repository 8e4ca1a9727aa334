"""What a metric does as options change: a line for each option with numbers, a row for each thing left out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from adrec_cli.plots.line_labels import LineEnd, label_lines
from adrec_cli.plots.metric_interval import MetricInterval
from adrec_cli.plots.style import (
    BLACK,
    BLUE,
    GREY,
    MARKERS,
    USUAL,
    VERMILLION,
    Look,
    apply_style,
    headline,
    new_figure,
    shorten,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BASE = "base"
ABLATION = "ablation"
"""Key of the points that leave something out, each named by what that is."""
_PARTS = {"valid": BLUE, "test": VERMILLION}
_LOG_RATIO = 20
_PANEL_HEIGHT = 2.9
_MOST_ROOM = 1.5
"""Of the spread of means and seeds, that intervals may take above and below them."""


@dataclass(frozen=True, kw_only=True)
class SweepPoint:
    """One run of a sweep, over its seeds.

    Attributes:
        name: such as lambda=0.01, or `BASE`.
        key, value: what is varied and to what, as typed; the base has the value that its options have.
        part: valid or test.
        metric: mean over seeds, with its interval.
        seeds: the metric of each seed.
    """

    name: str
    key: str
    value: str
    part: str
    metric: MetricInterval
    seeds: Sequence[float]


@apply_style
def draw_sweep(points: Sequence[SweepPoint], *, metric: str, title: str, about: str, look: Look = USUAL) -> Figure:
    """Draw a panel for each key.

    Args:
        points: in the order of the runs; those of the base have the key of each panel they belong to, or "".
        metric: its name.
        title, about: headline, and the grey line below the picture.
        look: width, font, and whether there is the headline.
    """
    base = [point for point in points if point.name == BASE and not point.key]
    keys = list(dict.fromkeys(point.key for point in points if point.key))
    panels = {key: [point for point in points if point.key == key] for key in keys}
    heights = [_PANEL_HEIGHT if _numbers(panel) else _rows_height(panel, base) for panel in panels.values()]
    figure = new_figure(sum(heights) + 1.1, look)
    grid = figure.subplots(len(keys), 1, squeeze=False, gridspec_kw={"height_ratios": heights})[:, 0]
    for axes, (key, panel) in zip(grid, panels.items(), strict=True):
        if _numbers(panel):
            _line(axes, panel, key, metric)
        else:
            _dots(axes, [*base, *panel], key, metric)
    headline(figure, title, about, look)
    return figure


def _numbers(panel: Sequence[SweepPoint]) -> list[float]:
    """Return the values of a panel as numbers, or nothing where one is none."""
    try:
        values = [float(point.value) for point in panel]
    except ValueError:
        return []
    return values if all(map(math.isfinite, values)) and len(set(values)) > 1 else []


def _rows_height(panel: Sequence[SweepPoint], base: Sequence[SweepPoint]) -> float:
    rows = len({point.name for point in [*base, *panel]})
    return 0.6 + rows * (0.44 if len({point.part for point in panel}) > 1 else 0.3)


def _line(axes: Axes, panel: Sequence[SweepPoint], key: str, metric: str) -> None:
    """Draw a metric over the numbers of a key; the base is ringed."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    ends: list[LineEnd] = []
    (low, high), beyond = _heights(panel), ""
    values = sorted(set(_numbers(panel)))
    if values[0] > 0 and values[-1] / values[0] >= _LOG_RATIO:
        axes.set_xscale("log")
        axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_locator(FixedLocator(values))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    for number, (part, colour) in enumerate(_PARTS.items()):
        of_part = sorted((point for point in panel if point.part == part), key=lambda point: float(point.value))
        if not of_part:
            continue
        x = [float(point.value) for point in of_part]
        lower, upper = [point.metric.lower for point in of_part], [point.metric.upper for point in of_part]
        if low <= min(lower) and max(upper) <= high:
            axes.fill_between(x, lower, upper, color=colour, alpha=0.14, linewidth=0)
        else:
            beyond = " (intervals reach beyond the panel)"
        axes.plot(x, [point.metric.value for point in of_part], color=colour, marker=MARKERS[number], label=part)
        for point in of_part:
            if len(point.seeds) > 1:
                axes.plot([float(point.value)] * len(point.seeds), point.seeds, "_", color=colour, markersize=7)
            if point.name == BASE:
                axes.plot(
                    [float(point.value)], [point.metric.value], "o", markersize=12, mfc="none", mec=BLACK, mew=1.2
                )
        best = max(point.metric.value for point in of_part)
        ends.append(LineEnd(x=x[-1], y=of_part[-1].metric.value, text=f"{part}, best {best:.4f}", colour=colour))
    axes.set_ylim(low, high)
    axes.set_xlabel(f"{key}{beyond}")
    axes.set_ylabel(metric if low <= 0 else f"{metric}, not from 0")
    label_lines(axes, ends)


def _heights(panel: Sequence[SweepPoint]) -> tuple[float, float]:
    """Return limits that show all intervals, unless these are so wide that nothing else would be seen."""
    means = [value for point in panel for value in (point.metric.value, *point.seeds)]
    room = max(_MOST_ROOM * (max(means) - min(means)), 0.02 * max(means), 1e-6)
    low = max(min(point.metric.lower for point in panel), min(means) - room)
    high = min(max(point.metric.upper for point in panel), max(means) + room)
    margin = 0.08 * (high - low)
    return max(low - margin, 0.0), high + margin


def _dots(axes: Axes, panel: Sequence[SweepPoint], key: str, metric: str) -> None:
    """Draw a metric with its interval, a row for each run; a line leads down from the base."""
    names = list(dict.fromkeys(point.name for point in panel))
    parts = [part for part in _PARTS if any(point.part == part for point in panel)]
    for point in panel:
        number, colour = parts.index(point.part), _PARTS[point.part]
        height = names.index(point.name) + (number - (len(parts) - 1) / 2) * 0.36
        axes.errorbar(
            [point.metric.value], [height], xerr=point.metric.below_and_above, color=colour, marker=MARKERS[number],
            markersize=6, lw=1.6,
        )  # fmt: skip
        if len(point.seeds) > 1:
            axes.plot(point.seeds, [height] * len(point.seeds), "|", color=colour, markersize=7)
        if point.name == BASE:
            axes.axvline(point.metric.value, color=colour, lw=0.9, linestyle=":", zorder=1)
        axes.annotate(
            f"{point.metric.value:.4f}", (point.metric.upper, height), xytext=(6, 0), textcoords="offset points",
            va="center", fontsize=8.5, color=BLACK if point.name == BASE else GREY,
        )  # fmt: skip
    for number, part in enumerate(parts if len(parts) > 1 else []):
        axes.plot([], [], linestyle="", marker=MARKERS[number], color=_PARTS[part], label=part)
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
    prefix = f"{key}="
    shown = [f"without {name}" if key == ABLATION and name != BASE else name.removeprefix(prefix) for name in names]
    axes.set_yticks(range(len(names)), [shorten(name, 34) for name in shown])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)
    axes.margins(x=0.14)
    cut = ", not from 0" if axes.get_xlim()[0] > 0 else ""
    axes.set_xlabel(f"{metric}{cut}" if len(parts) > 1 else f"{metric} ({parts[0]}){cut}")
    if key != ABLATION:
        axes.set_ylabel(key)
