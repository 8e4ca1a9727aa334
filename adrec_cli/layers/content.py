"""What is known of items besides events, as part of their vectors: fixed, in half precision, and what turns it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

"""Kinds whose item vectors are computed from content at every step; those of "init" only begin with it."""

_ROWS_AT_ONCE = 65_536
_LEAST_SHARE = 1e-6
"""Of the largest variance of a direction: below it lies what half precision has rounded."""


class HiddenLayer(nn.Module):
    """A network of one hidden layer."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.expand, self.contract = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, vectors: torch.Tensor) -> torch.Tensor:
        """Return (..., D) of (..., D)."""
        changed: torch.Tensor = self.contract(F.gelu(self.expand(vectors)))
        return changed

    def initialize(self, generator: torch.Generator, std: float) -> None:
        """Draw fresh weights; those of the output are small."""
        nn.init.xavier_normal_(self.expand.weight, generator=generator)
        nn.init.normal_(self.contract.weight, 0.0, std, generator=generator)
        nn.init.zeros_(self.expand.bias)
        nn.init.zeros_(self.contract.bias)


class ItemContent(nn.Module):
    """The content of items, and a map from it to item vectors.

    "sum" turns it by a matrix; "adapter" and "only" add a network of one hidden layer, "adapter" a gate an entry too.

    Attributes:
        content_VC: float16, zeros for padding and for items of which nothing is known.
        learnt_V: whether an item occurs in what is trained on; the others have no vector of their own.
    """

    content_VC: torch.Tensor
    learnt_V: torch.Tensor

    def __init__(self, items: int, content_width: int, width: int, kind: str) -> None:
        super().__init__()
        self.register_buffer("content_VC", torch.zeros(items + 1, content_width, dtype=torch.float16))
        self.register_buffer("learnt_V", torch.ones(items + 1, dtype=torch.bool))
        self.turn_DC = nn.Parameter(torch.zeros(width, content_width))
        self.shift_D = nn.Parameter(torch.zeros(width))
        self.deepen = None if kind == "sum" else HiddenLayer(width)
        self.gate_bias_D = nn.Parameter(torch.zeros(width)) if kind == "adapter" else None

    def forward(self, items: torch.Tensor | None = None) -> torch.Tensor:
        """Return what content says of items (...), (..., D); of the whole table (V, D) for None."""
        content = self.content_VC if items is None else F.embedding(items, self.content_VC)
        # In float32 whatever is computed around it: inputs, targets and scores must have the same vectors.
        with torch.autocast(content.device.type, enabled=False):
            turned: torch.Tensor = F.linear(content.float(), self.turn_DC, self.shift_D)
            if self.deepen is not None:
                turned = turned + self.deepen(turned)
            return turned if self.gate_bias_D is None else turned * (2 * torch.sigmoid(self.gate_bias_D))

    def initialize(self, generator: torch.Generator, std: float) -> None:
        """Let content begin whitened, its entries with this standard deviation, and the rest say nothing yet."""
        with torch.no_grad():
            matrix_DC, shift_D = whitening(self.content_VC[1:], len(self.turn_DC), generator)
            self.turn_DC.copy_(matrix_DC * std)
            self.shift_D.copy_(shift_D * std)
            if self.deepen is not None:
                self.deepen.initialize(generator, std)
            if self.gate_bias_D is not None:
                nn.init.zeros_(self.gate_bias_D)


def whitening(content_VC: torch.Tensor, width: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Return (matrix_DC, shift_D) whose matrix_DC @ content + shift_D has mean 0 and equal variance in all directions.

    Kept are the directions in which items differ most; turned at random, so that each entry of a vector has part in
    them and its variance is 1.

    Args:
        content_VC: of items; rows of zeros, of which nothing is known, do not count.
        width: D.
        generator: of the turn; and of everything where no two items differ.
    """
    known_VC = content_VC[content_VC.any(dim=1)]
    mean_C, covariance_CC = _moments(known_VC)
    variances_C, directions_CC = torch.linalg.eigh(covariance_CC)
    useful = int((variances_C > _LEAST_SHARE * variances_C.max().clamp(min=1e-12)).sum())
    kept = min(width, useful)
    turn_DD = nn.init.orthogonal_(torch.empty(width, width), generator=generator).double()
    if not kept:
        drawn_DC = torch.empty(width, content_VC.shape[1]).normal_(generator=generator)
        return drawn_DC, torch.zeros(width)
    directions_CK, variances_K = directions_CC[:, -kept:], variances_C[-kept:]
    # An eigenvector is known up to its sign: the largest entry is made positive.
    largest_K = directions_CK.abs().argmax(dim=0, keepdim=True)
    directions_CK = directions_CK * directions_CK.gather(0, largest_K).sign()
    matrix_DC = turn_DD[:, :kept] @ (directions_CK / variances_K.sqrt()).T * (width / kept) ** 0.5
    return matrix_DC.float(), -(matrix_DC @ mean_C).float()


def _moments(known_VC: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the mean and the covariance of rows, in float64, of which some are held at once."""
    width = known_VC.shape[1]
    sum_C, products_CC = torch.zeros(width, dtype=torch.float64), torch.zeros(width, width, dtype=torch.float64)
    for rows_RC in torch.split(known_VC, _ROWS_AT_ONCE):
        exact_RC = rows_RC.double()
        sum_C += exact_RC.sum(dim=0)
        products_CC += exact_RC.T @ exact_RC
    count = max(len(known_VC), 1)
    mean_C = sum_C / count
    return mean_C, products_CC / count - torch.outer(mean_C, mean_C)
