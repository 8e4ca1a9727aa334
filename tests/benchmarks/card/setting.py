"""What the sections share: data of the shape of adrec-baby, models with fresh weights, and clocks that wait."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import torch

from adrec_cli.data.batches import CUTS
from adrec_cli.data.sequences import Sequences
from adrec_cli.data.synthetic import synthetic_sequences
from adrec_cli.models.base import SequentialRecommender
from adrec_cli.models.registry import find_model, find_stages
from adrec_cli.models.stages import TrainingConfig
from adrec_cli.runtime import make_generator, resolve_device
from adrec_cli.training.loop import StageTraining

USERS, ITEMS, EVENTS = 11_761, 4_731, 92_823
"""Of adrec-baby."""


@cache
def drawn(users: int, items: int, mean_length: float, longest: int | None = None) -> Sequences:
    """Sequences with nothing to learn from; equal arguments give the same."""
    return synthetic_sequences(users=users, items=items, mean_length=mean_length, longest=longest)


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Where and how long to measure.

    Attributes:
        device: to compute on.
        tiny: sizes at which a processor shows that the script runs.
        out: folder of what is written; None writes nothing.
        until: on the clock of `time.monotonic`.
        figures: found so far, by section.
    """

    device: torch.device
    tiny: bool
    out: Path | None
    until: float
    figures: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, device: str, *, tiny: bool, out: Path | None, seconds: float) -> Setting:
        """Make the device ready."""
        return cls(device=resolve_device(device), tiny=tiny, out=out, until=time.monotonic() + seconds)

    @property
    def left(self) -> float:
        """Seconds."""
        return self.until - time.monotonic()

    def baby(self) -> Sequences:
        """Sequences of the shape of adrec-baby."""
        return drawn(120, 60, EVENTS / USERS) if self.tiny else drawn(USERS, ITEMS, EVENTS / USERS)

    def keep(self, section: str, figures: Any) -> None:
        """Remember figures, and write all so far."""
        self.figures[section] = figures
        if self.out is not None:
            self.out.mkdir(parents=True, exist_ok=True)
            (self.out / "card.json").write_text(json.dumps(self.figures, indent=1, default=str))

    def finished(self) -> None:
        """Wait for the device."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def milliseconds(self, function: Callable[[], object], *, repeats: int, warm: int = 3) -> float:
        """Of one call, from many in a row, after some to warm up; the device is waited for at both ends."""
        for _ in range(warm):
            function()
        self.finished()
        started = time.perf_counter()
        for _ in range(repeats):
            function()
        self.finished()
        return 1000 * (time.perf_counter() - started) / repeats


def fresh_model(name: str, items: int, device: torch.device, **network: Any) -> SequentialRecommender:
    """A model with drawn weights."""
    entry = find_model(name)
    model = entry(entry.config_type(**network), items)
    for component in model.components():
        model.initialize(component, make_generator(0, component))
    return model.to(device)


def fresh_training(
    setting: Setting,
    model: str = "adrec",
    stage: str = "finetune",
    *,
    sequences: Sequences | None = None,
    stepping: str = "auto",
    network: dict[str, Any] | None = None,
    config: dict[str, Any] | None = None,
    device: torch.device | None = None,
    **changes: Any,
) -> StageTraining:
    """A stage that has not begun."""
    data, device = sequences or setting.baby(), device or setting.device
    shared = TrainingConfig(**{"batch_size": 32 if setting.tiny else 512, **(config or {})})
    network = {**({"hidden_size": 16, "max_length": 10} if setting.tiny else {}), **(network or {})}
    built = fresh_model(model, data.item_count, device, **network)
    return StageTraining(
        name=stage,
        stage=dataclasses.replace(find_stages(model)[stage], **{"epochs": 10_000, "patience": 0, **changes}),
        config=shared, model=built, windows=CUTS[shared.samples](data, built.max_length), validate=dict,
        device=device, stepping=stepping,
    )  # fmt: skip


def recording(setting: Setting) -> str:
    """The quickest stepping there is on this device."""
    return "recorded" if setting.device.type == "cuda" else "queued"
