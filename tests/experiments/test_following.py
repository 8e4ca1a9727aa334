"""What a process that follows the first one does with what goes wrong in a stage."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from adrec_cli.errors import DivergedError, Stopped
from adrec_cli.experiments import following
from adrec_cli.experiments.following import follow

ORDER = dict.fromkeys(
    ("folder", "model", "tables", "stage", "parent_sha256", "key", "device", "threads"), "as the first one says"
)


class Leading:
    """A first process that orders stages, and is lost in one of them."""

    def __init__(self, *, stages: int, lost_in: int | None = None) -> None:
        self.left, self.lost_in, self.lost, self.stage = stages, lost_in, False, 0

    def wait_for_order(self) -> dict[str, str] | None:
        if self.lost:
            pytest.fail("nobody gives orders any more")
        self.left -= 1
        return ORDER if self.left >= 0 else None


@pytest.mark.parametrize("lost_in", [None, 0, 2])
def test_a_fault_of_a_stage_is_left_to_the_first_process_unless_that_is_gone(lost_in, monkeypatch):
    leading = Leading(stages=3, lost_in=lost_in)
    seen: list[Any] = []

    def fail(order: Any, known: Any, work: Any) -> None:
        seen.append(known)
        if leading.lost_in == len(seen) - 1:
            leading.lost = True
            raise Stopped("the first one is gone", signal_number=15)
        raise DivergedError("a loss is nan")

    monkeypatch.setattr(following, "_follow_stage", fail)
    if lost_in is None:
        follow(SimpleNamespace(), leading)
        assert len(seen) == 3
    else:
        with pytest.raises(Stopped, match="is gone"):
            follow(SimpleNamespace(), leading)
        assert len(seen) == lost_in + 1


def test_a_stage_has_the_data_set_of_the_one_before(monkeypatch):
    seen: list[Any] = []

    def train(order: Any, known: Any, work: Any) -> str:
        assert order.model == ORDER["model"]
        seen.append(known)
        return f"of stage {len(seen)}"

    monkeypatch.setattr(following, "_follow_stage", train)
    follow(SimpleNamespace(), Leading(stages=3))
    assert seen == [None, "of stage 1", "of stage 2"]
