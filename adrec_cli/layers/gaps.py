"""A bias on attention by how much time lies between two events, and how many events.

A position that sees an event of a minute ago as it sees one of last year cannot tell a session from a habit; one number
for each head and kind of gap can.
"""

from __future__ import annotations

import torch
from torch import nn

from adrec_cli.layers.lookup import lookup_of_few

GAPS = 32
"""Buckets of gaps: of the same second, of 1 second, of 2 to 3, 4 to 7 and so on; the last begins after 34 years."""


def bucket_gaps(gaps: torch.Tensor) -> torch.Tensor:
    """Return the bucket 0..GAPS - 1 of each gap, which is how many binary digits it has.

    Args:
        gaps: int64, in whole seconds; negative ones count as 0.
    """
    # Exact on every device, where a logarithm need not be at powers of two.
    exponents = torch.frexp(gaps.clamp(min=0).double()).exponent
    return exponents.to(torch.int64).clamp(max=GAPS - 1)


class GapBias(nn.Module):
    """One number for each head and bucket of time between two events, and for each number of events between them.

    It is the same in all blocks of a network. Source: HSTU's bias of times and positions (arXiv 2402.17152), and the
    relations of TiSASRec (Li et al., WSDM 2020), as logarithms.
    """

    def __init__(self, *, heads: int, length: int) -> None:
        """Begin with no bias.

        Args:
            heads: H.
            length: L, the longest history.
        """
        super().__init__()
        self.gap_GH = nn.Parameter(torch.zeros(GAPS, heads))
        self.distance_LH = nn.Parameter(torch.zeros(length, heads))

    def initialize(self) -> None:
        """Forget what was learned."""
        nn.init.zeros_(self.gap_GH)
        nn.init.zeros_(self.distance_LH)

    def forward(self, seconds_RL: torch.Tensor) -> torch.Tensor:
        """Return bias_RHLL of each query and each earlier key of the same sequence; others are to be masked.

        Args:
            seconds_RL: int64, when each event was.
        """
        gaps_RLL = seconds_RL.unsqueeze(2) - seconds_RL.unsqueeze(1)
        columns_L = torch.arange(seconds_RL.shape[1], device=seconds_RL.device)
        # Farther apart than a history is long are only events of different sequences.
        distance_LL = (columns_L.unsqueeze(1) - columns_L).clamp(0, len(self.distance_LH) - 1)
        of_gaps_RLLH = lookup_of_few(bucket_gaps(gaps_RLL), self.gap_GH)
        bias_RLLH = of_gaps_RLLH + lookup_of_few(distance_LL, self.distance_LH)
        return bias_RLLH.permute(0, 3, 1, 2)


def add_bias(mask_R1LL: torch.Tensor | None, bias_RHLL: torch.Tensor | None) -> torch.Tensor | None:
    """Return mask_RHLL, float32 to be added to scores: the bias where a query sees a key, else minus infinity.

    Args:
        mask_R1LL: which position sees which, bool, or float to be added; None means plain causal.
        bias_RHLL: as `GapBias`; None leaves the mask as it is.
    """
    if bias_RHLL is None:
        return mask_R1LL
    if mask_R1LL is None:
        length = bias_RHLL.shape[-1]
        mask_R1LL = torch.ones(1, 1, length, length, dtype=torch.bool, device=bias_RHLL.device).tril()
    if mask_R1LL.dtype != torch.bool:
        return (mask_R1LL + bias_RHLL).contiguous()
    return bias_RHLL.masked_fill(~mask_R1LL, float("-inf")).contiguous()
