"""What a search is asked to do."""

from __future__ import annotations

import operator
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from adrec_cli.choices import choice, require_allowed
from adrec_cli.errors import UsageError
from adrec_cli.experiments.work import TRAINING
from adrec_cli.sweeping.names import require_folder_name
from adrec_cli.wording import option

if TYPE_CHECKING:
    from adrec_cli.sweeping.search_space import Searched

SEARCH: Final = "Search"
"""The panel of the help that lists what is searched."""
_SECONDS: Final = {"": 1, "s": 1, "m": 60, "h": 3600}


def parse_seconds(text: str) -> float:
    """Return the seconds of `90`, `90s`, `30m`, `1.5h` or `1h30m`.

    Raises:
        UsageError: not of that form.
    """
    parts = re.findall(r"(\d+(?:\.\d+)?)([smh]?)", text)
    if not parts or "".join(number + unit for number, unit in parts) != text.strip():
        raise UsageError(f"{option('timeout')} {text!r} is not a time", hint="for example 90s, 30m or 8h")
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)


def _read_searched(texts: list[str]) -> tuple[Searched, ...]:
    # Not at the top: it loads Polars.
    from adrec_cli.sweeping.search_space import parse_searched

    return tuple(parse_searched(text) for text in texts)


@dataclass(frozen=True, kw_only=True)
class TuneOptions:
    """What is searched and for how long.

    Attributes:
        search: options and what they may be; they go before those of `space`.
        space: a search space of a file, as `read_space`; "" takes none.
        trials: in all, those of an earlier run of the same search included.
        timeout: seconds after which no new trial begins; None sets no end.
        pruner: what gives up trials: "median", "hyperband" or "none".
        seed: of what is proposed; the trainings have the experiment's.
        name: of the search's folder; "" makes one of what is searched.
        fresh: forget the trials of an earlier run.
    """

    search: tuple[Searched, ...] = choice(
        (),
        list[str],
        "Range or values of an option to search: 1e-4..1e-2:log, 0.1..0.6:step=0.1, 1..4, or 32,64,128; repeatable.",
        read=_read_searched,
        metavar="KEY=LOW..HIGH",
        panel=SEARCH,
        usual=True,
    )
    space: str = choice(
        "",
        str,
        "Search space for several models alike: standard, or a TOML file.",
        metavar="NAME",
        panel=SEARCH,
        usual=True,
    )
    trials: int = choice(
        30,
        int,
        "Number of trials in total, those of earlier runs included.",
        metavar="N",
        panel=SEARCH,
        least=1,
        most=1_000_000,
        usual=True,
    )
    timeout: float | None = choice(
        None,
        str,
        "Start no new trial after this time: 90s, 30m or 8h.",
        read=parse_seconds,
        metavar="TIME",
        panel=SEARCH,
        usual=True,
    )
    pruner: str = choice(
        "median",
        str,
        "Rule that stops trials clearly worse than others at the same point.",
        panel=SEARCH,
        known=("median", "hyperband", "none"),
        closed=True,
    )
    seed: int = choice(0, int, "Seed of the proposals.", key="search_seed", metavar="N", panel=SEARCH, most=2**31 - 1)
    name: str = choice(
        "", str, "Name of the search. [default: made from what is searched]", metavar="NAME", panel=SEARCH, usual=True
    )
    fresh: bool = choice(
        False,
        bool,
        "Require a matching unfinished run, or ignore it.",
        key="resume",
        read=operator.not_,
        panel=TRAINING,
        can_be_off=True,
    )

    def __post_init__(self) -> None:
        require_allowed(self)
        if self.timeout is not None and self.timeout <= 0:
            raise UsageError(f"{option('timeout')} must be positive, got {self.timeout}")
        require_folder_name(self.name)
