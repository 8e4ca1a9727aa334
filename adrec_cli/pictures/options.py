"""What pictures show: what a user can choose."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from adrec_cli.choices import choice, require_allowed
from adrec_cli.wording import command


@dataclass(frozen=True, kw_only=True)
class PictureOptions:
    """What pictures show.

    Attributes:
        metric: of sweeps, slices and steps; None takes the one that was monitored, or ndcg@10.
        items: largest number of points on a map of item vectors.
        seed: of t-SNE and of the noise to compare with.
        steps: files with what `adrec evaluate --steps 1,2,4 --json` printed.
    """

    metric: str | None = choice(
        None,
        str,
        "Metric of sweeps, slices and steps [default: ndcg@10 or the monitored one].",
        metavar="METRIC",
    )
    items: int = choice(2000, int, "Maximum number of points on a map of item vectors.", metavar="N", least=8)
    seed: int = choice(0, int, "Seed of t-SNE and of the noise.", metavar="N")
    steps: tuple[Path, ...] = choice(
        (),
        list[Path],
        f"Output of {command('evaluate', 'finetune', steps='1,2,4', json=True)}; repeatable.",
        metavar="FILE",
    )

    def __post_init__(self) -> None:
        require_allowed(self)
