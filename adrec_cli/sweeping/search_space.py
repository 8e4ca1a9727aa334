"""What a search may choose from: ranges and lists of values for options, as people type them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from adrec_cli.config import merge
from adrec_cli.errors import UsageError
from adrec_cli.experiments.experiment import SAMPLING, Experiment
from adrec_cli.sweeping.option_keys import as_tables, parse_values, resolve_option, spell, value_at
from adrec_cli.wording import option

_NOT_SEARCHED = ("training.monitor", "training.monitor_negatives", "training.monitor_mask_seen", "training.seed")
"""Options that change what is measured, or only the luck; the best of them would say nothing."""


@dataclass(frozen=True, kw_only=True)
class Searched:
    """An option and what it may be.

    Attributes:
        key: as typed, such as learning_rate.
        low, high: bounds, both included; None where there are choices. Two integers make a range of integers.
        log: values are spread evenly over their logarithm.
        step: between two values of a range; None for any value (of integers: 1).
        choices: values; empty where there is a range.
    """

    key: str
    low: float | None = None
    high: float | None = None
    log: bool = False
    step: float | None = None
    choices: tuple[Any, ...] = ()

    @property
    def typed(self) -> str:
        """What one types for it."""
        if self.choices:
            return f"{self.key}={','.join(spell(value) for value in self.choices)}"
        more = (":log" if self.log else "") + (f":step={self.step}" if self.step is not None else "")
        return f"{self.key}={self.low}..{self.high}{more}"

    @property
    def ends(self) -> tuple[Any, ...]:
        """The values that must be possible for the search to make sense."""
        return self.choices or (self.low, self.high)


def parse_searched(text: str) -> Searched:
    """Return what `learning_rate=1e-4..1e-2:log`, `dropout=0.1..0.6:step=0.1` or `heads=1,2,4` means.

    Raises:
        UsageError: not of that form, or an empty range.
    """
    key, equals, values = (part.strip() for part in text.partition("="))
    if not key or not equals or not values:
        raise UsageError(
            f"{option('search')} takes KEY=LOW..HIGH or KEY=VALUE,VALUE, got {text!r}", hint=_give_examples()
        )
    if ".." in values:
        return _parse_range(text, key, values)
    choices = tuple(parse_values(values))
    if len(choices) < 2 or "" in choices:
        raise UsageError(f"{option('search', text)} leaves nothing to choose", hint=_give_examples())
    return Searched(key=key, choices=choices)


def _parse_range(text: str, key: str, values: str) -> Searched:
    bounds, *words = values.split(":")
    try:
        ends = [_number(part) for part in bounds.split("..")]
        steps = [_number(word.removeprefix("step=")) for word in words if word.startswith("step=")]
    except ValueError as error:
        raise UsageError(f"{option('search', text)}: {error}", hint=_give_examples()) from error
    unknown = [word for word in words if word != "log" and not word.startswith("step=")]
    if len(ends) != 2 or unknown or len(steps) > 1 or len(words) > 2:
        raise UsageError(
            f"{option('search', text)} is not a range: LOW..HIGH, LOW..HIGH:log or LOW..HIGH:step=X",
            hint=_give_examples(),
        )
    low, high = ends
    log, step = "log" in words, steps[0] if steps else None
    if not low < high:
        raise UsageError(f"{option('search', text)}: {low} is not below {high}", hint=_give_examples())
    if log and (low <= 0 or step is not None):
        raise UsageError(
            f"{option('search', text)}: a range over logarithms begins above 0 and has no step", hint=_give_examples()
        )
    if step is not None and step <= 0:
        raise UsageError(f"{option('search', text)}: the step must be positive", hint=_give_examples())
    if step is not None and (count := round((high - low) / step, 6)) % 1:
        last = f"{low + math.floor(count) * step:g}"
        raise UsageError(
            f"{option('search', text)}: steps of {step} from {low} do not end at {high}",
            hint=f"end at {last}, the last one" if count > 1 else "take a smaller step",
        )
    return Searched(key=key, low=low, high=high, log=log, step=step)


def _number(text: str) -> float:
    text = text.strip()
    if re.fullmatch(r"[+-]?\d+", text):
        return int(text)
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is not a finite number")
    return value


@dataclass(frozen=True, kw_only=True)
class SearchSpace:
    """All that a search may choose.

    Attributes:
        searched: options.
        paths: the full names each key means.
        whole: keys of ranges of integers.
    """

    searched: tuple[Searched, ...]
    paths: Mapping[str, tuple[str, ...]]
    whole: frozenset[str]

    def tables(self, chosen: Mapping[str, Any]) -> dict[str, Any]:
        """Return the tables that choose these values."""
        return merge(*(as_tables(self.paths[key], _as_option(value)) for key, value in chosen.items()))

    def reaches(self, path: str) -> Searched | None:
        """Return what is searched at a full name; None where nothing is."""
        return next((one for one in self.searched if path in self.paths[one.key]), None)


def _as_option(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def search_space(searched: Sequence[Searched], base: Experiment) -> SearchSpace:
    """Return a space whose keys are options of the experiment.

    Raises:
        UsageError: an unknown, ambiguous or repeated key, or one that must not be searched.
    """
    if not searched:
        raise UsageError("nothing to search", hint=_give_examples())
    paths = {one.key: resolve_option(one.key, base) for one in searched}
    taken: set[str] = set()
    for one in searched:
        for path in paths[one.key]:
            if path in taken:
                raise UsageError(f"{path} is searched twice", hint=f"give it in one {option('search')}")
            if path in _NOT_SEARCHED or path.startswith(f"{SAMPLING}."):
                raise UsageError(
                    f"{path} changes what is measured, so its values cannot be compared",
                    hint=f"fix it with {option('set')}",
                )
            taken.add(path)
    whole = set()
    for one in searched:
        if one.choices:
            continue
        wants_whole = all(isinstance(value_at(base, path), int) for path in paths[one.key])
        if wants_whole and not all(isinstance(part, int) for part in (*one.ends, one.step or 1)):
            raise UsageError(
                f"{one.key} takes whole numbers", hint=f"for example {option('search', f'{one.key}=1..8')}"
            )
        if wants_whole:
            whole.add(one.key)
    return SearchSpace(searched=tuple(searched), paths=paths, whole=frozenset(whole))


def _give_examples() -> str:
    return f"for example {option('search', 'learning_rate=1e-4..1e-2:log')} or {option('search', 'cam_blocks=1,2,4')}"
