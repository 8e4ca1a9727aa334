"""What models are made of and what they are asked, drawn so that any two options that go together meet in a case."""

from __future__ import annotations

import functools
import itertools
import random
from typing import Any

from adrec_cli.models.registry import find_facts

MADE: dict[str, list[Any]] = {
    "model": ["adrec", "sasrec", "esasrec", "bsarec", "gru4rec", "hstu", "dreamrec", "diffurec"],
    "repeats": ["none", "learned", "never"],
    "content": ["none", "sum", "only"],
    "times": ["none", "gaps"],
    "positions": ["none", "learned"],
    "block": ["attention", "frequency"],
    "noise": ["gaussian", "geodesic"],
    "max_length": [1, 3, 6],
    "split": ["leave-one-out", "time"],
    "duplicates": ["drop", "keep"],
    "updated": [False, True],
}
"""Values of what a model is made of; those it has."""
WISHED: dict[str, list[Any]] = {
    "draws": ["seeded", "common", "zero"],
    "samples": [1, 3],
    "merge": ["reciprocal-rank", "mean-score"],
    "steps": [1, 3],
    "k": [2, 7, 50],
    "include_seen": [False, True],
    "choice": ["all", "candidates", "exclude", "category", "one"],
    "masked": [False, True],
}
"""Values of what it is asked."""
CASES, WISHES, CANDIDATES = 36, 3, 60
Values = dict[str, Any]


def draw(generator: random.Random, options: dict[str, list[Any]]) -> Values:
    return {name: generator.choice(values) for name, values in options.items()}


def draw_case(generator: random.Random) -> tuple[Values, list[Values]]:
    """Return what a model is made of and some wishes, without what it does not have or what does not go together."""
    made, wishes = draw(generator, MADE), [draw(generator, WISHED) for _ in range(WISHES)]
    entry = find_facts(made["model"])
    for option in ("times", "positions", "block", "noise"):
        if option not in entry.config_type.__dataclass_fields__:
            del made[option]
    if made["model"] == "dreamrec" and made["repeats"] == "learned":
        made["repeats"] = "none"
    for wish in wishes:
        if not entry.sampled_outputs:
            for option in ("draws", "samples", "merge", "steps"):
                del wish[option]
        elif wish["draws"] == "zero":
            wish["samples"] = 1
    return made, wishes


def find_pairs(made: Values, wishes: list[Values]) -> set[Any]:
    return {pair for wish in wishes for pair in itertools.combinations([*made.items(), *wish.items()], 2)}


@functools.cache
def all_cases() -> list[tuple[Values, list[Values]]]:
    """Draw the cases one by one, each with as many new pairs as any of some."""
    generator, met, cases = random.Random(4), set[Any](), list[tuple[Values, list[Values]]]()
    for _ in range(CASES):
        some = [draw_case(generator) for _ in range(CANDIDATES)]
        cases.append(max(some, key=lambda case: len(find_pairs(*case) - met)))
        met |= find_pairs(*cases[-1])
    return cases
