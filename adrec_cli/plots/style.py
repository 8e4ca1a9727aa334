"""How every picture looks, and how it becomes bytes: legible in print and to colour-blind readers, the same every time.

The colours are those of Okabe and Ito 2008, and viridis for quantities. Nothing is distinguished by colour alone.
"""

from __future__ import annotations

import difflib
import functools
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from adrec_cli.errors import UsageError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"
BLACK, GREY, PALE, GROUND = "#222222", "#6E6E6E", "#D9D9D9", "#EEF3F7"
CYCLE = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, BLACK)
NO_COLOURS: Mapping[str, str] = MappingProxyType({})
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
DASHES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1, 1, 1)), (0, (1, 1)))

WIDTH = 8.0
"""Inches."""
_FONT = "DejaVu Sans"
_PRINT_DPI = 200

_STYLE: Any = {
    "font.family": _FONT,
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.labelsize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "axes.axisbelow": True,
    "axes.grid": True,
    # A number that all ticks lack, beside the axis, is overlooked.
    "axes.formatter.useoffset": False,
    "grid.color": "#E4E4E4",
    "grid.linewidth": 0.8,
    "xtick.color": BLACK,
    "ytick.color": BLACK,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "legend.fontsize": 9,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "figure.facecolor": "white",
    "text.parse_math": False,
    # Letters as outlines look the same everywhere; a fixed salt makes the same ids every time.
    "svg.fonttype": "path",
    "svg.hashsalt": "adrec",
    # Type 3, the default, is refused by journals.
    "pdf.fonttype": 42,
}

_METADATA: Mapping[str, dict[str, Any]] = MappingProxyType(
    {
        "png": {"Software": None},
        "svg": {"Date": None, "Creator": None},
        "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    }
)
"""What matplotlib is not to write into a file of each format: when it was made, and by which version."""
FORMATS = tuple(_METADATA)


@dataclass(frozen=True, kw_only=True)
class Look:
    """What may differ from picture to picture, as papers want it.

    Attributes:
        width: inches; at 100 dots an inch a picture of the usual width is 800 pixels wide.
        font: family; letters that it lacks, and everything where it is None, are of DejaVu Sans.
        titled: has its headline.
    """

    width: float = WIDTH
    font: str | None = None
    titled: bool = True


USUAL = Look()

P = ParamSpec("P")
R = TypeVar("R")


def apply_style(draw: Callable[P, R]) -> Callable[P, R]:
    """Make a function draw in the style of all pictures; a figure it returns has its layout settled.

    A `look` it is called with gives the font. The function raises `UsageError` where matplotlib is not installed.
    """

    @functools.wraps(draw)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            import matplotlib
        except ModuleNotFoundError as error:
            raise _missing() from error
        with matplotlib.rc_context():
            # Whatever the user's own matplotlibrc says.
            matplotlib.rcdefaults()
            matplotlib.rcParams.update(_STYLE)
            look = kwargs.get("look", USUAL)
            if isinstance(look, Look) and look.font is not None:
                matplotlib.rcParams["font.family"] = [look.font, _FONT]
            result = draw(*args, **kwargs)
            _settle(result)
            return result

    return wrapper


def _missing() -> UsageError:
    return UsageError("pictures need matplotlib", hint="pip install 'adrec-cli[plots]'")


def _settle(result: object) -> None:
    """Lay a figure out for good: each drawing would move it a little, and what is written depend on the one before."""
    from matplotlib.figure import Figure

    if isinstance(result, Figure):
        for _ in range(2):
            result.draw_without_rendering()
        result.set_layout_engine("none")


def new_figure(height: float, look: Look) -> Figure:
    """Return an empty figure of the height in inches; no window and no global state belong to it."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(look.width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


@apply_style
def render(figure: Figure, kind: str, *, look: Look = USUAL) -> bytes:
    """Return a figure as the bytes of a file; equal figures give equal bytes.

    Args:
        figure: as a `draw_` function of this package returns it.
        kind: one of `FORMATS`; "png" with 200 dots an inch, for print.
        look: it was drawn with.
    """
    content = io.BytesIO()
    figure.savefig(content, format=kind, dpi=_PRINT_DPI, metadata=_METADATA[kind])
    return content.getvalue()


def model_colour(name: str, position: int, colours: Mapping[str, str]) -> str:
    """Return the colour of a model, the same in all pictures; one without its own takes one by its position."""
    return colours.get(name) or CYCLE[position % len(CYCLE)]


def headline(figure: Figure, title: str, about: str, look: Look) -> None:
    """Write what a picture shows, unless it has no title, and, in grey at its foot, of which data and protocol."""
    if look.titled:
        figure.suptitle(title, x=0.01, ha="left", fontsize=12.5, fontweight="bold", color=BLACK, wrap=True)
    if about:
        figure.supxlabel(about, x=0.01, ha="left", fontsize=8.5, color=GREY, wrap=True)


def require_font(family: str) -> None:
    """Check that there is a font.

    Raises:
        UsageError: there is none, or matplotlib is not installed.
    """
    try:
        from matplotlib import font_manager
    except ModuleNotFoundError as error:
        raise _missing() from error
    try:
        font_manager.findfont(font_manager.FontProperties(family=family), fallback_to_default=False)
    except ValueError as error:
        there = sorted({font.name for font in font_manager.fontManager.ttflist})
        near = difflib.get_close_matches(family, there, n=3) or ["DejaVu Serif", "STIXGeneral"]
        raise UsageError(f"there is no font {family!r}", hint=f"for example {', '.join(near)}") from error


@functools.cache
def _drawable_characters(family: str) -> frozenset[int]:
    from matplotlib import font_manager

    font = font_manager.get_font(font_manager.findfont(family))
    return frozenset(font.get_charmap())


def can_draw(text: str, look: Look = USUAL) -> bool:
    """Return whether the fonts of a picture have all characters of a text, and it has any."""
    return bool(text) and all(
        ord(char) in _drawable_characters(_FONT) or (look.font and ord(char) in _drawable_characters(look.font))
        for char in text
    )


def shorten(text: str, length: int) -> str:
    """Return text cut to a length, an ellipsis included."""
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"
