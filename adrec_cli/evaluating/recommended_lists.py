"""What the lists are like that a model would recommend to everybody who is evaluated."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from adrec_cli.evaluating.held_out import HeldOut, add_up
from adrec_cli.events import OnEvent, ignore
from adrec_cli.ranking.beyond_accuracy import BeyondAccuracy, category_codes, history_means
from adrec_cli.ranking.merging import merge_top_k
from adrec_cli.ranking.metrics import CUTOFFS
from adrec_cli.ranking.ranked import Ranked
from adrec_cli.ranking.scorer import Scorer
from adrec_cli.schema import CATEGORY, COUNT, PAD
from adrec_cli.training.processes import ALONE, Processes


def list_figures(
    scorer: Scorer, asked: HeldOut, on_event: OnEvent = ignore, processes: Processes = ALONE
) -> dict[str, float]:
    """Return the figures of `BeyondAccuracy` over the best items of the whole catalogue for each case.

    Args:
        scorer: to recommend by.
        asked: the cases, and whether items of the history are recommended.
        on_event, processes: as `HeldOut.rank`.
    """
    cases, items = asked.cases, asked.dataset.items
    counts_V = np.concatenate([[0], items[COUNT].to_numpy()]).astype(np.int64)
    codes_VM = category_codes(items[CATEGORY]) if CATEGORY in items.columns else None
    figures = BeyondAccuracy(counts_V, len(cases), CUTOFFS, codes_VM)
    asked.go_through(_take_lists(scorer, asked, figures, processes), on_event, processes)
    figures.combine(lambda counts: add_up(counts, processes))
    history = history_means(asked.dataset.sequences.items, cases.starts, cases.ends, counts_V)
    return figures.table(history, counts_V[cases.targets])


def _take_lists(scorer: Scorer, asked: HeldOut, figures: BeyondAccuracy, processes: Processes) -> Iterator[int]:
    """Hand the lists of this process's batches to `figures`; yield how many cases each batch had."""
    cases, sequences = asked.cases, asked.dataset.sequences
    turns = scorer.represent(sequences, cases.starts, cases.ends, turn=processes.rank, turns=processes.count)
    for numbers, samples, bias in turns:
        excluded = [np.empty(0, dtype=np.int64)] * len(numbers)
        if asked.rivals.mask_seen:
            excluded = [sequences.items[cases.starts[n] : cases.ends[n]].astype(np.int64) for n in numbers]
        best = merge_top_k(samples, scorer.vectors_VD, max(CUTOFFS), excluded, merge=scorer.merging.merge, bias=bias)
        figures.add(numbers, _pad(best, max(CUTOFFS)))
        yield len(numbers)


def _pad(lists: list[Ranked], width: int) -> npt.NDArray[np.int64]:
    lists_BK = np.full((len(lists), width), PAD, dtype=np.int64)
    for row, ranked in enumerate(lists):
        lists_BK[row, : len(ranked.items)] = ranked.items
    return lists_BK
