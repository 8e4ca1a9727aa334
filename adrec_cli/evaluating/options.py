"""What an evaluation ranks, and how."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from adrec_cli.choices import choice, embed, require_allowed
from adrec_cli.errors import UsageError
from adrec_cli.models.sampling import RANKING, Sampling
from adrec_cli.ranking.samples import SINGLE, Merging
from adrec_cli.runtime import device_choice, threads_choice
from adrec_cli.wording import option


@dataclass(frozen=True, kw_only=True)
class EvaluationOptions:
    """What to rank and how.

    Attributes:
        part: "test" or "valid".
        negatives: number drawn to rank against; 0 ranks against the whole catalogue.
        negatives_file: in ReChorus's form, instead of drawing.
        negatives_name: what reports call that file; its own name if "".
        mask_seen: items of the history do not compete; off, as in the paper.
        protocol: "all" targets, or "cold-items", those that never occur in train among themselves.
        sampling: of a diffusion model.
        merging: how many samples, and how they become one list.
        beyond_accuracy: also look at the lists of recommendations, which takes about as long again.
        seed: of drawn negatives.
        device, threads: to compute on.
    """

    part: str = choice(
        "test", str, "Held-out items to rank: valid or test.", metavar="test|valid", known=("test", "valid"), usual=True
    )
    negatives: int = choice(
        0,
        str,
        "Items to rank against: N drawn ones, those of a file in ReChorus's form, or published ones, such as "
        "grocery:test. [default: the whole catalogue]",
        read=int,
        metavar="N|FILE|NAME:PART",
        least=0,
        panel=RANKING,
        usual=True,
    )
    negatives_file: Path | None = None
    negatives_name: str = ""
    mask_seen: bool = choice(
        False, bool, "Exclude items of the history from ranking; the paper does not.", panel=RANKING
    )
    protocol: str = choice(
        "all",
        str,
        "Targets to rank: all, or only items that never occur in train, among such items alone.",
        panel=RANKING,
        known=("all", "cold-items"),
        closed=True,
    )
    sampling: Sampling = embed(Sampling())
    merging: Merging = embed(SINGLE)
    beyond_accuracy: bool = choice(
        False, bool, "Report coverage, Gini, novelty, popularity and diversity of the lists too.", usual=True
    )
    seed: int = choice(0, int, "Seed of drawn items and of sampling noise.", metavar="N", usual=True)
    device: str = device_choice()
    threads: int | None = threads_choice()

    def __post_init__(self) -> None:
        if self.negatives and self.negatives_file:
            raise UsageError("negatives are either drawn or read from a file, not both")
        if self.mask_seen and self.negatives_file:
            raise UsageError(
                f"{option('mask_seen')} belongs to ranking against all items; "
                f"{self.negatives_file} already says which items compete",
                hint=f"leave out {option('mask_seen')}, or leave out {option('negatives')} to rank against all",
            )
        if self.mask_seen and self.negatives:
            raise UsageError(
                f"{option('mask_seen')} belongs to ranking against all items; drawn negatives are unseen already",
                hint=f"leave out {option('mask_seen')}, or leave out {option('negatives')} to rank against all",
            )
        require_allowed(self)
        if self.cold_items and (self.negatives or self.negatives_file or self.mask_seen or self.beyond_accuracy):
            raise UsageError(
                f"{option('protocol', 'cold-items')} ranks items that never occur in train among themselves alone",
                hint=f"leave out {option('negatives')}, {option('mask_seen')} and {option('beyond_accuracy')}",
            )
        if self.beyond_accuracy and (self.negatives or self.negatives_file):
            raise UsageError(
                f"{option('beyond_accuracy')} looks at lists from the whole catalogue",
                hint=f"leave out {option('negatives')}",
            )

    @property
    def cold_items(self) -> bool:
        """Whether items that never occur in train are ranked among themselves."""
        return self.protocol == "cold-items"

    @property
    def sampled(self) -> dict[str, Any]:
        """How vectors come about, as reports tell it."""
        return {**asdict(self.sampling), **asdict(self.merging)}
