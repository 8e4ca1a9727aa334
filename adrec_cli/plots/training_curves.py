"""Losses, the metric and the spread of item vectors over the time or the epochs of training, all stages on one line."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from adrec_cli.plots.style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    GROUND,
    ORANGE,
    PURPLE,
    USUAL,
    VERMILLION,
    Look,
    apply_style,
    headline,
    new_figure,
)
from adrec_cli.wording import say_count

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLOURS = {"ce": VERMILLION, "mse": PURPLE, "metric": BLUE, "rank": GREEN}
_PANEL_HEIGHT = 1.45


@dataclass(frozen=True, kw_only=True)
class StageCurve:
    """The epochs of a stage.

    Attributes:
        stage: name.
        seconds: each epoch took.
        losses: by name, one value per epoch.
        metric: monitored, one value per epoch; None where it was not validated.
        effective_rank: of the item vectors, one value per epoch; None where the log has none.
        kept_epoch: whose weights were handed on, from 1; 0 if none yet.
    """

    stage: str
    seconds: Sequence[float]
    losses: dict[str, Sequence[float]]
    metric: Sequence[float | None]
    effective_rank: Sequence[float | None]
    kept_epoch: int

    def __post_init__(self) -> None:
        lengths = {len(self.seconds), len(self.metric), len(self.effective_rank), *map(len, self.losses.values())}
        assert len(lengths) == 1, "every epoch has every value"


Ends = list[list[float]]
"""Where each epoch of each stage ends on the axis below, which begins at 0 with the first stage."""


def _measure_time(curves: Sequence[StageCurve]) -> tuple[Ends, str]:
    unit, name = _choose_unit(sum(sum(curve.seconds) for curve in curves))
    ends, now = [], 0.0
    for curve in curves:
        ends.append([now := now + seconds / unit for seconds in curve.seconds])
    return ends, f"{name} of training and validation"


def _choose_unit(seconds: float) -> tuple[float, str]:
    if seconds >= 3 * 3600:
        return 3600, "hours"
    return (60, "minutes") if seconds >= 180 else (1, "seconds")


def _count_epochs(curves: Sequence[StageCurve]) -> tuple[Ends, str]:
    ends, before = [], 0
    for curve in curves:
        ends.append([float(before + epoch) for epoch in range(1, len(curve.seconds) + 1)])
        before += len(curve.seconds)
    return ends, "epochs of all stages" if len(curves) > 1 else "epochs"


TIME: Final = "time"
AXES: Final[Mapping[str, Callable[[Sequence[StageCurve]], tuple[Ends, str]]]] = MappingProxyType(
    {TIME: _measure_time, "epochs": _count_epochs}
)
"""What curves can be drawn over: returns where epochs end, and what the axis is called."""


@apply_style
def draw_training_curves(
    curves: Sequence[StageCurve], *, title: str, about: str, monitor: str, over: str = TIME, look: Look = USUAL
) -> Figure:
    """Draw one panel for each loss, one for the metric and one for the effective rank.

    Args:
        curves: of stages with at least one epoch, in the order they ran.
        title, about: headline, and the grey line below the picture: data, protocol.
        look: width, font, and whether there is the headline.
        monitor: name of the metric.
        over: what the axis below says, of `AXES`.
    """
    losses = list(dict.fromkeys(name for curve in curves for name in curve.losses))
    ends, label = AXES[over](curves)
    figure = new_figure(_PANEL_HEIGHT * (len(losses) + 2) + 0.7, look)
    panels: list[Axes] = list(figure.subplots(len(losses) + 2, 1, sharex=True, squeeze=False)[:, 0])
    _shade_stages(panels, curves, ends)
    for name, axes in zip(losses, panels, strict=False):
        colour = _COLOURS.get(name, ORANGE)
        _draw_lines(axes, ends, [curve.losses.get(name, [None] * len(curve.seconds)) for curve in curves], colour)
        _name_panel(axes, f"training loss: {name}")
    _draw_lines(panels[-2], ends, [curve.metric for curve in curves], _COLOURS["metric"])
    _name_panel(panels[-2], f"validation: {monitor}")
    _mark_kept(panels[-2], curves, ends)
    _draw_lines(panels[-1], ends, [curve.effective_rank for curve in curves], _COLOURS["rank"])
    _name_panel(panels[-1], "effective rank of the item vectors")
    panels[-1].set_xlabel(label)
    headline(figure, title, about, look)
    return figure


def _name_panel(axes: Axes, name: str) -> None:
    axes.set_title(f"{name}, not from 0" if axes.get_ylim()[0] > 0 else name)


def _draw_lines(axes: Axes, ends: Ends, values: Sequence[Sequence[float | None]], colour: str) -> None:
    for each, series in zip(ends, values, strict=True):
        points = [(end, value) for end, value in zip(each, series, strict=True) if value is not None]
        if points:
            few = len(points) < 30
            axes.plot(
                *zip(*points, strict=True), color=colour, marker="o" if few else "", markersize=3.5, clip_on=False
            )
    axes.margins(y=0.12)


def _shade_stages(panels: Sequence[Axes], curves: Sequence[StageCurve], ends: Ends) -> None:
    """Give every second stage a ground, and every stage its name above the first panel."""
    starts = [0.0, *(each[-1] for each in ends[:-1])]
    total = ends[-1][-1]
    for number, (curve, start, each) in enumerate(zip(curves, starts, ends, strict=True)):
        for axes in panels:
            axes.axvspan(start, each[-1], color=GROUND if number % 2 else "white", lw=0, zorder=0)
            if number:
                axes.axvline(start, color=GREY, lw=0.8, zorder=1)
        epochs = f"{say_count(len(curve.seconds), 'epoch')}" if len(curve.seconds) > 1 else "1 epoch"
        narrow = (each[-1] - start) / total < 0.22
        panels[0].annotate(
            curve.stage if narrow else f"{curve.stage}, {epochs}",
            ((start + each[-1]) / 2, 1.0),
            xycoords=panels[0].get_xaxis_transform(),
            xytext=(0, 20),
            textcoords="offset points",
            ha="center",
            va="bottom",
            fontsize=9.5,
            color=BLACK,
        )
    for axes in panels:
        axes.set_xlim(0, total * 1.005)


def _mark_kept(axes: Axes, curves: Sequence[StageCurve], ends: Ends) -> None:
    """Mark and write the value of the epoch each stage hands on."""
    for curve, each in zip(curves, ends, strict=True):
        value = curve.metric[curve.kept_epoch - 1] if 0 < curve.kept_epoch <= len(each) else None
        if value is None:
            continue
        x = each[curve.kept_epoch - 1]
        early = x < 0.12 * ends[-1][-1]
        axes.plot([x], [value], marker="*", markersize=11, color=BLACK, zorder=5, clip_on=False)
        axes.annotate(
            f"{value:.4f}",
            (x, value),
            xytext=(7 if early else -6, -7),
            textcoords="offset points",
            ha="left" if early else "right",
            va="top",
            fontsize=9,
            color=BLACK,
            bbox={"facecolor": "white", "alpha": 0.75, "linewidth": 0, "pad": 0.8},
        )
