"""A picture ready to be written or embedded."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from adrec_cli.models.registry import MODELS, find_facts
from adrec_cli.pictures.options import PictureOptions as PictureOptions
from adrec_cli.plots.style import USUAL, Look, render

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A picture.

    Attributes:
        name: of its files, without suffix.
        title, about: what it shows, and of which data and protocol.
        figure: to be drawn.
        look: it was drawn with.
        note: what cannot be written into it.
    """

    name: str
    title: str
    about: str
    figure: Figure
    look: Look = USUAL
    note: str = ""

    def encode(self, kind: str) -> bytes:
        """Return it as a file of one of `FORMATS`; equal pictures give equal bytes."""
        return render(self.figure, kind, look=self.look)

    def svg(self) -> bytes:
        """Return it as SVG; equal pictures give equal bytes."""
        return self.encode("svg")

    def png(self) -> bytes:
        """Return it as PNG for print."""
        return self.encode("png")


def display_name(model: str) -> str:
    """Return a model's name as its paper writes it."""
    return find_facts(model).title if model in MODELS else model


def model_colours(models: Iterable[str]) -> dict[str, str]:
    """Return the colours of those models that have one of their own, by their display names."""
    return {display_name(name): colour for name in models if name in MODELS and (colour := find_facts(name).colour)}
