"""What an evaluation ranks, and how."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from adrec_cli.artifacts.atomic import file_sha256
from adrec_cli.config import require_one_of
from adrec_cli.data.negatives import read_negatives
from adrec_cli.errors import UsageError
from adrec_cli.experiments.events import OnEvent, Warned, ignore
from adrec_cli.loading.opening import (
    Dataset,
)
from adrec_cli.models.base import Sampling
from adrec_cli.ranking.merging import SINGLE, Merging
from adrec_cli.ranking.protocols import Cases, Protocol, cold_cases, held_out_cases
from adrec_cli.ranking.rivals import Rivals, cold_rivals, draw_negatives
from adrec_cli.schema import COUNT
from adrec_cli.wording import option

PROTOCOLS = ("all", "cold-items")
ROOMY = 10
"""With this many times more items than negatives, drawing with replacement makes no noticeable difference."""


@dataclass(frozen=True, kw_only=True)
class EvaluationOptions:
    """What to rank and how.

    Attributes:
        part: "test" or "valid".
        negatives: number drawn to rank against; 0 ranks against the whole catalogue.
        negatives_file: in ReChorus's form, instead of drawing.
        negatives_name: what reports call that file; its own name if "".
        mask_seen: items of the history do not compete; off, as in the paper.
        protocol: one of `PROTOCOLS`: "all" targets, or "cold-items", those that never occur in train among themselves.
        sampling: of a diffusion model.
        merging: how many samples, and how they become one list.
        beyond_accuracy: also look at the lists of recommendations, which takes about as long again.
        seed: of drawn negatives.
        device, threads: to compute on.
    """

    part: str = "test"
    negatives: int = 0
    negatives_file: Path | None = None
    negatives_name: str = ""
    mask_seen: bool = False
    protocol: str = "all"
    sampling: Sampling = field(default_factory=Sampling)
    merging: Merging = SINGLE
    beyond_accuracy: bool = False
    seed: int = 0
    device: str = "auto"
    threads: int | None = None

    def __post_init__(self) -> None:
        if self.negatives and self.negatives_file:
            raise UsageError("negatives are either drawn or read from a file, not both")
        if self.mask_seen and self.negatives_file:
            raise UsageError(
                f"{option('mask_seen')} belongs to ranking against all items; "
                f"{self.negatives_file} says itself which compete",
                hint=f"leave out {option('mask_seen')}, or leave out {option('negatives')} to rank against all",
            )
        if self.mask_seen and self.negatives:
            raise UsageError(
                f"{option('mask_seen')} belongs to ranking against all items; drawn negatives are unseen already",
                hint=f"leave out {option('mask_seen')}, or leave out {option('negatives')} to rank against all",
            )
        require_one_of(self, "protocol", PROTOCOLS)
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


def name_protocol(dataset: Dataset, options: EvaluationOptions, negatives: int) -> Protocol:
    """Return the protocol of options with this number of negatives."""
    file = options.negatives_file
    source = f"drawn with seed {options.seed}" if file is None else options.negatives_name or file.name
    return Protocol(
        split=dataset.split, part=options.part, negatives=negatives, negatives_source=source,
        mask_seen=options.mask_seen, cold_items=options.cold_items,
    )  # fmt: skip


def cases_of(dataset: Dataset, options: EvaluationOptions) -> Cases:
    """Return the held-out events that are ranked.

    Raises:
        InputError: there is none.
    """
    cases = held_out_cases(dataset.sequences, options.part)
    return cold_cases(cases, _train_counts(dataset)) if options.cold_items else cases


def choose_rivals(dataset: Dataset, cases: Cases, options: EvaluationOptions, on_event: OnEvent = ignore) -> Rivals:
    """Return the items each target is ranked against: negatives that are read or drawn, or the whole catalogue.

    Reports `Warned` where so many items are drawn that they repeat.

    Raises:
        InputError: the file does not fit the cases.
    """
    if options.cold_items:
        return cold_rivals(cases, _train_counts(dataset))
    if options.negatives_file is not None:
        user_ids = dataset.sequences.user_ids.gather(cases.users).to_list()
        read = read_negatives(options.negatives_file, user_ids=user_ids, targets=cases.targets, items=dataset.items)
        return Rivals(negatives=read)
    if not options.negatives:
        return Rivals(mask_seen=options.mask_seen)
    if dataset.items.height < ROOMY * options.negatives:
        on_event(
            Warned(
                message=f"{options.negatives:,} negatives are drawn with replacement from {dataset.items.height:,} "
                "items: some are drawn twice, and fewer compete; "
                f"leave out {option('negatives')} to rank against all items"
            )
        )
    return Rivals(negatives=draw_negatives(dataset.sequences, cases, options.negatives, options.seed))


def _train_counts(dataset: Dataset) -> npt.NDArray[np.int64]:
    return dataset.items[COUNT].to_numpy().astype(np.int64)


def hash_negatives(options: EvaluationOptions) -> str:
    return file_sha256(options.negatives_file) if options.negatives_file else ""
