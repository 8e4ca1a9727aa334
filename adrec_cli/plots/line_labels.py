"""Names of lines, written where the lines end instead of into a legend."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LINE_HEIGHT = 1.3


@dataclass(frozen=True, kw_only=True)
class LineEnd:
    """Where a line ends and what it is called; x and y in the units of the data."""

    x: float
    y: float
    text: str
    colour: str


def label_lines(axes: Axes, ends: list[LineEnd], *, fontsize: float = 9) -> None:
    """Write each line's name right of the axes at the height of its end, moved apart where they would overlap.

    To be called last, when limits and scales are set.
    """
    figure = axes.get_figure(root=True)
    assert figure is not None
    figure.draw_without_rendering()
    height_points = axes.get_window_extent().height * 72 / figure.dpi
    step = fontsize * _LINE_HEIGHT / height_points
    to_axes = axes.transData + axes.transAxes.inverted()
    wanted = [float(to_axes.transform((end.x, end.y))[1]) for end in ends]
    for end, place in zip(ends, spread(wanted, step), strict=True):
        axes.annotate(
            end.text,
            xy=(end.x, end.y),
            xytext=(1.03, place),
            textcoords=axes.transAxes,
            color=end.colour,
            fontsize=fontsize,
            fontweight="bold",
            va="center",
            annotation_clip=False,
            arrowprops={
                "arrowstyle": "-", "color": end.colour, "lw": 0.7, "alpha": 0.6, "relpos": (0, 0.5),
                "shrinkA": 1, "shrinkB": 2,
            },
        )  # fmt: skip


def spread(wanted: list[float], step: float) -> list[float]:
    """Return places at least `step` apart, in the order and as near to those wanted as that allows, within 0 and 1.

    Source: pool-adjacent-violators, the least-squares solution.
    """
    order = sorted(range(len(wanted)), key=lambda number: wanted[number])
    blocks: list[tuple[float, int]] = []
    for place, number in enumerate(order):
        blocks.append((wanted[number] - place * step, 1))
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            (mean, count), (other, more) = blocks.pop(), blocks.pop()
            blocks.append(((mean * count + other * more) / (count + more), count + more))
    bases = [mean for mean, count in blocks for _ in range(count)]
    highest = max(1 - (len(wanted) - 1) * step, 0)
    places = [0.0] * len(wanted)
    for place, number in enumerate(order):
        places[number] = min(max(bases[place], 0), highest) + place * step
    return places
