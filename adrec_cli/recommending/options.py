"""What a user can choose when asking for recommendations."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from adrec_cli.errors import UsageError
from adrec_cli.models.sampling import Sampling
from adrec_cli.ranking.samples import SINGLE, Merging
from adrec_cli.recommending.diversity import AS_SCORED, Diversity, Wanted
from adrec_cli.recommending.item_choice import ItemChoice
from adrec_cli.wording import option

MAX_K = 10_000


@dataclass(frozen=True, kw_only=True)
class RecommendOptions:
    """What to recommend.

    Attributes:
        k: items a user; fewer come back where fewer are left.
        include_seen: items of the history may come back.
        choice: which items may come back at all.
        new_items: file of items that came after the training, which may come back too.
        diversity: what lists are to have besides high scores.
        explain: say of each item what moved its score; of few people, not of a batch.
        sampling: of a diffusion model.
        merging: how many samples, and how they become one list.
        device, threads: to compute on.
    """

    k: int = 10
    include_seen: bool = False
    choice: ItemChoice = field(default_factory=ItemChoice)
    new_items: Path | None = None
    diversity: Diversity = AS_SCORED
    explain: bool = False
    sampling: Sampling = field(default_factory=Sampling)
    merging: Merging = SINGLE
    device: str = "auto"
    threads: int | None = None

    def files(self) -> list[Path]:
        """Return the files that are read."""
        files = (self.choice.candidates, self.choice.excluded, self.new_items)
        return [path for path in files if path is not None]

    def restrict_to(self, candidates: npt.NDArray[np.int64] | None) -> Wanted:
        """Return what is asked of a recommender, of these candidates alone; None allows all."""
        return Wanted(
            k=self.k,
            include_seen=self.include_seen,
            sampling=self.sampling,
            merging=self.merging,
            candidates=candidates,
            diversity=self.diversity,
        )

    def __post_init__(self) -> None:
        if not 1 <= self.k <= MAX_K:
            raise UsageError(f"{option('k')} must be between 1 and {MAX_K:,}, got {self.k}")
