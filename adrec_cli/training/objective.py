"""The losses a stage lowers, and their gradients over the batches of a step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import torch

from adrec_cli.errors import UsageError
from adrec_cli.models.base import SequentialRecommender, TokenOutputs
from adrec_cli.models.batch import Elsewhere, PackedBatch
from adrec_cli.models.stages import CATALOGUE_LOSS, Stage
from adrec_cli.training.competition import Competition, Rivals
from adrec_cli.training.contrast import same_target_contrast
from adrec_cli.training.gradient_sum import GradientSum
from adrec_cli.training.gradient_surgery import pcgrad_backward
from adrec_cli.training.guards import require_finite_losses
from adrec_cli.training.item_blocks import ItemBlocks
from adrec_cli.training.losses import denoising_errors
from adrec_cli.training.processes import ALONE, Processes
from adrec_cli.training.ranking_loss import RankingLoss
from adrec_cli.training.sampled_losses import ItemVectors

_AUTOCAST_DTYPES = {"float32": None, "medium": None, "bf16": torch.bfloat16}
_PRODUCTS = {"float32": "highest", "medium": "medium", "bf16": "highest"}
"""Of float32 numbers, as `torch.set_float32_matmul_precision` calls them."""


@contextmanager
def _products_of(precision: str) -> Iterator[None]:
    """Multiply float32 matrices in a precision for a while: what is ranked with has the one it had before."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(_PRODUCTS[precision])
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


@dataclass
class _Step:
    """A step whose parts are computed.

    Attributes:
        batches, generators, trained, where: as `Objective.backward` has them.
        seen: timesteps and squared errors of the tokens of the newest part, where the model wants to observe them.
    """

    batches: Sequence[PackedBatch | Elsewhere]
    generators: Sequence[torch.Generator]
    trained: Mapping[str, torch.nn.Parameter]
    where: str
    seen: tuple[torch.Tensor, torch.Tensor] | None = None

    @cached_property
    def targets(self) -> int:
        """How many targets all parts have."""
        return sum(batch.targets for batch in self.batches)

    @cached_property
    def sequences(self) -> int:
        """How many sequences all parts have."""
        return sum(batch.sequences for batch in self.batches)


@dataclass(frozen=True)
class _Begun:
    """A part whose network has run.

    Attributes:
        outputs: of the network.
        negatives: that its loss compares with; None without any.
    """

    outputs: TokenOutputs
    negatives: torch.Tensor | None


def _names(parts: Sequence[Mapping[str, Any]], kind: str) -> frozenset[str]:
    """Return the parameters that have a kind of gradient in any part."""
    return frozenset(name for part in parts for name in part[kind])


