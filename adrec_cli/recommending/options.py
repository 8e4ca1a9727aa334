"""What a user can choose when asking for recommendations."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from adrec_cli.choices import choice as _choice
from adrec_cli.choices import embed, require_allowed
from adrec_cli.errors import UsageError
from adrec_cli.models.sampling import Sampling
from adrec_cli.ranking.samples import SINGLE, Merging
from adrec_cli.recommending.item_choice import ITEMS, ItemChoice
from adrec_cli.runtime import device_choice, threads_choice
from adrec_cli.wording import option

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


MAX_K: Final = 10_000


def _read_caps(texts: list[str]) -> tuple[tuple[str, int], ...]:
    """Read `category=3`.

    Raises:
        UsageError: not of this form.
    """
    pairs = []
    for text in texts:
        column, sign, count = text.rpartition("=")
        if not sign or not column or not count.isdecimal():
            raise UsageError(f"{option('max_per')} {text!r} is not a COLUMN=N", hint="for example category=3")
        pairs.append((column, int(count)))
    return tuple(pairs)


@dataclass(frozen=True, kw_only=True)
class Diversity:
    """What lists are to have besides high scores.

    Attributes:
        weight: of unlikeness against the score, in [0, 1); 0 leaves lists as they are.
        most: by column of the items, of how many items of one value a list may have at most.
    """

    weight: float = _choice(
        0.0,
        float,
        "Weight of dissimilarity to the items above in the list, from 0 to below 1.",
        key="diversify",
        metavar="X",
        panel=ITEMS,
    )
    most: tuple[tuple[str, int], ...] = _choice(
        (),
        list[str],
        "Maximum number of items per list that share a value, such as category=3; repeatable.",
        key="max_per",
        read=_read_caps,
        metavar="COLUMN=N",
        panel=ITEMS,
    )

    def __post_init__(self) -> None:
        if not 0 <= self.weight < 1:
            raise UsageError(f"{option('diversify')} must be in [0, 1), got {self.weight}")
        for column, count in self.most:
            if count < 1:
                raise UsageError(
                    f"{option('max_per')} {column}={count}: at least 1 of each", hint="for example category=3"
                )

    @property
    def asked(self) -> bool:
        """Whether lists are to be other than the best scores."""
        return bool(self.weight or self.most)


AS_SCORED: Final = Diversity()
"""The best scores, whatever they are of."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is asked of a recommender, for all histories alike.

    Attributes:
        k, include_seen, sampling, merging, candidates: as `Recommender.rank`.
        diversity: of the lists.
    """

    k: int
    include_seen: bool
    sampling: Sampling
    merging: Merging = SINGLE
    candidates: npt.NDArray[np.int64] | None = None
    diversity: Diversity = AS_SCORED


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
        exact: score all items, also where the promoted model has an index.
        device, threads: to compute on.
    """

    k: int = _choice(10, int, "Number of items per user.", metavar="K", least=1, most=MAX_K, usual=True)
    include_seen: bool = _choice(
        False, bool, "Whether items of the history may be recommended again.", can_be_off=True, usual=True
    )
    explain: bool = _choice(
        False, bool, "Show for each item which items of the history moved its score most.", usual=True
    )
    choice: ItemChoice = embed(ItemChoice())
    new_items: Path | None = _choice(
        None,
        Path,
        "File of items that came after the training, for models with content.",
        metavar="FILE",
        panel=ITEMS,
    )
    diversity: Diversity = embed(AS_SCORED)
    sampling: Sampling = embed(Sampling())
    merging: Merging = embed(SINGLE)
    exact: bool = _choice(False, bool, "Score all items, even if the promoted model has an index.", panel=ITEMS)
    device: str = device_choice()
    threads: int | None = threads_choice()

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
        require_allowed(self)
