"""Values made on a thread: all of them, in order, with their errors, and no thread left behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from adrec_cli.data.ahead import make_ahead


def threads() -> int:
    return sum(thread.name == "made ahead" for thread in threading.enumerate())


@pytest.mark.parametrize("count", [1, 2, 50])
def test_all_values_come_in_order(count):
    assert list(make_ahead(iter(range(20)), count=count)) == list(range(20))
    assert list(make_ahead(iter([]), count=count)) == []
    assert threads() == 0


def test_an_error_comes_where_its_value_would():
    def broken() -> Iterator[int]:
        yield 1
        raise ValueError("here")

    values = make_ahead(broken())
    assert next(values) == 1
    with pytest.raises(ValueError, match="here"):
        next(values)
    assert threads() == 0


def test_few_are_made_before_they_are_asked_for_and_leaving_ends_the_thread():
    made = []
    values = make_ahead((made.append(number) or number for number in range(100)), count=2)
    assert next(values) == 0
    time.sleep(0.2)
    # One was asked for, two wait, and one more is in the thread's hands.
    assert len(made) <= 4
    values.close()
    assert threads() == 0
