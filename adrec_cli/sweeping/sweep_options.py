"""What a sweep tries, what its runs are measured on, and what is drawn of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from adrec_cli.choices import choice, require_allowed
from adrec_cli.errors import UsageError
from adrec_cli.evaluating.options import EvaluationOptions
from adrec_cli.sweeping.names import folder_name, require_folder_name
from adrec_cli.sweeping.varied import Varied, parse_varied
from adrec_cli.wording import option

RUNS: Final = "Runs"
"""The panel of the help that lists what is tried."""


def _read_varied(texts: list[str]) -> tuple[Varied, ...]:
    return tuple(parse_varied(text) for text in texts)


@dataclass(frozen=True, kw_only=True)
class Design:
    """What a sweep tries.

    Attributes:
        vary: options, one at a time around the base.
        ablate: names of ablations, one at a time.
        grid: all combinations of the varied options instead of one at a time.
        base: the unchanged options are a run too; a grid without ablations has none.
        seeds: of each run: the experiment's own, and those that follow it.
        name: of the sweep's folder; "" makes one of what is tried.
    """

    vary: tuple[Varied, ...] = choice(
        (),
        list[str],
        "Option and the values to try, such as lambda or stages.align.epochs; repeatable.",
        read=_read_varied,
        metavar="KEY=VALUE,...",
        panel=RUNS,
        usual=True,
    )
    ablate: tuple[str, ...] = choice(
        (),
        list[str],
        "Part of ADRec to leave out, such as three-stage or token-level; repeatable.",
        metavar="NAME",
        panel=RUNS,
        usual=True,
    )
    grid: bool = choice(
        False,
        bool,
        "Try all combinations. [default: one option at a time]",
        panel=RUNS,
        usual=True,
    )
    base: bool = choice(True, bool, "Run the unchanged options too, except in a grid.", panel=RUNS, can_be_off=True)
    seeds: int = choice(
        1,
        int,
        "Number of trainings per run, each with its own seed; intervals are over them.",
        metavar="N",
        panel=RUNS,
        least=1,
        most=10_000,
        usual=True,
    )
    name: str = choice(
        "", str, "Name of the sweep. [default: made from what is tried]", metavar="NAME", panel=RUNS, usual=True
    )

    def __post_init__(self) -> None:
        if not self.vary and not self.ablate:
            raise UsageError(
                "a sweep needs something to try", hint=f"for example {option('vary', 'lambda=0.001,0.01,0.1')}"
            )
        require_allowed(self)
        require_folder_name(self.name)
        keys = [varied.key for varied in self.vary] + list(self.ablate)
        for key in keys:
            if keys.count(key) > 1:
                raise UsageError(f"{key!r} is given twice", hint=f"give all its values in one {option('vary')}")

    @property
    def has_base(self) -> bool:
        """Whether the unchanged options are one of the runs."""
        return self.base and (not self.grid or bool(self.ablate))

    def folder_name(self, model_name: str) -> str:
        """Return the name of the sweep's folder: the one given, or one made of what is tried."""
        tried = [*(varied.key for varied in self.vary), *self.ablate, *(["grid"] if self.grid else [])]
        return self.name or folder_name(tried, model_name)


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
    test: bool = choice(
        False,
        bool,
        "Rank the test items as well. Choose among runs by validation, or nothing is left to test on.",
        panel=RUNS,
        usual=True,
    )
    picture: bool = choice(True, bool, "Draw the results as SVG and PNG.", panel=RUNS, can_be_off=True)

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
