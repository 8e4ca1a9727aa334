"""What reverse steps buy and what they cost: a metric and the time of ranking over the steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from adrec_cli.plots.metric_interval import MetricInterval
from adrec_cli.plots.style import BLUE, GREEN, USUAL, Look, apply_style, headline, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True, kw_only=True)
class StepsPoint:
    """Ranking with a number of reverse steps.

    Attributes:
        steps: at least 1.
        metric: what came out.
        milliseconds: of wall time, a target ranked.
    """

    steps: int
    metric: MetricInterval
    milliseconds: float


@apply_style
def draw_steps(points: Sequence[StepsPoint], *, metric: str, title: str, about: str, look: Look = USUAL) -> Figure:
    """Draw the metric over the number of steps on the left, and what ranking a target costs on the right.

    Args:
        points: any number of steps each.
        metric: its name.
        title, about: headline, and the grey line below the picture.
        look: width, font, and whether there is the headline.
    """
    points = sorted(points, key=lambda point: point.steps)
    steps = [point.steps for point in points]
    values = [point.metric.value for point in points]
    figure = new_figure(3.9, look)
    left, right = figure.subplots(1, 2)
    left.fill_between(
        steps, [point.metric.lower for point in points], [point.metric.upper for point in points], color=BLUE,
        alpha=0.14, linewidth=0,
    )  # fmt: skip
    left.plot(steps, values, color=BLUE, marker="o")
    for place, value in {steps[0]: values[0], steps[-1]: values[-1]}.items():
        left.annotate(
            f"{value:.4f}", (place, value), xytext=(0, 8), textcoords="offset points", color=BLUE, fontsize=9,
            fontweight="bold", ha="left" if place == steps[0] else "right",
        )  # fmt: skip
    left.set_ylim(bottom=0, top=max(point.metric.upper for point in points) * 1.25)
    measured = any(point.metric.lower < point.metric.upper for point in points)
    left.set_title(f"{metric}, with 95% interval over users" if measured else metric)
    right.plot(steps, [point.milliseconds for point in points], color=GREEN, marker="s")
    for point in (points[0], points[-1]):
        right.annotate(
            f"{point.milliseconds:.2g} ms", (point.steps, point.milliseconds), xytext=(0, 8),
            textcoords="offset points", color=GREEN, fontsize=9, fontweight="bold",
            ha="left" if point is points[0] else "right",
        )  # fmt: skip
    right.set_ylim(bottom=0, top=max(point.milliseconds for point in points) * 1.2)
    right.set_title("milliseconds a target")
    for axes in (left, right):
        _scale(axes, steps)
    headline(figure, title, about, look)
    return figure


def _scale(axes: Axes, steps: Sequence[int]) -> None:
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    axes.set_xscale("log", base=2)
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_locator(FixedLocator(list(steps)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_xlabel("reverse steps")
