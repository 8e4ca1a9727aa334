"""What a sweep tries, what its runs are measured on, and what is drawn of it."""

from __future__ import annotations

from dataclasses import dataclass

from adrec_cli.errors import UsageError
from adrec_cli.evaluating.options import EvaluationOptions
from adrec_cli.sweeping.design import Design
from adrec_cli.wording import option


@dataclass(frozen=True, kw_only=True)
class SweepOptions:
    """What a sweep does besides what its base is.

    Attributes:
        design: what is tried.
        evaluation: candidates, sampling and computing; its part is not asked.
        test: measure on test as well.
        picture: draw what was found, where matplotlib is installed.
    """

    design: Design
    evaluation: EvaluationOptions = EvaluationOptions(part="valid")
    test: bool = False
    picture: bool = True

    def __post_init__(self) -> None:
        if self.test and self.evaluation.negatives_file:
            raise UsageError(
                "a file holds the negatives of one part",
                hint=f"leave out {option('test')}, or draw: {option('negatives', '99')}",
            )

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts that runs are measured on, the one that decides first."""
        return ("valid", "test") if self.test else ("valid",)
