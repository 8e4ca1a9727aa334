"""What pictures show: what a user can choose."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from adrec_cli.choices import choice, require_allowed
from adrec_cli.errors import UsageError
from adrec_cli.plots.style import FORMATS, WIDTH, Look, require_font
from adrec_cli.plots.training_curves import AXES, TIME
from adrec_cli.wording import command

_USUAL_FORMATS = ("png", "svg")


@dataclass(frozen=True, kw_only=True)
class PictureOptions:
    """What pictures show.

    Attributes:
        metric: of sweeps, slices and steps; None takes the one that was monitored, or ndcg@10.
        items: largest number of points on a map of item vectors.
        seed: of t-SNE and of the noise to compare with.
        over: what curves are drawn over: the time they took, or epochs.
        formats: of the files, of `FORMATS`; none: PNG and SVG.
        width: of pictures, in inches.
        font: family; None takes DejaVu Sans.
        title: pictures have their headlines.
        steps: files with what `adrec evaluate --steps 1,2,4 --json` printed.
    """

    metric: str | None = choice(
        None,
        str,
        "Metric of sweeps, slices and steps. [default: ndcg@10 or the monitored one]",
        metavar="METRIC",
    )
    items: int = choice(2000, int, "Maximum number of points on a map of item vectors.", metavar="N", least=8)
    seed: int = choice(0, int, "Seed of t-SNE and of the noise.", metavar="N")
    over: str = choice(
        TIME,
        str,
        "Axis of training curves: the time they took, or epochs.",
        known=tuple(AXES),
        closed=True,
    )
    steps: tuple[Path, ...] = choice(
        (),
        list[Path],
        f"Output of {command('evaluate', 'finetune', steps='1,2,4', json=True)}; repeatable.",
        metavar="FILE",
    )

    formats: tuple[str, ...] = choice(
        (),
        list[str],
        "Format of the files, for example pdf for a paper; repeatable. [default: png and svg]",
        key="format",
        metavar="|".join(FORMATS),
        known=FORMATS,
    )
    width: float = choice(WIDTH, float, "Width in inches.", metavar="INCHES", least=5, most=40)
    font: str | None = choice(
        None, str, "Font family; letters it lacks come from DejaVu Sans. [default: DejaVu Sans]", metavar="FAMILY"
    )
    title: bool = choice(
        True, bool, "Write the headline; the line about data and protocol stays without it.", can_be_off=True
    )

    def __post_init__(self) -> None:
        require_allowed(self)
        if unknown := [name for name in self.formats if name not in FORMATS]:
            raise UsageError(f"unknown format {unknown[0]!r} of pictures", hint=f"one of: {', '.join(FORMATS)}")

    @property
    def written_formats(self) -> list[str]:
        """Formats of the files, in the order of `FORMATS`."""
        return [kind for kind in FORMATS if kind in (self.formats or _USUAL_FORMATS)]

    def require_font(self) -> None:
        """Check that there is the font, if one is named.

        Raises:
            UsageError: there is none, or matplotlib is not installed.
        """
        if self.font is not None:
            require_font(self.font)

    @property
    def look(self) -> Look:
        """How pictures look."""
        return Look(width=self.width, font=self.font, titled=self.title)
