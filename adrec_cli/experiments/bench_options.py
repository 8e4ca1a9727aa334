"""What `adrec bench` measures on: what a user can choose."""

from __future__ import annotations

from dataclasses import dataclass

from adrec_cli.choices import choice, require_allowed
from adrec_cli.runtime import device_choice, threads_choice


@dataclass(frozen=True, kw_only=True)
class BenchOptions:
    """What to measure on.

    Attributes:
        users: targets ranked at most.
        training_seconds: how long to train.
        device, threads: to compute on.
    """

    users: int = choice(4_096, int, "Maximum number of users to rank.", metavar="N", least=1)
    training_seconds: float = 10.0
    device: str = device_choice()
    threads: int | None = threads_choice()

    def __post_init__(self) -> None:
        require_allowed(self)
