"""The losses a stage lowers, and their gradients over the batches of a step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch

from adrec_cli.errors import UsageError
from adrec_cli.models.base import SequentialRecommender, TokenOutputs
from adrec_cli.models.batch import PackedBatch
from adrec_cli.models.stages import Stage
from adrec_cli.training.competition import Competition, Rivals
from adrec_cli.training.contrast import same_target_contrast
from adrec_cli.training.gradient_surgery import pcgrad_backward
from adrec_cli.training.guards import require_finite_losses
from adrec_cli.training.losses import denoising_errors
from adrec_cli.training.ranking_loss import RankingLoss

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


class Objective:
    """What a stage's options say is to be lowered, for one model."""

    def __init__(self, stage: Stage, model: SequentialRecommender, ranking_loss: RankingLoss, precision: str) -> None:
        """Take what all steps share.

        Args:
            stage: which losses, and their weights.
            model: under training.
            ranking_loss: of the stage.
            precision: of the network's matrix products, one of `stages.PRECISIONS`; losses are float32 whatever it is.
        """
        self.stage, self.model, self.ranking_loss = stage, model, ranking_loss
        self.precision, self.autocast_dtype = precision, _AUTOCAST_DTYPES[precision]
        self.competition = Competition.of(model)
        self.weights = {stage.ranking_loss: stage.ce_weight, "mse": stage.mse_weight, "contrast": stage.contrast_weight}

    def backward(
        self,
        batches: Sequence[PackedBatch],
        generators: Sequence[torch.Generator],
        trained: Mapping[str, torch.nn.Parameter],
        *,
        where: str,
    ) -> tuple[dict[str, float], int]:
        """Add the gradients of a step to the parameters, one batch after the other.

        Together they are the gradient of one large batch: the ranking loss is a mean over all its targets, the
        denoising loss one over all its sequences.

        Args:
            batches: of the step.
            generators: of each batch's dropout, timesteps, noise and negatives.
            trained: parameters by name.
            where: stage, epoch and step.

        Returns:
            The losses by name, without their weights, and the targets they are means over.

        Raises:
            DivergedError: a loss is not finite.
        """
        examples = [batch.targets for batch in batches]
        sequences = sum(batch.sequences for batch in batches)
        values: dict[str, float] = {}
        for batch, generator, count in zip(batches, generators, examples, strict=True):
            of_targets = count / sum(examples)
            share = {self.stage.ranking_loss: of_targets, "mse": batch.sequences / sequences, "contrast": of_targets}
            with _products_of(self.precision):
                losses, found = self._losses(batch, generator, where)
                self._add_gradients([self.weights[name] * share[name] * loss for name, loss in losses.items()], trained)
            for name, value in found.items():
                values[name] = values.get(name, 0.0) + share[name] * value
        return values, sum(examples)

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
            outputs = self._outputs(batch, generator)
            losses = self._losses_of(batch, outputs, self._vectors_VD(outputs), generator)
            self._add_gradients([self.weights[name] * loss for name, loss in losses.items()], trained)
        return losses

    def _add_gradients(self, weighted: list[torch.Tensor], trained: Mapping[str, torch.nn.Parameter]) -> None:
        if self.stage.pcgrad:
            pcgrad_backward(weighted, trained.values())
        else:
            torch.stack(weighted).sum().backward()  # type: ignore[no-untyped-call]

    def _losses(
        self, batch: PackedBatch, generator: torch.Generator, where: str
    ) -> tuple[dict[str, torch.Tensor], dict[str, float]]:
        """Return a batch's losses by name, and their values, which are finite."""
        outputs = self._outputs(batch, generator)
        vectors_VD = self._vectors_VD(outputs)
        losses = self._losses_of(batch, outputs, vectors_VD, generator)
        values = {name: loss.item() for name, loss in losses.items()}
        require_finite_losses(
            values, where=where, inputs={"predicted": outputs.predicted_ND, "item vectors": vectors_VD}
        )
        return losses, values

    def _vectors_VD(self, outputs: TokenOutputs) -> torch.Tensor:
        return self.model.item_vectors_VD() if outputs.vectors_VD is None else outputs.vectors_VD

    def _losses_of(
        self, batch: PackedBatch, outputs: TokenOutputs, vectors_VD: torch.Tensor, generator: torch.Generator
    ) -> dict[str, torch.Tensor]:
        """Return the losses of a batch's outputs by name."""
        stage = self.stage
        losses: dict[str, torch.Tensor] = {}
        if stage.ce_weight:
            rivals = Rivals(vectors_VD=vectors_VD, targets_N=outputs.targets_N, bias=self.model.token_bias(batch))
            rivals = rivals if self.competition is None else self.competition.of_rivals(rivals)
            losses[stage.ranking_loss] = self.ranking_loss(
                outputs.predicted_ND, rivals.vectors_VD, rivals.targets_N, generator, rivals.bias, padded=outputs.padded
            )
        if stage.mse_weight:
            if outputs.x_start_ND is None:
                raise UsageError(f"output {stage.output!r} of {self.model.name} has no x_start for an MSE loss")
            x_start_ND = outputs.x_start_ND if stage.mse_target_gradient else outputs.x_start_ND.detach()
            errors_N = denoising_errors(outputs.predicted_ND, x_start_ND)
            losses["mse"] = errors_N @ outputs.weights_N
            if outputs.observe is not None:
                outputs.observe(errors_N)
        if stage.contrast_weight:
            losses["contrast"] = same_target_contrast(
                outputs.predicted_ND, outputs.targets_N, temperature=stage.contrast_temperature
            )
        return losses

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
            observe=outputs.observe,
            padded=outputs.padded,
        )
