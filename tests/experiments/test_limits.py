"""A run ends between two steps where a limit is reached, but never between the last step of an epoch and its end."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from adrec_cli.errors import Stopped
from adrec_cli.experiments.limits import RunLimits
from adrec_cli.experiments.work import ComputeOptions, Work


def in_epoch(step: int, steps: int) -> Any:
    """Return a training at a step of an epoch."""
    return SimpleNamespace(position=SimpleNamespace(step=step), steps=steps)


@pytest.mark.parametrize(("limit", "value"), [("max_steps", 7), ("max_time", 1e-9)])
def test_an_epoch_whose_last_step_is_done_is_ended_first(limit: str, value: float) -> None:
    limits = RunLimits(Work(options=ComputeOptions(**{limit: value})))
    limits.check(in_epoch(step=5, steps=5), steps=7)
    for step in (1, 4):
        with pytest.raises(Stopped, match="is reached"):
            limits.check(in_epoch(step=step, steps=5), steps=7)


def test_steps_of_earlier_stages_count() -> None:
    work = Work(options=ComputeOptions(max_steps=7))
    limits = RunLimits(work)
    work.stop.trained_steps = 4
    limits.check(in_epoch(step=2, steps=5), steps=2)
    with pytest.raises(Stopped, match="is reached"):
        limits.check(in_epoch(step=3, steps=5), steps=3)


def test_all_parts_of_a_work_wait_no_longer_together_than_it_may() -> None:
    work = Work(options=ComputeOptions(wait=3.0))
    with work.waiting.turn() as seconds_left:
        assert seconds_left() > 2
    work.waiting.waited.seconds += 2
    for part in (work, replace(work, on_event=print), replace(work, options=replace(work.options, force=True))):
        with part.waiting.turn() as seconds_left:
            assert seconds_left() <= 1
    with Work(options=work.options).waiting.turn() as seconds_left:
        assert seconds_left() > 2
