"""The one loop that trains every stage of every model. It yields events and prints nothing."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import asdict
from typing import NoReturn

import torch

from adrec_cli.data.ahead import make_ahead
from adrec_cli.data.batches import TrainingWindows, epoch_steps
from adrec_cli.errors import DivergedError, UsageError, look_up
from adrec_cli.models.base import SequentialRecommender
from adrec_cli.models.batch import Elsewhere, PackedBatch
from adrec_cli.models.padded_batch import planes_of
from adrec_cli.models.stages import Stage, TrainingConfig, require_compatible
from adrec_cli.runtime import make_generator, seed_for
from adrec_cli.schema import PAD
from adrec_cli.training.averaging import WeightAverage
from adrec_cli.training.diagnostics import EmbeddingHealth, LossWatch, measure_health
from adrec_cli.training.epoch_times import EpochTimes, EpochWatch
from adrec_cli.training.events import EpochDone, StepDone, TrainingWarning
from adrec_cli.training.freezing import freeze_all_but
from adrec_cli.training.guards import (
    advise_on_divergence,
    require_finite_gradients,
    require_finite_weights,
    require_same_weights,
)
from adrec_cli.training.item_blocks import ItemBlocks
from adrec_cli.training.learnable import require_learnable, require_table
from adrec_cli.training.objective import Objective
from adrec_cli.training.optimizers import StageOptimizer
from adrec_cli.training.position import Position
from adrec_cli.training.processes import ALONE, Processes
from adrec_cli.training.queued_steps import QueuedSteps, choose_stepping
from adrec_cli.training.ranking_loss import RankingLoss
from adrec_cli.training.restoring import collect_state, restore_state

Validate = Callable[[], Mapping[str, float]]
"""Returns validation metrics by name; what it raises leaves the training where it was before."""


class StageTraining:
    """A stage under way: a model, its optimizer, and where it stands."""

    def __init__(
        self,
        *,
        name: str,
        stage: Stage,
        config: TrainingConfig,
        model: SequentialRecommender,
        windows: TrainingWindows,
        validate: Validate,
        device: torch.device,
        stepping: str = "auto",
        processes: Processes = ALONE,
        blocks: ItemBlocks | None = None,
    ) -> None:
        """Put a stage together.

        Args:
            name, stage, config: what is trained, and how.
            model: with its starting weights, on the device.
            windows: to learn from.
            validate: asked after epochs.
            device: to compute on.
            stepping: one of `STEPPING`; "auto" records steps on CUDA where it can.
            processes: that compute the parts of a step; all of them go through the same events.
            blocks: the model's item table, where `config.shard_items` has it cut up; None where it is whole.

        Raises:
            UsageError: there is nothing to learn from, or options do not go together.
        """
        if not len(windows):
            raise UsageError("nothing to learn from: no user has two train events", hint="relax the filters")
        require_compatible(name, stage, config)
        require_learnable(name, stage, model, windows)
        require_table(name, stage, config, model)
        self.name, self.stage, self.config = name, stage, config
        self.model, self.windows, self.validate, self.device = model, windows, validate, device
        self.processes, self.blocks = processes, blocks
        self.position = Position()
        self.steps = -(-len(windows) // config.batch_size)
        self.trained = freeze_all_but(model, stage.trains, stage=name)
        stepping, self.notice = choose_stepping(stepping, name, stage, config, model, device)
        skip = None if stepping == "immediate" else torch.zeros((), device=device)
        self.optimizer = self._make_optimizer(skip)
        model.give_sparse_item_gradients(self.optimizer.steps_rows)
        if config.compile:
            model.compile_blocks()
        ranking_loss = RankingLoss.from_windows(stage, model, windows, sparse=self.optimizer.steps_rows)
        self.objective = Objective(stage, model, ranking_loss, config.precision, processes, blocks)
        self.average = WeightAverage(stage.average_decay, self.trained)
        self.best: dict[str, torch.Tensor] = {}
        self.watch = LossWatch()
        self.queued = None if skip is None else self._queue_steps(skip, record=stepping == "recorded")

    def _queue_steps(self, skip: torch.Tensor, *, record: bool) -> QueuedSteps:
        return QueuedSteps(
            self.objective, self.optimizer, self.average, self.trained,
            skip=skip, item_decay=1 - self._decay_factor, record=record,
        )  # fmt: skip

    def _make_optimizer(self, skip: torch.Tensor | None) -> StageOptimizer:
        return StageOptimizer(
            self.trained,
            self._item_vectors,
            embedding_optimizer=self.config.embedding_optimizer,
            learning_rate=self.stage.learning_rate,
            embedding_learning_rate=self.config.embedding_learning_rate,
            weight_decay=self.config.weight_decay,
            skip=skip,
        )

    @property
    def _item_vectors(self) -> torch.Tensor:
        """Those that this process steps: all, or its block."""
        return self.model.item_vectors_VD() if self.blocks is None else self.blocks.weight

    def events(self) -> Generator[StepDone | EpochDone | TrainingWarning]:
        """Train until the stage is over, yielding what happened.

        Between any two events the state can be saved and the iteration left, to be resumed later. Once it has come
        to its end the model holds the weights the stage hands over.

        Raises:
            DivergedError: a loss or a gradient is not finite and the weights are those before the step, or a step has
            made weights that are not finite.
        """
        if self.notice:
            yield self._warning(self.position.epoch + 1, self.notice)
        self._read_all()
        while not self.finished:
            watch = EpochWatch()
            tokens_before = self.position.tokens
            yield from self._steps() if self.queued is None else self._run_queued(self.queued)
            self.require_finite()
            require_same_weights(self._choose_shared_weights(), self.processes, where=self._place)
            watch.end_training()
            due = (self.position.epoch + 1) % self.stage.validate_every == 0 or self._is_last_epoch
            with self.average.in_place():
                metrics = self.validate() if due else {}
            took = watch.times()
            rate = (self.position.tokens - tokens_before) / max(watch.train_seconds, 1e-9)
            health = measure_health(self.model, self.blocks)
            yield self._end_epoch(metrics, rate, took, health)
            if health.warning:
                yield self._warning(self.position.epoch, health.warning)
        self._hand_over()

    def require_finite(self) -> None:
        """Refuse to continue with weights that the last step made NaN or infinite.

        Raises:
            DivergedError: naming the weight.
        """
        self._read_all()
        self._agree(lambda: require_finite_weights(self.model.state_dict().items(), where=self._place))

    def _agree(self, check: Callable[[], None]) -> None:
        """Check what is the same in all processes, unless a block of item vectors is among it."""
        if self.blocks is None:
            check()
        else:
            self.processes.agree(check)

    def _choose_shared_weights(self) -> dict[str, torch.Tensor]:
        """Return the weights that all processes have."""
        weights = self.model.state_dict()
        return {name: one for name, one in weights.items() if self.blocks is None or not self.blocks.holds(name)}

    @property
    def _place(self) -> str:
        return f"{self.name} epoch {self.position.epoch + 1} after step {self.position.step}"

    @property
    def finished(self) -> bool:
        """Whether all epochs are done or patience has run out."""
        waited = self.stage.patience and self.position.stale_validations >= self.stage.patience
        return bool(waited) or self.position.epoch >= self.stage.epochs

    @property
    def _is_last_epoch(self) -> bool:
        return self.position.epoch + 1 >= self.stage.epochs

    @property
    def _learning_rate(self) -> float:
        if self.stage.learning_rate_schedule == "cosine":
            return self.stage.learning_rate * 0.5 * (1 + math.cos(math.pi * self.position.epoch / self.stage.epochs))
        return self.stage.learning_rate

    def _warning(self, epoch: int, message: str) -> TrainingWarning:
        return TrainingWarning(stage=self.name, epoch=epoch, message=f"{self.name} epoch {epoch}: {message}")

    def _steps(self) -> Iterator[StepDone | TrainingWarning]:
        """Go through what is left of the epoch."""
        for batches in self._begin_epoch():
            started = time.perf_counter()
            tokens, loss = self._step(*(batch.to(self.device) for batch in batches))
            yield from self._tell_step(loss, tokens / (time.perf_counter() - started))

    def _begin_epoch(self) -> Iterator[list[PackedBatch | Elsewhere]]:
        """Make the model ready for what is left of the epoch, and return its batches."""
        self.optimizer.set_learning_rate(self._learning_rate)
        self.model.train()
        return epoch_steps(
            self.windows,
            batch_size=self.config.batch_size, parts=self.config.accumulate, max_length=self.model.max_length,
            generator=make_generator(self.config.seed, self.name, "order", self.position.epoch),
            first=self.position.step,
            turn=self.processes.rank, turns=self.processes.count,
        )  # fmt: skip

    def _tell_step(self, loss: float, rate: float) -> Iterator[StepDone | TrainingWarning]:
        """Tell of the newest step."""
        if message := self.watch.observe(loss):
            yield self._warning(self.position.epoch + 1, f"step {self.position.step}: {message}")
        yield StepDone(
            stage=self.name,
            epoch=self.position.epoch + 1,
            epochs=self.stage.epochs,
            step=self.position.step,
            steps=self.steps,
            losses=self._mean_losses(),
            tokens_per_second=rate,
        )

    def _run_queued(self, queued: QueuedSteps) -> Iterator[StepDone | TrainingWarning]:
        """Go through what is left of the epoch, a step ahead of what is read and reported."""
        whole = (batch for batches in self._begin_epoch() for batch in batches if isinstance(batch, PackedBatch))
        planes = ((batch, planes_of(batch, self.model.max_length)) for batch in whole)
        started = time.perf_counter()
        for batch, planes_PRL in make_ahead(planes):
            self._queue(queued, batch, planes_PRL)
            if len(queued) > 1:
                tokens, loss = self._read(queued)
                yield from self._tell_step(loss, tokens / (time.perf_counter() - started))
                started = time.perf_counter()
        while len(queued):
            tokens, loss = self._read(queued)
            yield from self._tell_step(loss, tokens / (time.perf_counter() - started))

    def _queue(self, queued: QueuedSteps, batch: PackedBatch, planes_PRL: torch.Tensor) -> None:
        position, ahead = self.position, len(queued)
        seed = seed_for(self.config.seed, self.name, "step", position.epoch, position.step + ahead)
        kept = self.average.compute_decay(position.total_steps + ahead + 1)
        queued.queue(batch, planes_PRL, seed=seed, kept=kept)

    def _read(self, queued: QueuedSteps) -> tuple[int, float]:
        """Read the oldest step that is queued; return its targets and the loss that was lowered."""
        batch, values = queued.read()
        if values is None:
            self._raise_diverged(batch, queued)
        self._count_step(values, batch.targets)
        return batch.targets, sum(self.objective.weights[name] * value for name, value in values.items())

    def _read_all(self) -> None:
        """Read what is queued, so that the position is that of the weights."""
        while self.queued is not None and len(self.queued):
            self._read(self.queued)

    def _raise_diverged(self, batch: PackedBatch, queued: QueuedSteps) -> NoReturn:
        """Compute a step again that was not finite, this time looking at everything, and say what is wrong.

        The weights are still those before it: neither it nor those queued after it have changed a byte.
        """
        queued.drop()
        where = f"{self.name} epoch {self.position.epoch + 1} step {self.position.step + 1}"
        self.optimizer.zero_grad()
        self.objective.backward([batch.to(self.device)], self._generators(1), self.trained, where=where)
        require_finite_gradients(self.trained.items(), where=where)
        raise DivergedError(f"{where}: a loss or a gradient is not finite", hint=advise_on_divergence())

    def _step(self, *batches: PackedBatch | Elsewhere) -> tuple[int, float]:
        """Learn from the batches of a step; return their targets and the loss that was lowered."""
        position = self.position
        where = f"{self.name} epoch {position.epoch + 1} step {position.step + 1}"
        self.optimizer.zero_grad()
        values, targets = self.objective.backward(batches, self._generators(len(batches)), self.trained, where=where)
        self._agree(lambda: require_finite_gradients(self.trained.items(), where=where))
        self.optimizer.step()
        self._decay_frozen_embedding()
        self.average.update(position.total_steps + 1)
        self._count_step(values, targets)
        return targets, sum(self.objective.weights[name] * value for name, value in values.items())

    def _count_step(self, values: Mapping[str, float], targets: int) -> None:
        position = self.position
        position.step += 1
        position.total_steps += 1
        position.tokens += targets
        for name, value in values.items():
            position.sums[name] = position.sums.get(name, 0.0) + value * targets

    def _generators(self, count: int) -> list[torch.Generator]:
        """Return a generator for each batch of the step; the first one's does not depend on how many there are."""
        purpose = (self.name, "step", self.position.epoch, self.position.step)
        parts = [purpose, *((*purpose, part) for part in range(1, count))]
        return [make_generator(self.config.seed, *part, device=self.device) for part in parts]

    def _decay_frozen_embedding(self) -> None:
        if self.stage.embedding_decay:
            with torch.no_grad():
                self._item_vectors.mul_(self._decay_factor)

    @property
    def _decay_factor(self) -> float:
        """What a step multiplies frozen item vectors with."""
        return float((1 - self.stage.embedding_decay) ** (1 / (self.steps * self.stage.epochs)))

    def _mean_losses(self) -> dict[str, float]:
        return {name: total / self.position.tokens for name, total in self.position.sums.items()}

    def _end_epoch(
        self,
        metrics: Mapping[str, float],
        rate: float,
        took: EpochTimes,
        health: EmbeddingHealth,
    ) -> EpochDone:
        position = self.position
        position.epoch += 1
        value = self._find_monitored(metrics)
        improved = value is not None and value > position.best_value
        # Without any validation the newest weights are the ones kept.
        if improved or self.stage.keep == "last" or (value is None and not self.best):
            position.best_epoch, position.best_step = position.epoch, position.total_steps
            position.best_metrics = dict(metrics)
        if improved:
            assert value is not None
            position.best_value = value
            position.stale_validations = 0
            if self.stage.keep == "best":
                self.best = self._copy_weights()
        elif value is not None:
            position.stale_validations += 1
        event = EpochDone(
            stage=self.name,
            epoch=position.epoch,
            epochs=self.stage.epochs,
            losses=self._mean_losses(),
            valid=dict(metrics),
            improved=improved,
            learning_rate=self.optimizer.learning_rate,
            tokens_per_second=rate,
            **asdict(took),
            **health.figures(),
        )
        position.step, position.tokens, position.sums = 0, 0, {}
        return event

    def _find_monitored(self, metrics: Mapping[str, float]) -> float | None:
        if not metrics:
            return None
        return look_up(metrics, self.config.monitor, "metric to monitor")

    def _copy_weights(self) -> dict[str, torch.Tensor]:
        """Return a copy of all weights, the averages in place of those that are averaged."""
        weights = {**self.model.state_dict(), **self.average.averages}
        return {name: weight.detach().clone() for name, weight in weights.items()}

    def _hand_over(self) -> None:
        self.model.load_state_dict(self.best or self._copy_weights())
        if self.blocks is None or self.processes.first:
            with torch.no_grad():
                self._item_vectors[PAD].zero_()

    def state(self) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
        """Return all that resuming needs: weights, best ones, averages, moments, and the position as JSON.

        Raises:
            DivergedError: a step that was queued is not finite.
        """
        self._read_all()
        return collect_state(self)

    def restore(self, tensors: Mapping[str, torch.Tensor], text: Mapping[str, str]) -> None:
        """Continue from what `state()` returned; of tensors in blocks, their own or the whole.

        Raises:
            ArtifactError: it does not fit this model and stage.
        """
        restore_state(self, tensors, text)
