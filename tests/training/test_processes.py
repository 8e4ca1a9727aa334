"""Processes that advance together: in rounds, as far as all can, and after the first where that is asked."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adrec_cli.errors import DivergedError
from adrec_cli.training.processes import Processes, advance_together, compute_after_first
from tests.examples import tries
from tests.training.threads import in_threads


@settings(max_examples=tries(20))
@given(steps=st.lists(st.lists(st.integers(1, 9), max_size=5), min_size=1, max_size=4))
def test_rounds_add_up_what_each_has_done_however_many_steps_it_has(steps: list[list[int]]) -> None:
    found = in_threads(len(steps), lambda own: list(advance_together(iter(steps[own.rank]), own)))
    longest = max(map(len, steps))
    rounds = [sum(own[turn] for own in steps if turn < len(own)) for turn in range(longest)]
    assert found == [rounds] * len(steps)


def test_a_round_in_which_one_fails_is_the_last_of_all() -> None:
    done: list[tuple[int, int]] = []

    def step(rank: int) -> Iterator[int]:
        for turn in range(5):
            if (rank, turn) == (1, 2):
                raise DivergedError("here")
            done.append((turn, rank))
            yield 1

    def work(own: Processes) -> str:
        with pytest.raises(DivergedError) as raised:
            list(advance_together(step(own.rank), own))
        return raised.value.message

    assert in_threads(3, work) == ["here"] * 3
    assert sorted(done) == sorted((turn, rank) for turn in range(3) for rank in range(3) if (turn, rank) != (2, 1))


def test_the_others_begin_once_the_first_has_done_it() -> None:
    order: list[int] = []

    def work(own: Processes) -> int:
        def bring() -> int:
            time.sleep(0.05 if own.first else 0)
            order.append(own.rank)
            return 10 + own.rank

        return compute_after_first(bring, own)

    assert in_threads(3, work) == [10, 11, 12]
    assert order[0] == 0
    assert sorted(order) == [0, 1, 2]
