"""Item vectors of several models on the plane, by t-SNE: whether they form groups, and of what."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from adrec_cli.errors import UsageError
from adrec_cli.plots.style import (
    CYCLE,
    GREY,
    MARKERS,
    PALE,
    USUAL,
    WIDTH,
    Look,
    apply_style,
    can_draw,
    headline,
    new_figure,
    shorten,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

Points = npt.NDArray[np.float32]

_PERPLEXITY = 30.0
_SHOWN_CATEGORIES = len(CYCLE)
_LONGEST_CATEGORY = 22
_LEGEND_COLUMN = 2.0
"""Inches that a category takes."""
_LEGEND_ROW, _CAPTION_ROW, _GAP = 0.22, 0.16, 0.12
"""Inches that a row of categories takes, a line of the grey text below them, and what is between."""
_LETTER = 0.07
"""Inches that a letter of the grey text takes."""


@dataclass(frozen=True, kw_only=True)
class EmbeddingMap:
    """A model's items on the plane.

    Attributes:
        name: of the model, and figures worth a line.
        points_N2: one row per item.
    """

    name: str
    points_N2: Points


def project(vectors_ND: npt.NDArray[Any], *, seed: int) -> Points:
    """Return the vectors on the plane by t-SNE, from their first two principal components; the same every time.

    Args:
        vectors_ND: of at least five items.
        seed: of t-SNE.

    Raises:
        UsageError: scikit-learn is not installed.
    """
    try:
        from sklearn.manifold import TSNE
        from threadpoolctl import threadpool_limits
    except ModuleNotFoundError as error:
        raise UsageError("t-SNE needs scikit-learn", hint="pip install 'adrec-cli[plots]'") from error
    perplexity = min(_PERPLEXITY, (len(vectors_ND) - 1) / 3)
    projection = TSNE(init="pca", perplexity=perplexity, random_state=seed, n_jobs=1)
    # Several threads add up in another order each time, and wait for each other on a busy machine.
    with threadpool_limits(1):
        points: Points = projection.fit_transform(np.ascontiguousarray(vectors_ND, dtype=np.float32))
    return points


@apply_style
def draw_by_category(
    maps: Sequence[EmbeddingMap], categories: Sequence[str | None], *, title: str, about: str, look: Look = USUAL
) -> Figure:
    """Draw the maps beside each other, the largest categories with a colour and a shape each.

    Args:
        maps: all of the same items.
        categories: of the items.
        title, about: headline, and the grey line below the picture.
        look: width, font, and whether there is the headline.
    """
    shown = rank_categories(categories)
    labels = np.array([shown.index(category) if category in shown else -1 for category in categories])
    entries = [(MARKERS[number], CYCLE[number], name) for number, name in enumerate(name_categories(shown, look))]
    entries += [("o", PALE, "other")] if bool((labels < 0).any()) else []
    columns = max(int(look.width / _LEGEND_COLUMN), 1)
    caption = textwrap.wrap(about, int(look.width / _LETTER))
    below = -(-len(entries) // columns) * _LEGEND_ROW + len(caption) * _CAPTION_ROW + _GAP
    figure, panels, foot = _panels(maps, look, below=below)
    for axes, each in zip(panels, maps, strict=True):
        rest_N2 = each.points_N2[labels < 0]
        axes.scatter(rest_N2[:, 0], rest_N2[:, 1], s=6, color=PALE, linewidths=0, rasterized=True)
        for number in range(len(shown)):
            chosen_N2 = each.points_N2[labels == number]
            axes.scatter(
                chosen_N2[:, 0], chosen_N2[:, 1], s=11, color=CYCLE[number], marker=MARKERS[number], linewidths=0,
                alpha=0.8, rasterized=True,
            )  # fmt: skip
    _draw_legend(foot, entries, columns)
    foot.text(0.01, 0.05 / below, "\n".join(caption), va="bottom", fontsize=8.5, color=GREY)
    headline(figure, title, "", look)
    return figure


def rank_categories(categories: Sequence[str | None]) -> list[str]:
    """Return the categories that have a colour of their own, those with most items first."""
    known = [category for category in categories if category]
    sizes = {category: known.count(category) for category in dict.fromkeys(known)}
    return sorted(sizes, key=lambda category: (-sizes[category], category))[:_SHOWN_CATEGORIES]


def name_categories(shown: Sequence[str], look: Look) -> list[str]:
    """Return what the legend calls categories: those that the fonts cannot write have a number."""
    return [
        shorten(name, _LONGEST_CATEGORY) if can_draw(name, look) else f"category {number}"
        for number, name in enumerate(shown, 1)
    ]


@apply_style
def draw_by_popularity(
    maps: Sequence[EmbeddingMap], counts: npt.NDArray[np.int64], *, title: str, about: str, look: Look = USUAL
) -> Figure:
    """Draw the maps beside each other, popular items dark, large and on top.

    Args:
        maps: all of the same items.
        counts: train events of the items.
        title, about: headline, and the grey line below the picture.
        look: width, font, and whether there is the headline.
    """
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap, LogNorm

    order = np.argsort(counts, kind="stable")
    size = 4 + 26 * np.log1p(counts[order]) / max(float(np.log1p(counts.max())), 1.0)
    figure, panels, _ = _panels(maps, look)
    norm = LogNorm(1, max(int(counts.max()), 2))
    # Without its yellow end, which is hardly seen on white.
    shades = ListedColormap(colormaps["viridis"](np.linspace(0.92, 0, 256)))
    drawn = None
    for axes, each in zip(panels, maps, strict=True):
        points_N2 = each.points_N2[order]
        drawn = axes.scatter(
            points_N2[:, 0], points_N2[:, 1], s=size, c=np.maximum(counts[order], 1), cmap=shades, norm=norm,
            linewidths=0, alpha=0.85, rasterized=True,
        )  # fmt: skip
    assert drawn is not None
    bar = figure.colorbar(drawn, ax=panels, shrink=0.6, aspect=30, pad=0.02)
    bar.ax.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    bar.set_label("train events of the item")
    headline(figure, title, about, look)
    return figure


def _panels(
    maps: Sequence[EmbeddingMap], look: Look, *, below: float = 0.0
) -> tuple[Figure, list[Axes], SubFigure | Figure]:
    """Return an empty figure, a panel for each map, and the part below them, of that height in inches."""
    columns = len(maps) if len(maps) in (1, 3) else 2
    rows = -(-len(maps) // columns)
    height = {1: 6.2, 2: 3.9, 3: 3.0}[columns] * rows * look.width / WIDTH + 0.9
    figure = new_figure(height + below, look)
    top: SubFigure | Figure = figure
    foot: SubFigure | Figure = figure
    if below:
        top, foot = figure.subfigures(2, 1, squeeze=False, height_ratios=[height, below])[:, 0]
    grid = list(top.subplots(rows, columns, squeeze=False).flat)
    for axes in grid[len(maps) :]:
        axes.set_visible(False)
    for axes, each in zip(grid, maps, strict=False):
        axes.set_title(each.name, fontsize=10 if columns < 3 else 9)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.set_aspect("equal", adjustable="datalim")
        for spine in axes.spines.values():
            spine.set_visible(True)
            spine.set_color(PALE)
    return figure, grid[: len(maps)], foot


def _draw_legend(foot: SubFigure | Figure, entries: Sequence[tuple[str, str, str]], columns: int) -> None:
    """Name each mark by shape, colour and category."""
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], linestyle="", marker=marker, color=colour, label=name) for marker, colour, name in entries
    ]
    foot.legend(handles=handles, loc="upper left", ncols=columns, handletextpad=0.2, columnspacing=1.2)
