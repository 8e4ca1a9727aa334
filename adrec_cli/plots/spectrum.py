"""The singular values of item vectors: how quickly they fall is how few directions the vectors use."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from adrec_cli.plots.line_labels import LineEnd, label_lines
from adrec_cli.plots.style import DASHES, GREY, NO_COLOURS, USUAL, Look, apply_style, headline, model_colour, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NOISE = "noise"
_LOWEST_SHOWN = 1e-4


@dataclass(frozen=True, kw_only=True)
class Spectrum:
    """Singular values of a model's item vectors.

    Attributes:
        name: of the model, or `NOISE`.
        singular_values: of the standardized vectors, largest first.
        items: V.
        effective_rank: of the vectors as they are; 1 to the width.
    """

    name: str
    singular_values: Sequence[float]
    items: int
    effective_rank: float


@apply_style
def draw_spectrum(
    spectra: Sequence[Spectrum], *, title: str, about: str, colours: Mapping[str, str] = NO_COLOURS, look: Look = USUAL
) -> Figure:
    """Draw every model's singular values over their number, on a logarithmic scale; a ball would lie at 1.

    Args:
        spectra: at least one.
        title, about: headline, and the grey line below the picture.
        look: width, font, and whether there is the headline.
        colours: of models that have their own.
    """
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    figure = new_figure(4.6, look)
    axes = figure.subplots()
    axes.set_yscale("log")
    ends = []
    for position, spectrum in enumerate(spectra):
        is_noise = spectrum.name == NOISE
        colour = GREY if is_noise else model_colour(spectrum.name, position, colours)
        heights = [max(value / math.sqrt(spectrum.items), _LOWEST_SHOWN) for value in spectrum.singular_values]
        numbers = range(1, len(heights) + 1)
        dash = (0, (1, 1.5)) if is_noise else DASHES[position % len(DASHES)]
        axes.plot(numbers, heights, color=colour, linestyle=dash)
        text = f"{spectrum.name}, {spectrum.effective_rank:.0f}"
        ends.append(LineEnd(x=len(heights), y=heights[-1], text=text, colour=colour))
    lowest = min(end.y for end in ends)
    axes.set_ylim(bottom=max(lowest * 0.8, _LOWEST_SHOWN))
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_xlim(1, max(len(spectrum.singular_values) for spectrum in spectra))
    axes.set_xlabel("number of the direction, strongest first")
    axes.set_ylabel("singular value / √items")
    axes.set_title("model, effective rank", loc="right", fontsize=9, fontweight="normal", color=GREY)
    headline(figure, title, about, look)
    label_lines(axes, ends)
    return figure
