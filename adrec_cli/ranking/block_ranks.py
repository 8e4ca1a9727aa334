"""The rank of each target among items whose vectors lie in blocks: every process counts in its own what scores as high.

All processes represent all histories, which costs little beside scoring a table of that size. Scores are computed unit
by unit, so that no digit depends on how many processes there are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch

from adrec_cli.data.sequences import Sequences
from adrec_cli.layers.comparison import Comparison
from adrec_cli.layers.repeats import HistoryBias
from adrec_cli.ranking.protocols import Cases
from adrec_cli.ranking.ranks import count_beaten
from adrec_cli.ranking.rivals import Rivals
from adrec_cli.ranking.scorer import Scorer
from adrec_cli.ranking.scores import exclude, mean_sample, rows_at_once, scores_of
from adrec_cli.schema import PAD


class Blocks(Protocol):
    """An item table in blocks, one of them here.

    Attributes:
        rows: of the whole table, with padding.
        begin, end: first row of this block, and of the next one.
    """

    rows: int
    begin: int
    end: int

    def look_up(self, items: torch.Tensor) -> torch.Tensor:
        """Return the vectors (..., D) of items (...), whoever keeps them; all processes call this together."""

    def units(self) -> Iterator[tuple[int, torch.Tensor]]:
        """Yield the item that each unit of this block begins with, and its rows."""

    def take_of_owners(self, values_N: torch.Tensor, items_N: torch.Tensor) -> torch.Tensor:
        """Return of each item the value that the process has which keeps it; all processes call this together."""

    def add_up(self, counts: torch.Tensor) -> torch.Tensor:
        """Return the sum of counts over all processes."""


@torch.inference_mode()
def rank_by_blocks(
    scorer: Scorer,
    sequences: Sequences,
    cases: Cases,
    rivals: Rivals,
    blocks: Blocks,
    go_on: Callable[[], object],
) -> npt.NDArray[np.int64]:
    """Return the rank of each case, from 1, as `target_ranks` does; all processes call this together.

    Args:
        scorer, sequences, cases, rivals: as `target_ranks` has them; one sample, or scores that are means.
        blocks: of the model's item table.
        go_on: called after each batch; what it raises, it raises in all processes.

    Raises:
        ArtifactError: the model gives values that are not finite.
    """
    ranks = np.zeros(len(cases), dtype=np.int64)
    for numbers, samples, bias in scorer.represent(sequences, cases.starts, cases.ends):
        representation_BD, targets = mean_sample(samples), cases.targets[numbers]
        if rivals.negatives is not None:
            both = np.column_stack([targets, rivals.negatives[numbers]])
            ranks[numbers] = _count_own(representation_BD, both, bias, blocks, scorer.model.comparison)
        else:
            seen = rivals.mask(sequences, cases, numbers)
            ranks[numbers] = _count_all(representation_BD, targets, seen, bias, blocks, scorer.model.comparison)
        go_on()
    return ranks


def _count_own(
    representation_BD: torch.Tensor,
    both: npt.NDArray[np.int64],
    bias: HistoryBias | None,
    blocks: Blocks,
    comparison: Comparison,
) -> npt.NDArray[np.int64]:
    """Return the rank of each target, the first of its row, among its negatives."""
    both_BN = torch.from_numpy(both).to(representation_BD.device)
    items_U, numbers_BN = both_BN.unique(return_inverse=True)  # type: ignore[no-untyped-call]
    scores_BN = scores_of(representation_BD, comparison(blocks.look_up(items_U)), numbers_BN)
    return count_beaten(scores_BN if bias is None else scores_BN + bias.of(both_BN), both_BN)


def _count_all(
    representation_BD: torch.Tensor,
    targets: npt.NDArray[np.int64],
    seen: list[npt.NDArray[np.int64]],
    bias: HistoryBias | None,
    blocks: Blocks,
    comparison: Comparison,
) -> npt.NDArray[np.int64]:
    """Return the rank of each target among all items; padding is none."""
    targets_B = torch.from_numpy(targets).to(representation_BD.device)
    rows = rows_at_once(blocks.rows, representation_BD.device)
    counts = []
    for begin in range(0, len(targets), rows):
        some = slice(begin, begin + rows)
        scores_RC = _score_block(representation_BD[some], blocks, comparison)
        if bias is not None:
            bias.rows(some).add_to(scores_RC, first=blocks.begin)
        column_R = targets_B[some] - blocks.begin
        here_R = (column_R >= 0) & (column_R < scores_RC.shape[1])
        own_R = scores_RC.new_zeros(len(scores_RC))
        own_R[here_R] = scores_RC[here_R, column_R[here_R]]
        target_R = blocks.take_of_owners(own_R, targets_B[some])
        exclude(scores_RC, [items - blocks.begin for items in seen[some]])
        # The target is as high as itself.
        counts.append((scores_RC >= target_R.unsqueeze(1)).sum(dim=1) - here_R.long())
    return blocks.add_up(torch.cat(counts)).cpu().numpy() + 1


def _score_block(representation_RD: torch.Tensor, blocks: Blocks, comparison: Comparison) -> torch.Tensor:
    """Return the scores of the items of this process's block; padding has the lowest."""
    scores_RC = representation_RD.new_empty(len(representation_RD), blocks.end - blocks.begin)
    for first, rows_CD in blocks.units():
        scores_RC[:, first - blocks.begin : first - blocks.begin + len(rows_CD)] = (
            representation_RD @ comparison(rows_CD).T
        )
    if blocks.begin == PAD and blocks.end:
        scores_RC[:, PAD] = float("-inf")
    return scores_RC
