"""Options of a search."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from adrec_cli.cli import completion
from adrec_cli.cli.options.common import option
from adrec_cli.errors import UsageError

if TYPE_CHECKING:
    from adrec_cli.sweeping.tune_options import TuneOptions

_PANEL = "Search"
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600}


@dataclass(frozen=True, kw_only=True)
class Searching:
    """What is searched and for how long."""

    search: Annotated[
        list[str] | None,
        option("--search", panel=_PANEL, metavar="KEY=LOW..HIGH",
                help="Range or values of an option to search: 1e-4..1e-2:log, 0.1..0.6:step=0.1, 1..4, or "
                     "32,64,128; repeatable.",
                complete=completion.option_to_vary),
    ] = None  # fmt: skip
    trials: Annotated[
        int,
        option("--trials", panel=_PANEL, metavar="N", help="Total number of trials, including those of earlier runs."),
    ] = 30
    timeout: Annotated[
        str | None,
        option("--timeout", panel=_PANEL, metavar="TIME", help="Start no new trial after this time: 90s, 30m or 8h."),
    ] = None
    pruner: Annotated[
        str,
        option("--pruner", panel=_PANEL, metavar="median|hyperband|none",
                help="Rule that stops trials clearly worse than others at the same point.",
                complete=completion.among(["median", "hyperband", "none"])),
    ] = "median"  # fmt: skip
    search_seed: Annotated[int, option("--search-seed", panel=_PANEL, metavar="N", help="Seed of the proposals.")] = 0
    name: Annotated[
        str,
        option(
            "--name", panel=_PANEL, metavar="NAME", help="Name of the search [default: made from what is searched]."
        ),
    ] = ""

    def tuning(self, *, fresh: bool) -> TuneOptions:
        """Return what is searched, as the pipeline takes it."""
        from adrec_cli.sweeping.search_space import parse_searched
        from adrec_cli.sweeping.tune_options import TuneOptions

        return TuneOptions(
            search=tuple(parse_searched(text) for text in self.search or []),
            trials=self.trials,
            timeout=parse_seconds(self.timeout) if self.timeout else None,
            pruner=self.pruner,
            seed=self.search_seed,
            name=self.name,
            fresh=fresh,
        )


def parse_seconds(text: str) -> float:
    """Return the seconds of `90`, `90s`, `30m`, `1.5h` or `1h30m`.

    Raises:
        UsageError: not of that form.
    """
    parts = re.findall(r"(\d+(?:\.\d+)?)([smh]?)", text)
    if not parts or "".join(number + unit for number, unit in parts) != text.strip():
        raise UsageError(f"--timeout {text!r} is no time", hint="for example 90s, 30m or 8h")
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)
