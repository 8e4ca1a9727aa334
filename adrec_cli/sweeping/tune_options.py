"""What a search is asked to do."""

from __future__ import annotations

from dataclasses import dataclass

from adrec_cli.errors import UsageError
from adrec_cli.sweeping.design import require_folder_name
from adrec_cli.sweeping.optuna_study import PRUNERS
from adrec_cli.sweeping.search_space import Searched
from adrec_cli.wording import option


@dataclass(frozen=True, kw_only=True)
class TuneOptions:
    """What is searched and for how long.

    Attributes:
        search: options and what they may be.
        trials: in all, those of an earlier run of the same search included.
        timeout: seconds after which no new trial begins; None sets no end.
        pruner: what gives up trials: "median", "hyperband" or "none".
        seed: of what is proposed; the trainings have the experiment's.
        name: of the search's folder; "" makes one of what is searched.
        fresh: forget the trials of an earlier run.
    """

    search: tuple[Searched, ...]
    trials: int = 30
    timeout: float | None = None
    pruner: str = "median"
    seed: int = 0
    name: str = ""
    fresh: bool = False

    def __post_init__(self) -> None:
        if self.trials < 1:
            raise UsageError(f"{option('trials')} must be at least 1, got {self.trials}")
        if self.timeout is not None and self.timeout <= 0:
            raise UsageError(f"{option('timeout')} must be positive, got {self.timeout}")
        require_folder_name(self.name)
        if self.pruner not in PRUNERS:
            raise UsageError(f"unknown pruner {self.pruner!r}", hint=f"one of: {', '.join(PRUNERS)}")
