"""Options of a sweep: what is tried."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from adrec_cli.cli import completion
from adrec_cli.cli.options.common import option

if TYPE_CHECKING:
    from adrec_cli.sweeping.design import Design

_PANEL = "Runs"


@dataclass(frozen=True, kw_only=True)
class Trying:
    """What a sweep tries."""

    vary: Annotated[
        list[str] | None,
        option("--vary", panel=_PANEL, metavar="KEY=VALUE,...",
                help="Option and the values to try, such as lambda or stages.align.epochs; repeatable.",
                complete=completion.option_to_vary),
    ] = None  # fmt: skip
    ablate: Annotated[
        list[str] | None,
        option("--ablate", panel=_PANEL, metavar="NAME",
                help="Part of ADRec to leave out, such as three-stage or token-level; repeatable.",
                complete=completion.ablation),
    ] = None  # fmt: skip
    grid: Annotated[
        bool, option("--grid", panel=_PANEL, help="Try all combinations [default: one option at a time].")
    ] = False
    base: Annotated[
        bool, option("--base/--no-base", panel=_PANEL, help="Run the unchanged options too, except in a grid.")
    ] = True
    seeds: Annotated[
        int,
        option(
            "--seeds",
            panel=_PANEL,
            metavar="N",
            help="Number of trainings per run, each with its own seed; intervals are over them.",
        ),
    ] = 1
    name: Annotated[
        str,
        option("--name", panel=_PANEL, metavar="NAME", help="Name of the sweep [default: made from what is tried]."),
    ] = ""
    picture: Annotated[
        bool, option("--picture/--no-picture", panel=_PANEL, help="Draw the results as SVG and PNG.")
    ] = True
    test: Annotated[
        bool,
        option("--test", panel=_PANEL,
                help="Rank the test items as well. Choose among runs by validation, or nothing is left to "
                     "test on."),
    ] = False  # fmt: skip

    def design(self) -> Design:
        """Return what is tried, as the pipeline takes it."""
        from adrec_cli.sweeping.design import Design, parse_varied

        return Design(
            vary=tuple(parse_varied(text) for text in self.vary or []),
            ablate=tuple(self.ablate or ()),
            grid=self.grid,
            base=self.base,
            seeds=self.seeds,
            name=self.name,
        )