class Objective:
    """What a stage's options say is to be lowered, for one model."""

    def __init__(
        self,
        stage: Stage,
        model: SequentialRecommender,
        ranking_loss: RankingLoss,
        precision: str,
        processes: Processes = ALONE,
        blocks: ItemBlocks | None = None,
    ) -> None:
        """Take what all steps share.

        Args:
            stage: which losses, and their weights.
            model: under training.
            ranking_loss: of the stage.
            precision: of the network's matrix products, one of `stages.PRECISIONS`; losses are float32 whatever it is.
            processes: that compute the parts of a step.
            blocks: of the item table; None where it is whole.
        """
        self.processes, self.blocks = processes, blocks
        self.stage, self.model, self.ranking_loss = stage, model, ranking_loss
        self.precision, self.autocast_dtype = precision, _AUTOCAST_DTYPES[precision]
        self.competition = Competition.of(model)
        self.weights = {stage.ranking_loss: stage.ce_weight, "mse": stage.mse_weight, "contrast": stage.contrast_weight}

    def backward(
        self,
        batches: Sequence[PackedBatch | Elsewhere],
        generators: Sequence[torch.Generator],
        trained: Mapping[str, torch.nn.Parameter],
        *,
        where: str,
    ) -> tuple[dict[str, float], int]:
        """Give the parameters the gradient of a step that is computed in parts, a batch each.

        It is the gradient of one large batch: the ranking loss is a mean over all its targets, the denoising loss one
        over all its sequences. Each process computes one part of a round, and all add up the same in the same order.

        Args:
            batches: of the step.
            generators: of each batch's dropout, timesteps, noise and negatives.
            trained: parameters by name, without gradients.
            where: stage, epoch and step.

        Returns:
            The losses by name, without their weights, and the targets they are means over.

        Raises:
            DivergedError: a loss is not finite, in any of the processes.
        """
        processes, step = self.processes, _Step(batches, generators, trained, where)
        gradients = GradientSum(trained, processes, self.blocks)
        values: dict[str, float] = {}
        seen: list[tuple[torch.Tensor, torch.Tensor]] = []
        for begin in range(0, len(batches), processes.count):
            step.seen = None
            told = self._compute_round(step, begin + processes.rank)
            parts = [one for one in told if one]
            for name, value in (pair for part in parts for pair in part["values"].items()):
                values[name] = values.get(name, 0.0) + value
            gradients.take(len(parts), sparse=_names(parts, "sparse"), dense=_names(parts, "dense"))
            if parts[0]["seen"]:
                seen += self._seen_by_all(step)[: len(parts)]
        gradients.finish()
        # Only now: what a part draws must not depend on which others its process has computed before it.
        for timesteps_N, errors_N in seen:
            self.model.observe(timesteps_N, errors_N)
        return values, step.targets

    def _compute_round(self, step: _Step, number: int) -> list[dict[str, Any]]:
        """Compute a part in each process, in this one that of a number; return what each tells of its own.

        Of a table in blocks, all bring what the network looks up before it runs, and what the loss does after it.
        """
        if self.blocks is None:
            return self.processes.gather(lambda: self._end_part(step, number, self._begin_part(step, number)))
        batch = step.batches[number] if number < len(step.batches) else None
        self.blocks.bring(*([batch.inputs_RL, batch.targets_RL] if isinstance(batch, PackedBatch) else []))
        begun = self.processes.agree(partial(self._begin_part, step, number))
        self.blocks.bring_more(*([] if begun is None or begun.negatives is None else [begun.negatives]))
        return self.processes.gather(partial(self._end_part, step, number, begun))

    def _begin_part(self, step: _Step, number: int) -> _Begun | None:
        """Run the network on a part; None where there is none of this number, as there may be fewer than processes."""
        if number >= len(step.batches):
            return None
        batch = step.batches[number]
        assert isinstance(batch, PackedBatch)
        with _products_of(self.precision):
            return self._run(batch, step.generators[number])

    def _end_part(self, step: _Step, number: int, begun: _Begun | None) -> dict[str, Any]:
        """Leave the gradient of a part at the parameters and tell of it."""
        if begun is None:
            return {}
        batch = step.batches[number]
        assert isinstance(batch, PackedBatch)
        of_targets = batch.targets / step.targets
        share = {
            self.stage.ranking_loss: of_targets, "mse": batch.sequences / step.sequences, "contrast": of_targets
        }  # fmt: skip
        with _products_of(self.precision):
            losses, found, step.seen = self._losses(batch, begun, step.where)
            self._add_gradients(
                [self.weights[name] * share[name] * loss for name, loss in losses.items()], step.trained
            )
        gradients = self._gradients(step.trained)
        return {
            "values": {name: share[name] * value for name, value in found.items()},
            "sparse": [name for name, gradient in gradients.items() if gradient.is_sparse],
            "dense": [name for name, gradient in gradients.items() if not gradient.is_sparse],
            "seen": step.seen is not None,
        }

    def _gradients(self, trained: Mapping[str, torch.nn.Parameter]) -> dict[str, torch.Tensor]:
        """Return the gradients that backward passes have left, by name."""
        found = {name: weight.grad for name, weight in trained.items()}
        if self.blocks is not None:
            found |= dict.fromkeys(found.keys() & self.blocks.names, self.blocks.gradient)
        return {name: gradient for name, gradient in found.items() if gradient is not None}

    def _seen_by_all(self, step: _Step) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Return timesteps and squared errors of the tokens of each process's part."""
        device = next(iter(step.trained.values())).device
        nothing = torch.empty(0, dtype=torch.int64, device=device), torch.empty(0, device=device)
        timesteps_N, errors_N = step.seen or nothing
        return list(zip(self.processes.gather_rows(timesteps_N), self.processes.gather_rows(errors_N), strict=True))

    def backward_unseen(
        self, batch: PackedBatch, generator: torch.Generator, trained: Mapping[str, torch.nn.Parameter]
    ) -> dict[str, torch.Tensor]:
        """Add the gradients of a step of one batch to the parameters without waiting for the device.

        Args:
            batch: a `PaddedBatch`.
            generator, trained: as `backward`.

        Returns:
            The losses by name, without their weights; whether they are finite is not looked at.
        """
        with _products_of(self.precision):
            begun = self._run(batch, generator)
            losses, _ = self._losses_of(batch, begun, self._vectors(begun.outputs))
            self._add_gradients([self.weights[name] * loss for name, loss in losses.items()], trained)
        return losses

    def _add_gradients(self, weighted: list[torch.Tensor], trained: Mapping[str, torch.nn.Parameter]) -> None:
        if self.stage.pcgrad:
            pcgrad_backward(weighted, trained.values())
        else:
            torch.stack(weighted).sum().backward()  # type: ignore[no-untyped-call]

    def _run(self, batch: PackedBatch, generator: torch.Generator) -> _Begun:
        """Run the network on a batch and draw what its loss compares with."""
        outputs = self._outputs(batch, generator)
        if not self.stage.ce_weight or self.stage.ranking_loss == CATALOGUE_LOSS:
            return _Begun(outputs, None)
        return _Begun(outputs, self.ranking_loss.draw(len(outputs.targets_N), generator))

    def _losses(
        self, batch: PackedBatch, begun: _Begun, where: str
    ) -> tuple[dict[str, torch.Tensor], dict[str, float], tuple[torch.Tensor, torch.Tensor] | None]:
        """Return a batch's losses by name, their values, which are finite, and what the model wants to observe."""
        outputs, vectors = begun.outputs, self._vectors(begun.outputs)
        losses, errors_N = self._losses_of(batch, begun, vectors)
        values = {name: loss.item() for name, loss in losses.items()}
        inputs = {"predicted": outputs.predicted_ND}
        if isinstance(vectors, torch.Tensor):
            inputs["item vectors"] = vectors
        require_finite_losses(values, where=where, inputs=inputs)
        if outputs.timesteps_N is None or errors_N is None:
            return losses, values, None
        return losses, values, (outputs.timesteps_N, errors_N.detach())

    def _vectors(self, outputs: TokenOutputs) -> ItemVectors:
        """Return the vectors of all items, or what computes those of the few that the loss looks up."""
        if outputs.vectors_VD is not None:
            return outputs.vectors_VD
        if self.blocks is not None:
            return self.blocks
        if self.model.computes_item_vectors and self.ranking_loss.looks_up_few(len(outputs.targets_N)):
            return self.model.compute_item_vectors
        return self.model.item_vectors_VD()

    def _losses_of(
        self, batch: PackedBatch, begun: _Begun, vectors: ItemVectors
    ) -> tuple[dict[str, torch.Tensor], torch.Tensor | None]:
        """Return the losses of a batch's outputs by name, and each token's squared error where it is one of them."""
        stage, outputs, errors_N = self.stage, begun.outputs, None
        losses: dict[str, torch.Tensor] = {}
        if stage.ce_weight:
            rivals = Rivals(vectors=vectors, targets_N=outputs.targets_N, bias=self.model.token_bias(batch))
            rivals = rivals if self.competition is None else self.competition.of_rivals(rivals)
            losses[stage.ranking_loss] = self.ranking_loss(
                outputs.predicted_ND, rivals.vectors, rivals.targets_N, begun.negatives, rivals.bias,
                padded=outputs.padded,
            )  # fmt: skip
        if stage.mse_weight:
            if outputs.x_start_ND is None:
                raise UsageError(f"output {stage.output!r} of {self.model.name} has no x_start for an MSE loss")
            x_start_ND = outputs.x_start_ND if stage.mse_target_gradient else outputs.x_start_ND.detach()
            errors_N = denoising_errors(outputs.predicted_ND, x_start_ND)
            losses["mse"] = errors_N @ outputs.weights_N
        if stage.contrast_weight:
            losses["contrast"] = same_target_contrast(
                outputs.predicted_ND, outputs.targets_N, temperature=stage.contrast_temperature
            )
        return losses, errors_N

    def _outputs(self, batch: PackedBatch, generator: torch.Generator) -> TokenOutputs:
        """Return the network's outputs in float32, computed in the precision that was asked for."""
        if self.autocast_dtype is None:
            return self.model.token_outputs(batch, output=self.stage.output, generator=generator)
        with torch.autocast(generator.device.type, dtype=self.autocast_dtype):
            outputs = self.model.token_outputs(batch, output=self.stage.output, generator=generator)
        return TokenOutputs(
            predicted_ND=outputs.predicted_ND.float(),
            x_start_ND=None if outputs.x_start_ND is None else outputs.x_start_ND.float(),
            targets_N=outputs.targets_N,
            weights_N=outputs.weights_N,
            vectors_VD=outputs.vectors_VD,
            timesteps_N=outputs.timesteps_N,
            padded=outputs.padded,
        )
