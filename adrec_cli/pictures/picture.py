"""A picture ready to be written or embedded."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from adrec_cli.errors import UsageError
from adrec_cli.models.registry import MODELS, find_facts
from adrec_cli.plots.style import render

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A picture.

    Attributes:
        name: of its files, without suffix.
        title, about: what it shows, and of which data and protocol.
        figure: to be drawn.
    """

    name: str
    title: str
    about: str
    figure: Figure

    def svg(self) -> bytes:
        """Return it as SVG; equal pictures give equal bytes."""
        return render(self.figure, "svg")

    def png(self) -> bytes:
        """Return it as PNG for print."""
        return render(self.figure, "png")


@dataclass(frozen=True, kw_only=True)
class PictureOptions:
    """What pictures show.

    Attributes:
        metric: of sweeps, slices and steps; None takes the one that was monitored, or ndcg@10.
        items: largest number of points on a map of item vectors.
        seed: of t-SNE and of the noise to compare with.
        steps: files with what `adrec evaluate --steps 1,2,4 --json` printed.
    """

    metric: str | None = None
    items: int = 2000
    seed: int = 0
    steps: tuple[Path, ...] = ()

    def __post_init__(self) -> None:
        if self.items < 1:
            raise UsageError(f"items must be at least 1, got {self.items}")


def display_name(model: str) -> str:
    """Return a model's name as its paper writes it."""
    return find_facts(model).title if model in MODELS else model


def model_colours(models: Iterable[str]) -> dict[str, str]:
    """Return the colours of those models that have one of their own, by their display names."""
    return {display_name(name): colour for name in models if name in MODELS and (colour := find_facts(name).colour)}
