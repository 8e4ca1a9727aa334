"""Scores by inner product, ranks by counting what beats the target, and the best k; never users x items at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from adrec_cli.data.batches import history_batches
from adrec_cli.data.sequences import Sequences
from adrec_cli.errors import ArtifactError
from adrec_cli.models.base import Sampling, SequentialRecommender
from adrec_cli.ranking.protocols import Cases
from adrec_cli.runtime import seeded_generator
from adrec_cli.schema import PAD

_CHUNK_ENTRIES = 2**22
"""Scores held at once: 16 MB in float32."""


@dataclass(frozen=True, kw_only=True)
class Ranked:
    """The best items of one user, best first.

    Attributes:
        items: item indices; scores: theirs.
    """

    items: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float32]


@torch.no_grad()
def represented(
    model: SequentialRecommender,
    items: npt.NDArray[np.int32],
    starts: npt.NDArray[np.int64],
    ends: npt.NDArray[np.int64],
    *,
    output: str,
    sampling: Sampling,
    device: torch.device,
) -> Iterator[tuple[npt.NDArray[np.int64], torch.Tensor]]:
    """Yield numbers of cases and representation_BD of their histories, batched by length.

    Raises:
        ArtifactError: the model gives values that are not finite.
    """
    model.eval()
    batches = history_batches(items, starts, ends, max_length=model.max_length)
    for number, (cases, histories) in enumerate(batches):
        generator = seeded_generator(sampling.seed, "sampling", number, device=device)
        representation_BD = model.represent(histories.to(device), output=output, sampling=sampling, generator=generator)
        if not bool(torch.isfinite(representation_BD).all()):
            raise ArtifactError(f"{model.name} gives values that are not finite", hint="train it anew")
        yield cases, representation_BD


def target_ranks(
    model: SequentialRecommender,
    sequences: Sequences,
    cases: Cases,
    *,
    output: str,
    sampling: Sampling,
    device: torch.device,
    negatives: npt.NDArray[np.int64] | None = None,
    mask_seen: bool = False,
    on_progress: Callable[[int, int], bool] = lambda done, total: True,
) -> npt.NDArray[np.int64] | None:
    """Rank the target of each case; an item with the same score counts as better (ties against the target).

    Args:
        model: anything that represents histories.
        sequences: where the histories are.
        cases: to rank.
        output, sampling: as `SequentialRecommender.represent`.
        device: to compute on.
        negatives: (cases, n) item indices to rank against; None ranks against the whole catalogue.
        mask_seen: leave items of the history out of the competition.
        on_progress: told cases done and all cases; returning False stops.

    Returns:
        rank of each case, from 1; None when stopped.
    """
    ranks = np.zeros(len(cases), dtype=np.int64)
    vectors_VD = model.item_vectors_VD().detach()
    done = 0
    batches = represented(
        model, sequences.items, cases.starts, cases.ends, output=output, sampling=sampling, device=device
    )
    for numbers, representation_BD in batches:
        targets_B = torch.from_numpy(cases.targets[numbers]).to(device)
        if negatives is not None:
            candidates_BN = torch.from_numpy(negatives[numbers]).to(device)
            beaten_by_B = _count_sampled(representation_BD, vectors_VD, targets_B, candidates_BN)
        else:
            seen = [np.unique(sequences.items[cases.starts[n] : cases.ends[n]]) for n in numbers] if mask_seen else None
            beaten_by_B = _count_full(representation_BD, vectors_VD, targets_B, seen)
        ranks[numbers] = beaten_by_B.cpu().numpy() + 1
        done += len(numbers)
        if not on_progress(done, len(cases)):
            return None
    return ranks


def _count_sampled(
    representation_BD: torch.Tensor, vectors_VD: torch.Tensor, targets_B: torch.Tensor, candidates_BN: torch.Tensor
) -> torch.Tensor:
    both_BN = torch.cat([targets_B.unsqueeze(1), candidates_BN], dim=1)
    scores_BN = torch.einsum("bd,bnd->bn", representation_BD, vectors_VD[both_BN])
    # A candidate that is the target itself is no competitor.
    competing_BN = candidates_BN != targets_B.unsqueeze(1)
    return ((scores_BN[:, 1:] >= scores_BN[:, :1]) & competing_BN).sum(dim=1)


def _count_full(
    representation_BD: torch.Tensor,
    vectors_VD: torch.Tensor,
    targets_B: torch.Tensor,
    seen: list[npt.NDArray[np.int32]] | None,
) -> torch.Tensor:
    """Count the items that score at least as high as the target, the target and padding left out."""
    rows = max(1, _CHUNK_ENTRIES // len(vectors_VD))
    counts = []
    for begin in range(0, len(targets_B), rows):
        scores_BV = representation_BD[begin : begin + rows] @ vectors_VD.T
        target_B1 = targets_B[begin : begin + rows].unsqueeze(1)
        target_score_B1 = scores_BV.gather(1, target_B1)
        scores_BV[:, PAD] = float("-inf")
        if seen is not None:
            for row, items in enumerate(seen[begin : begin + rows]):
                scores_BV[row, torch.from_numpy(items.astype(np.int64)).to(scores_BV.device)] = float("-inf")
        scores_BV.scatter_(1, target_B1, float("-inf"))
        counts.append((scores_BV >= target_score_B1).sum(dim=1))
    return torch.cat(counts)


def top_k(
    representation_BD: torch.Tensor, vectors_VD: torch.Tensor, k: int, excluded: list[npt.NDArray[np.int64]]
) -> list[Ranked]:
    """Return the best k items of each row, equal scores in ascending item index.

    Args:
        representation_BD: one a user.
        vectors_VD: of the items; row 0 is padding and never returned.
        k: at most; fewer come back where fewer are left.
        excluded: item indices each user must not get.
    """
    results = []
    rows = max(1, _CHUNK_ENTRIES // len(vectors_VD))
    for begin in range(0, len(representation_BD), rows):
        scores_BV = representation_BD[begin : begin + rows] @ vectors_VD.T
        scores_BV[:, PAD] = float("-inf")
        for row, items in enumerate(excluded[begin : begin + rows]):
            scores_BV[row, torch.from_numpy(items).to(scores_BV.device)] = float("-inf")
        results += [_best(scores_V.cpu().numpy(), k) for scores_V in scores_BV]
    return results


def _best(scores_V: npt.NDArray[np.float32], k: int) -> Ranked:
    available = int(np.isfinite(scores_V).sum())
    k = min(k, available)
    if k == 0:
        return Ranked(items=np.empty(0, dtype=np.int64), scores=np.empty(0, dtype=np.float32))
    threshold = np.partition(scores_V, -k)[-k]
    candidates = np.flatnonzero(scores_V >= threshold)
    order = np.argsort(-scores_V[candidates], kind="stable")[:k]
    chosen = candidates[order]
    return Ranked(items=chosen, scores=scores_V[chosen])
