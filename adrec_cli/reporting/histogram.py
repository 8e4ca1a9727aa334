"""Histograms as SVG that takes the page's colours, so that it is legible on light, dark and paper."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from adrec_cli.pages.markup import Html, element

_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP = 360, 190, 44, 34, 14
_BARS = 24


@dataclass(frozen=True, kw_only=True)
class Bins:
    """How many values lie in each bin.

    Attributes:
        edges: one more than counts, ascending; a bin holds its lower edge and not its upper one.
        counts: of each bin.
        log: the bins are equally wide on a logarithmic scale.
    """

    edges: Sequence[int]
    counts: Sequence[int]
    log: bool


def bin_values(values: npt.NDArray[np.integer]) -> Bins:
    """Return bins of whole numbers that are not negative; logarithmic ones where the values reach far."""
    top = int(values.max()) if len(values) else 0
    low = int(values.min()) if len(values) else 0
    log = top >= 20 * max(float(np.median(values)) if len(values) else 0.0, 1.0)
    if log:
        wanted = np.geomspace(max(low, 1), top + 1, _BARS + 1)
        edges = np.unique(np.concatenate([[low], np.ceil(wanted).astype(np.int64), [top + 1]]))
    else:
        step = max(1, -(-(top + 1 - low) // _BARS))
        edges = np.arange(low, top + 1 + step, step)
    counts, _ = np.histogram(values, bins=edges)
    return Bins(edges=edges.tolist(), counts=counts.tolist(), log=log)


def histogram(values: npt.NDArray[np.integer], *, title: str, axis: str) -> Html:
    """Return a histogram of whole numbers.

    Args:
        values: at least one.
        title: what a screen reader says of it.
        axis: what the values are.
    """
    bins = bin_values(values)
    inner_width, inner_height = _WIDTH - _LEFT - 8, _HEIGHT - _BOTTOM - _TOP
    places = _places(bins, inner_width)
    most = max(bins.counts)
    bars = []
    for number, count in enumerate(bins.counts):
        height = inner_height * count / most
        left, right = places[number], places[number + 1]
        tip = element("title", f"{_range(bins.edges[number], bins.edges[number + 1])}: {count:,}")
        bars.append(
            element(
                "path",
                tip,
                d=f"M{_LEFT + left:.1f} {_TOP + inner_height}V{_TOP + inner_height - height:.1f}"
                f"H{_LEFT + max(right - 1, left + 0.5):.1f}V{_TOP + inner_height}Z",
                class_="bar",
            )
        )
    return element(
        "svg", element("title", title), *bars, *_frame(bins, places, most, axis), view_box=f"0 0 {_WIDTH} {_HEIGHT}",
        role="img", class_="histogram",
    )  # fmt: skip


def _places(bins: Bins, width: float) -> list[float]:
    """Return where each edge lies, from 0 to the width."""
    edges = np.array(bins.edges, dtype=np.float64)
    scaled = np.log(np.maximum(edges, 0.5)) if bins.log else edges
    placed: list[float] = ((scaled - scaled[0]) / (scaled[-1] - scaled[0]) * width).tolist()
    return placed


def _frame(bins: Bins, places: Sequence[float], most: int, axis: str) -> list[Html]:
    ground = _HEIGHT - _BOTTOM
    marks = [
        element("path", d=f"M{_LEFT} {ground}H{_WIDTH - 8}", class_="axis"),
        element("text", f"{most:,}", x=_LEFT - 5, y=_TOP + 8, class_="tick end"),
        element("text", "0", x=_LEFT - 5, y=ground, class_="tick end"),
        element("text", axis + (", logarithmic" if bins.log else ""), x=_LEFT, y=_HEIGHT - 4, class_="tick name"),
    ]
    taken = -100.0
    for edge, place in zip(bins.edges[:-1], places, strict=False):
        if place - taken >= 42:
            marks.append(element("text", f"{edge:,}", x=f"{_LEFT + place:.1f}", y=ground + 13, class_="tick"))
            taken = place
    return marks


def _range(low: int, high: int) -> str:
    return f"{low:,}" if high - low == 1 else f"{low:,}–{high - 1:,}"
