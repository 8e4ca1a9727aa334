"""Whatever somebody else does before each step of a reader."""

from __future__ import annotations

import builtins
import io
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pytest

T = TypeVar("T")


def read_at_each_moment(
    begin: Callable[[int], Path],
    read: Callable[[Path], T],
    meanwhile: Callable[[Path], object],
    steps: Sequence[tuple[object, str]],
) -> Iterator[T]:
    """Yield what is read, each time with a change before another step: the first, the second and so on to the last.

    Args:
        begin: makes another of what is read, of a number, and returns where it lies.
        read: from there.
        meanwhile: the change.
        steps: functions of the reader, beside opening files, by the module or class they stand in.
    """
    moment, moments = 0, 1
    while moment < moments:
        path, met = begin(moment), 0

        def counted(function: Callable[..., Any], path: Path = path, moment: int = moment) -> Callable[..., Any]:
            def call(*args: Any, **named: Any) -> Any:
                nonlocal met
                met += 1
                if met == moment + 1:
                    meanwhile(path)
                return function(*args, **named)

            return call

        with pytest.MonkeyPatch.context() as patched:
            for place, name in [(io, "open"), (builtins, "open"), *steps]:
                patched.setattr(place, name, counted(getattr(place, name)))
            found = read(path)
        yield found
        moment, moments = moment + 1, met
    assert moments > 2
