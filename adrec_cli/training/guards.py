"""Checks that raise before the optimizer steps; none of them ever replaces a value."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping

import torch

from adrec_cli.diagnostics.finite import all_finite
from adrec_cli.errors import DivergedError
from adrec_cli.training.processes import Processes
from adrec_cli.wording import option, say_count


def advise_on_divergence() -> str:
    """Return the hint for a training whose numbers are not finite."""
    return f"lower the learning rate ({option('learning_rate')}), check the data, or resume from the last saved state"


def require_finite_losses(losses: Mapping[str, float], *, where: str, inputs: Mapping[str, torch.Tensor]) -> None:
    """Raise unless every loss is finite.

    Args:
        losses: by name.
        where: stage, epoch and step.
        inputs: what the losses were computed from; their largest magnitudes are reported.

    Raises:
        DivergedError: naming the first loss that is not finite.
    """
    for name, value in losses.items():
        if not math.isfinite(value):
            raise DivergedError(
                f"{where}: loss {name} is {value}; largest inputs: {_largest(inputs)}", hint=advise_on_divergence()
            )


def require_finite_gradients(parameters: Iterable[tuple[str, torch.nn.Parameter]], *, where: str) -> None:
    """Raise unless every gradient is finite.

    Args:
        parameters: names and parameters that are about to be stepped; sparse gradients are coalesced.
        where: stage, epoch and step.

    Raises:
        DivergedError: naming the first gradient that is not finite.
    """
    named = [
        (name, parameter.grad.values() if parameter.grad.is_sparse else parameter.grad)
        for name, parameter in parameters
        if parameter.grad is not None
    ]
    norms = torch.stack(torch._foreach_norm([gradient for _, gradient in named]))
    if bool(torch.isfinite(norms).all()):
        return
    for (name, gradient), norm in zip(named, norms, strict=True):
        if not bool(torch.isfinite(norm)):
            bad = int((~torch.isfinite(gradient)).sum())
            raise DivergedError(
                f"{where}: the gradient of {name} is not finite ({bad:,} of "
                f"{say_count(gradient.numel(), 'entry', 'entries')}, norm {norm})",
                hint=advise_on_divergence(),
            )


def require_finite_weights(weights: Iterable[tuple[str, torch.Tensor]], *, where: str) -> None:
    """Raise unless every weight is finite, so that none that is not is ranked with or saved.

    Args:
        weights: names and tensors.
        where: stage and epoch.

    Raises:
        DivergedError: naming the first weight that is not finite.
    """
    for name, weight in weights:
        if not all_finite(weight):
            bad = int((~torch.isfinite(weight)).sum())
            raise DivergedError(
                f"{where}: weight {name} is not finite ({bad:,} of {say_count(weight.numel(), 'entry', 'entries')})",
                hint=advise_on_divergence(),
            )


def require_same_weights(weights: Mapping[str, torch.Tensor], processes: Processes, *, where: str) -> None:
    """Raise unless all processes that train together have the same weights to the byte.

    Raises:
        DivergedError: naming a process whose weights are others than the first one's.
    """
    if processes.count == 1:
        return
    digests = processes.gather(lambda: _digest(weights))
    for rank, digest in enumerate(digests):
        if digest != digests[0]:
            raise DivergedError(
                f"{where}: process {rank} has other weights than process 0: the machines compute differently",
                hint="train on machines of one kind",
            )


def _digest(weights: Mapping[str, torch.Tensor]) -> str:
    digest = hashlib.sha256()
    for weight in weights.values():
        digest.update(weight.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _largest(inputs: Mapping[str, torch.Tensor]) -> str:
    return ", ".join(f"|{name}| {tensor.detach().abs().max().item():.4g}" for name, tensor in inputs.items())
