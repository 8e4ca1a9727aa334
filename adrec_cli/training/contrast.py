"""Histories that lead to the same item are drawn together, and apart from those that lead to others."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from adrec_cli.schema import PAD

MOST_TOKENS = 4_096
"""Compared with each other at most: every second, third, ... token of more."""


def same_target_contrast(predicted_ND: torch.Tensor, targets_N: torch.Tensor, *, temperature: float) -> torch.Tensor:
    """Return the mean over tokens that share their target with another one of minus the log of the share of these.

    For token i, with s the cosine divided by the temperature and P the other tokens with its target, the loss is the
    mean over p in P of log sum_a exp(s_ia) - s_ip, a running over all other tokens; 0 where no target appears twice.

    Args:
        predicted_ND: one prediction per token.
        targets_N: int64 item indices; 0 for padding, which takes no part.
        temperature: above 0.

    Source: Khosla et al. 2020, arXiv 2004.11362, eq. 2; the same targets as DuoRec (Qiu et al., WSDM 2022), here those
    of the step's tokens instead of a partner drawn for each.
    """
    every = -(-len(targets_N) // MOST_TOKENS)
    directions_ND, targets_N = F.normalize(predicted_ND[::every], dim=1), targets_N[::every]
    itself_NN = torch.eye(len(targets_N), dtype=torch.bool, device=targets_N.device)
    real_N = targets_N != PAD
    others_NN = real_N & ~itself_NN
    same_NN = (targets_N.unsqueeze(1) == targets_N) & others_NN & real_N.unsqueeze(1)
    scores_NN = (directions_ND @ directions_ND.T / temperature).masked_fill(~others_NN, float("-inf"))
    # A finite score in place of one's own keeps a lone token's gradient a number.
    alone_N1 = ~others_NN.any(dim=1, keepdim=True)
    all_N = scores_NN.masked_fill(alone_N1, 0.0).logsumexp(dim=1)
    partners_N = same_NN.sum(dim=1)
    towards_N = torch.where(same_NN, scores_NN, 0.0).sum(dim=1) / partners_N.clamp(min=1)
    per_token_N = torch.where(partners_N > 0, all_N - towards_N, 0.0)
    return per_token_N.sum() / (partners_N > 0).sum().clamp(min=1)
