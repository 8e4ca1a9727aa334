"""Where models are good: popular and rare targets, long and short histories, targets never seen in training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from adrec_cli.plots.metric_interval import MetricInterval
from adrec_cli.plots.style import (
    GROUND,
    MARKERS,
    NO_COLOURS,
    USUAL,
    Look,
    apply_style,
    headline,
    model_colour,
    new_figure,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SPREAD = 0.64
_LEGEND_COLUMN = 1.3
"""Inches that the name of a model takes."""


@dataclass(frozen=True, kw_only=True)
class SliceRow:
    """Some of the targets.

    Attributes:
        name: such as head.
        about: how many targets, and which.
        models: metric by name of the model; a model without any is left out.
    """

    name: str
    about: str
    models: Mapping[str, MetricInterval]


@apply_style
def draw_slices(
    rows: Sequence[SliceRow],
    *,
    metric: str,
    title: str,
    about: str,
    colours: Mapping[str, str] = NO_COLOURS,
    look: Look = USUAL,
) -> Figure:
    """Draw a row for each slice, and in it every model's metric with its interval.

    Args:
        rows: from the top.
        metric: its name.
        title, about: headline, and the grey line below the picture.
        look: width, font, and whether there is the headline.
        colours: of models that have their own.
    """
    names = list(dict.fromkeys(name for row in rows for name in row.models))
    step = _SPREAD / max(len(names), 1)
    figure = new_figure(1.7 + len(rows) * max(0.45, 0.13 * len(names) + 0.1), look)
    axes = figure.subplots()
    for number, row in enumerate(rows):
        if number % 2 == 0:
            axes.axhspan(number - 0.5, number + 0.5, color=GROUND, lw=0, zorder=0)
        for position, name in enumerate(names):
            if name in row.models:
                found, height = row.models[name], number + (position - (len(names) - 1) / 2) * step
                axes.errorbar(
                    [found.value], [height], xerr=found.below_and_above, color=model_colour(name, position, colours),
                    marker=MARKERS[position % len(MARKERS)], markersize=6, lw=1.6, clip_on=False,
                )  # fmt: skip
    for position, name in enumerate(names):
        marker, colour = MARKERS[position % len(MARKERS)], model_colour(name, position, colours)
        axes.plot([], [], linestyle="", marker=marker, color=colour, label=name)
    axes.set_yticks(range(len(rows)), [f"{row.name}\n{row.about}" for row in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlim(left=0)
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0, pad=9)
    axes.set_xlabel(f"{metric}, with 95% intervals over users")
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(-0.02, 1),
        ncols=max(int(look.width / _LEGEND_COLUMN), 1),
        handletextpad=0.1,
        columnspacing=1.2,
    )
    headline(figure, title, about, look)
    return figure
