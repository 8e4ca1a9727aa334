"""What the quick suite tries of a kind, and what it leaves to CI: see README.md."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pytest


def sampled(argument: str, cases: Iterable[Any] | Mapping[str, Any], *, quick: Iterable[Any]) -> pytest.MarkDecorator:
    """Parametrise a test with all cases, of which the quick suite tries some and CI all.

    Args:
        argument: of the test; several with commas between them.
        cases: values, or values by name.
        quick: the values, or the names, that the quick suite tries.
    """
    named = isinstance(cases, Mapping)
    listed = list(cases.items()) if isinstance(cases, Mapping) else [(case, case) for case in cases]
    chosen, names = list(quick), [name for name, _ in listed]
    assert chosen, "the quick suite tries one of each kind"
    assert all(name in names for name in chosen), (chosen, names)
    several = "," in argument
    return pytest.mark.parametrize(
        argument,
        [
            pytest.param(
                *(value if several else (value,)),
                id=name if named else None,
                marks=() if name in chosen else pytest.mark.thorough,
            )
            for name, value in listed
        ],
    )
