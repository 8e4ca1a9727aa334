"""Several things read one after the other: what is damaged is named and keeps nothing else back."""

from __future__ import annotations

import pytest

from adrec_cli.artifacts.damaged import read_each
from adrec_cli.errors import ArtifactError


def read(name: str) -> int:
    if name.startswith("damaged"):
        raise ArtifactError(f"{name} is damaged", hint="make it again")
    return len(name)


def test_what_is_damaged_is_named_and_the_others_are_read_in_their_order() -> None:
    damaged = ["said before"]
    assert list(read_each(["b", "damaged 1", "aa", "damaged 2"], read, damaged)) == [("b", 1), ("aa", 2)]
    assert damaged == ["said before", "damaged 1 is damaged", "damaged 2 is damaged"]


def test_a_bug_of_the_reader_is_not_taken_for_damage() -> None:
    with pytest.raises(ZeroDivisionError):
        list(read_each(["a"], lambda name: 1 // 0, []))


def test_a_bug_of_the_caller_is_not_taken_for_damage() -> None:
    damaged: list[str] = []
    reading = read_each(["a", "b"], read, damaged)
    next(reading)
    with pytest.raises(ArtifactError, match="of the caller"):
        reading.throw(ArtifactError("of the caller", hint=""))
    assert damaged == []
