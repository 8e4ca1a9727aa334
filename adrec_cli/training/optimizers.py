"""What steps the weights of a stage: Adam, and for item vectors on request an update of the rows a step used alone."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import torch

_ADAM_BETAS = (0.9, 0.999)
_EPS = 1e-8


class RowOptimizer(torch.optim.Optimizer, ABC):
    """Steps the rows that have a sparse gradient; all others, and their moments, stay byte for byte.

    Weight decay is L2 on the rows that are stepped, at the time they are.
    """

    def __init__(self, weight: torch.nn.Parameter, *, lr: float, weight_decay: float) -> None:
        super().__init__([weight], {"lr": lr, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Step the rows in use; the gradient must be coalesced."""
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self.state[weight]
                if not state:
                    state |= self.fresh_state(weight)
                state["step"] += 1
                rows_U, gradient_UD = weight.grad.indices()[0], weight.grad.values()
                if group["weight_decay"]:
                    gradient_UD = gradient_UD + group["weight_decay"] * weight[rows_U]
                weight.index_add_(0, rows_U, self._direction(rows_U, gradient_UD, state), alpha=-group["lr"])

    @staticmethod
    @abstractmethod
    def fresh_state(weight: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the moments before the first step."""

    @abstractmethod
    def _direction(
        self, rows_U: torch.Tensor, gradient_UD: torch.Tensor, state: Mapping[str, torch.Tensor]
    ) -> torch.Tensor:
        """Update the rows' moments and return what to go against."""


class SparseAdam(RowOptimizer):
    """Adam whose moments of a row move only when the row is used.

    Source: Kingma, Ba 2015, made lazy as in `torch.optim.SparseAdam`; steps are counted for all rows together.
    """

    @staticmethod
    def fresh_state(weight: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return two moments a number: as much memory as Adam."""
        return {"step": torch.zeros(()), "exp_avg": torch.zeros_like(weight), "exp_avg_sq": torch.zeros_like(weight)}

    def _direction(
        self, rows_U: torch.Tensor, gradient_UD: torch.Tensor, state: Mapping[str, torch.Tensor]
    ) -> torch.Tensor:
        first, second = _ADAM_BETAS
        mean_UD = state["exp_avg"][rows_U].lerp_(gradient_UD, 1 - first)
        square_UD = state["exp_avg_sq"][rows_U].mul_(second).addcmul_(gradient_UD, gradient_UD, value=1 - second)
        state["exp_avg"].index_copy_(0, rows_U, mean_UD)
        state["exp_avg_sq"].index_copy_(0, rows_U, square_UD)
        steps = int(state["step"])
        root_UD = square_UD.sqrt_().div_((1 - second**steps) ** 0.5).add_(_EPS)
        return mean_UD.div_(root_UD).div_(1 - first**steps)


class RowwiseAdagrad(RowOptimizer):
    """Adagrad with one number per row, the sum of its mean squared gradients: hardly any memory.

    Source: Duchi et al. 2011; a number a row as in Mudigere et al. 2022, arXiv 2104.05158.
    """

    @staticmethod
    def fresh_state(weight: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return one sum per row."""
        return {"step": torch.zeros(()), "sum": weight.new_zeros(len(weight))}

    def _direction(
        self, rows_U: torch.Tensor, gradient_UD: torch.Tensor, state: Mapping[str, torch.Tensor]
    ) -> torch.Tensor:
        sum_U = state["sum"][rows_U] + gradient_UD.square().mean(dim=1)
        state["sum"].index_copy_(0, rows_U, sum_U)
        return gradient_UD / sum_U.sqrt().add_(_EPS).unsqueeze(1)


_ROW_OPTIMIZERS: Mapping[str, type[RowOptimizer]] = {"sparse_adam": SparseAdam, "rowwise_adagrad": RowwiseAdagrad}


class StageOptimizer:
    """The optimizers of a stage's weights as one."""

    def __init__(
        self,
        trained: Mapping[str, torch.nn.Parameter],
        item_vectors: torch.Tensor,
        *,
        embedding_optimizer: str,
        learning_rate: float,
        embedding_learning_rate: float = 0.0,
        weight_decay: float,
        skip: torch.Tensor | None = None,
    ) -> None:
        """Adam for everything, unless item vectors are trained and have an optimizer of their own.

        Args:
            trained: parameters by name.
            item_vectors: those of the model, trained or not.
            embedding_optimizer: a name in `stages.EMBEDDING_OPTIMIZERS`.
            learning_rate, weight_decay: of all.
            embedding_learning_rate: of item vectors that are stepped by rows; 0 takes `learning_rate`.
            skip: a number on the weights' device: where it is 1, a step leaves every byte as it is. With Adam alone;
                the learning rate is then kept there too, so that a step asks nothing of the host.
        """
        self.embedding_share = (embedding_learning_rate or learning_rate) / learning_rate
        self.trained = trained
        self._rate = learning_rate
        kind = _ROW_OPTIMIZERS.get(embedding_optimizer)
        by_rows = [weight for weight in trained.values() if weight is item_vectors and kind is not None]
        dense = [weight for weight in trained.values() if not any(weight is one for one in by_rows)]
        self.optimizers: list[torch.optim.Optimizer] = []
        if dense and skip is None:
            self.optimizers.append(torch.optim.Adam(dense, lr=learning_rate, weight_decay=weight_decay, fused=True))
        elif dense and skip is not None:
            self.optimizers.append(_adam_on_device(dense, learning_rate, weight_decay, skip))
        for weight in by_rows:
            assert kind is not None
            self.optimizers.append(kind(weight, lr=learning_rate, weight_decay=weight_decay))
        self.steps_rows = bool(by_rows)
        if self.steps_rows:
            # Off anyway, but PyTorch 2.11 warns of it unless it is said.
            torch.sparse.check_sparse_tensor_invariants.disable()  # type: ignore[no-untyped-call]

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """The groups of all optimizers."""
        return [group for optimizer in self.optimizers for group in optimizer.param_groups]

    @property
    def learning_rate(self) -> float:
        """The rate of the first group."""
        return self._rate * self._share(self.optimizers[0])

    def _share(self, optimizer: torch.optim.Optimizer) -> float:
        return self.embedding_share if isinstance(optimizer, RowOptimizer) else 1.0

    def set_learning_rate(self, learning_rate: float) -> None:
        """Let all step at this rate; item vectors that are stepped by rows in their proportion to it."""
        self._rate = learning_rate
        for optimizer in self.optimizers:
            share = self._share(optimizer)
            for group in optimizer.param_groups:
                if isinstance(group["lr"], torch.Tensor):
                    group["lr"].fill_(learning_rate * share)
                else:
                    group["lr"] = learning_rate * share

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)

    def step(self) -> None:
        """Step every weight that has a gradient."""
        for optimizer in self.optimizers:
            optimizer.step()

    def moments(self) -> dict[str, torch.Tensor]:
        """Return the moments of all weights that have been stepped, as "moment/weight"."""
        found = {}
        for name, weight in self.trained.items():
            for moment, value in self._owner(weight).state.get(weight, {}).items():
                found[f"{moment}/{name}"] = value
        return found

    def restore(self, moments: Mapping[str, torch.Tensor]) -> None:
        """Take back what `moments` returned.

        Raises:
            ValueError: some are missing, unknown, or of another shape.
        """
        restored: dict[torch.nn.Parameter, dict[str, torch.Tensor]] = {}
        for name, weight in self.trained.items():
            owner = self._owner(weight)
            expected = owner.fresh_state(weight) if isinstance(owner, RowOptimizer) else _adam_state(weight)
            found = {moment: moments[key] for moment in expected if (key := f"{moment}/{name}") in moments}
            if not found:
                continue
            if any(moment not in found or found[moment].shape != like.shape for moment, like in expected.items()):
                raise ValueError(f"the optimizer's moments of {name!r} are missing or of another shape")
            restored[weight] = {moment: value.to(weight.device) for moment, value in found.items()}
        for weight, state in restored.items():
            self._owner(weight).state[weight] = state

    def _owner(self, weight: torch.nn.Parameter) -> torch.optim.Optimizer:
        return next(o for o in self.optimizers if any(weight is one for g in o.param_groups for one in g["params"]))


def _adam_on_device(
    weights: list[torch.nn.Parameter], learning_rate: float, weight_decay: float, skip: torch.Tensor
) -> torch.optim.Adam:
    """Return an Adam that reads its learning rate, its count of steps and whether to step at all from the device."""
    rate = torch.tensor(learning_rate, device=skip.device)
    adam = torch.optim.Adam(
        weights, lr=rate, weight_decay=weight_decay, fused=True, capturable=skip.device.type == "cuda"
    )
    # What PyTorch's own gradient scaler hands over: the fused step reads it where it steps.
    adam.found_inf = skip  # type: ignore[attr-defined]
    return adam


def _adam_state(weight: torch.Tensor) -> dict[str, torch.Tensor]:
    """Return tensors of the shapes Adam's have, without their memory."""
    like = torch.empty_like(weight, device="meta")
    return {"step": torch.empty((), device="meta"), "exp_avg": like, "exp_avg_sq": like}
