"""Training steps that are queued on a device and read one step late, each shape recorded as one CUDA graph.

A step asks the device nothing: its batch is padded to a shape that many share, its losses stay there until the next
step is queued, and a loss or gradient that is not finite makes this step, and all after it, leave every byte as it is.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

import torch

from adrec_cli.errors import UsageError
from adrec_cli.models.base import SequentialRecommender
from adrec_cli.models.batch import PackedBatch
from adrec_cli.models.padded_batch import PaddedBatch
from adrec_cli.models.stages import Stage, TrainingConfig
from adrec_cli.runtime import ONE_CAPTURE
from adrec_cli.training.averaging import WeightAverage
from adrec_cli.training.objective import Objective
from adrec_cli.training.optimizers import StageOptimizer
from adrec_cli.training.padded_loss import MOST_ITEMS
from adrec_cli.wording import say_count

STEPPING = ("auto", "immediate", "queued", "recorded")
"""How steps are taken: each looked at before the next; queued on the device and read one late; and that as CUDA graphs.
"""
_AT_ONCE = 2
"""Steps that are queued at most: one runs, one waits."""
_MOST_GRAPHS = 32
"""Shapes that are recorded; a batch of any further shape has its operators launched one by one."""


def why_not_queued(stage: Stage, config: TrainingConfig, model: SequentialRecommender) -> str:
    """Say which option needs steps that are looked at one by one; "" if none does."""
    items = model.count_items() + 1
    hindrances = {
        model.why_not_padded(): bool(model.why_not_padded()),
        f"training.accumulate {config.accumulate}": config.accumulate > 1,
        f"training.embedding_optimizer {config.embedding_optimizer}": config.embedding_optimizer != "adam",
        "training.shard_items": config.shard_items,
        f"a catalogue of {say_count(items, 'item')}": items > MOST_ITEMS and stage.ranking_loss == "ce",
    }
    return next((name for name, hinders in hindrances.items() if hinders), "")


def choose_stepping(
    stepping: str,
    name: str,
    stage: Stage,
    config: TrainingConfig,
    model: SequentialRecommender,
    device: torch.device,
) -> tuple[str, str]:
    """Return how steps are taken, one of `STEPPING` but "auto", and what is to be said of it.

    Args:
        stepping: one of `STEPPING`; "auto" records steps on CUDA where it can.
        name: of the stage.
        stage, config, model, device: of the training.

    Raises:
        UsageError: an unknown way, or one that an option does not go with.
    """
    if stepping not in STEPPING:
        raise UsageError(f"unknown stepping {stepping!r}", hint=f"one of: {', '.join(STEPPING)}")
    reason = why_not_queued(stage, config, model)
    if stepping == "auto":
        if device.type != "cuda":
            return "immediate", ""
        notice = f"operators are launched one by one: {reason} cannot be recorded as a CUDA graph" if reason else ""
        return ("immediate" if reason else "recorded"), notice
    if reason and stepping != "immediate":
        raise UsageError(f"stage {name}: {reason} does not go with {stepping} steps", hint="leave out one of the two")
    return stepping, ""


@dataclass
class _Shape:
    """Batches of one shape.

    Attributes:
        batch: on the device, of planes_PRL, which every step's batch is copied into.
        staged: on the host, one for each step that may be queued.
        graph: of a step; None where it is launched operator by operator.
    """

    planes_PRL: torch.Tensor
    batch: PaddedBatch
    staged: list[torch.Tensor]
    graph: torch.cuda.CUDAGraph | None = None


class QueuedSteps:
    """The steps of a stage that were queued and not read yet."""

    def __init__(
        self,
        objective: Objective,
        optimizer: StageOptimizer,
        average: WeightAverage,
        trained: Mapping[str, torch.nn.Parameter],
        *,
        skip: torch.Tensor,
        item_decay: float,
        record: bool,
    ) -> None:
        """Take what all steps share.

        Args:
            objective, optimizer, average, trained: of the stage.
            skip: the optimizer's, which a step that is not finite sets to 1.
            item_decay: share of the item vectors' length that each step removes.
            record: as CUDA graphs; otherwise operators are launched one by one.
        """
        self.objective, self.optimizer, self.average, self.trained = objective, optimizer, average, trained
        self.skip, self.item_decay, self.record, self.device = skip, item_decay, record, skip.device
        self.names = [name for name, weight in objective.weights.items() if weight]
        self.generator = torch.Generator(self.device)
        cuda = self.device.type == "cuda"
        self._one, self._average_share = (torch.ones((), device=self.device) for _ in range(2))
        self._report = torch.zeros(len(self.names) + 1, device=self.device)
        self._read = torch.zeros(_AT_ONCE, len(self.names) + 1, pin_memory=cuda)
        self._events: list[torch.cuda.Event] = [torch.cuda.Event() for _ in range(_AT_ONCE)] if cuda else []  # type: ignore[no-untyped-call]
        self._waiting: deque[tuple[int, PackedBatch]] = deque()
        self._next = 0
        self._shapes: dict[tuple[int, ...], _Shape] = {}
        self._stream = torch.cuda.Stream(self.device) if record else None  # type: ignore[no-untyped-call]
        self._pool = torch.cuda.graph_pool_handle() if record else None

    def __len__(self) -> int:
        return len(self._waiting)

    def queue(self, batch: PackedBatch, planes_PRL: torch.Tensor, *, seed: int, kept: float) -> None:
        """Queue a step; at most two may be waiting to be read then.

        Args:
            batch: on the CPU.
            planes_PRL: `planes_of` it.
            seed: of the step's dropout, timesteps and noise.
            kept: share of the average of the weights that the step keeps.
        """
        shape = self._shape_of(planes_PRL, batch)
        slot, self._next = self._next, (self._next + 1) % _AT_ONCE
        staged = shape.staged[slot].copy_(planes_PRL)
        shape.planes_PRL.copy_(staged, non_blocking=True)
        if self.average.averages:
            self._average_share.fill_(1 - kept)
        self.generator.manual_seed(seed)
        if shape.graph is not None:
            shape.graph.replay()
        else:
            self._step(shape.batch)
        self._read[slot].copy_(self._report, non_blocking=True)
        if self._events:
            self._events[slot].record()
        self._waiting.append((slot, batch))

    def read(self) -> tuple[PackedBatch, dict[str, float] | None]:
        """Wait for the oldest step; return its batch and its losses by name, None where something was not finite."""
        slot, batch = self._waiting.popleft()
        if self._events:
            self._events[slot].synchronize()
        *values, skipped = self._read[slot].tolist()
        return batch, None if skipped else dict(zip(self.names, values, strict=True))

    def drop(self) -> None:
        """Wait for all that is queued and forget it."""
        while self._waiting:
            self.read()

    def forget(self) -> None:
        """Forget recordings: the tensors they step are others now."""
        self._shapes.clear()

    def _step(self, batch: PaddedBatch) -> None:
        """Learn from one batch."""
        self.optimizer.zero_grad()
        losses = self.objective.backward_unseen(batch, self.generator, self.trained)
        with torch.no_grad():
            values = torch.stack([losses[name] for name in self.names])
            gradients = [weight.grad for weight in self.trained.values() if weight.grad is not None]
            # Multiplies by 1, and sets `skip` to 1, for good, if anything is not finite.
            torch._amp_foreach_non_finite_check_and_unscale_([*gradients, values], self.skip, self._one)
            self.optimizer.step()
            going_on = 1 - self.skip
            if self.item_decay:
                self.objective.model.item_vectors_VD().mul_(1 - self.item_decay * going_on)
            self.average.update_by(self._average_share * going_on)
            torch.cat([values, self.skip.view(1)], out=self._report)

    def _shape_of(self, planes_PRL: torch.Tensor, batch: PackedBatch) -> _Shape:
        key = (*planes_PRL.shape, batch.sequences)
        if key not in self._shapes:
            on_device = planes_PRL.to(self.device, copy=True)
            pin = self.device.type == "cuda"
            shape = _Shape(
                planes_PRL=on_device,
                batch=PaddedBatch.of_planes(on_device, sequences=batch.sequences, prefixes=batch.prefixes),
                staged=[torch.empty(planes_PRL.shape, dtype=torch.int64, pin_memory=pin) for _ in range(_AT_ONCE)],
            )
            if self.record and len(self._shapes) < _MOST_GRAPHS:
                shape.graph = self._record(shape.batch)
            self._shapes[key] = shape
        return self._shapes[key]

    def _record(self, batch: PaddedBatch) -> torch.cuda.CUDAGraph:
        """Record a step over tensors as they lie in memory; nothing is learned meanwhile."""
        assert self._stream is not None
        skip = self.skip.clone()
        self.skip.fill_(1)
        self._stream.wait_stream(torch.cuda.current_stream(self.device))
        with torch.cuda.stream(self._stream):
            # Once without recording: what libraries and the optimizer set up at their first use stays outside.
            self._step(batch)
        torch.cuda.current_stream(self.device).wait_stream(self._stream)
        self.optimizer.zero_grad()
        graph = torch.cuda.CUDAGraph()
        graph.register_generator_state(self.generator)
        # Batches are made on another thread, which has nothing to do with the recording.
        recording = torch.cuda.graph(graph, pool=self._pool, stream=self._stream, capture_error_mode="thread_local")
        with ONE_CAPTURE, recording:
            self._step(batch)
        self.skip.copy_(skip)
        return graph
