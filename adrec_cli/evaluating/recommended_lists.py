"""What the lists are like that a model would recommend to everybody who is evaluated."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from adrec_cli.evaluating.held_out import HeldOut
from adrec_cli.ranking.beyond_accuracy import BeyondAccuracy, category_codes, history_means
from adrec_cli.ranking.merging import merge_top_k
from adrec_cli.ranking.metrics import CUTOFFS
from adrec_cli.ranking.ranked import Ranked
from adrec_cli.ranking.ranks import OnProgress
from adrec_cli.ranking.scorer import Scorer
from adrec_cli.schema import CATEGORY, COUNT, PAD


def list_figures(scorer: Scorer, asked: HeldOut, on_progress: OnProgress) -> dict[str, float]:
    """Return the figures of `BeyondAccuracy` over the best items of the whole catalogue for each case.

    Args:
        scorer: to recommend by.
        asked: the cases, and whether items of the history are recommended.
        on_progress: called with cases done and all cases.
    """
    cases, rivals, sequences, items = asked.cases, asked.rivals, asked.dataset.sequences, asked.dataset.items
    counts_V = np.concatenate([[0], items[COUNT].to_numpy()]).astype(np.int64)
    codes_VM = category_codes(items[CATEGORY]) if CATEGORY in items.columns else None
    figures = BeyondAccuracy(counts_V, len(cases), CUTOFFS, codes_VM)
    done = 0
    for numbers, samples, bias in scorer.represent(sequences, cases.starts, cases.ends):
        excluded = [np.empty(0, dtype=np.int64)] * len(numbers)
        if rivals.mask_seen:
            excluded = [sequences.items[cases.starts[n] : cases.ends[n]].astype(np.int64) for n in numbers]
        best = merge_top_k(samples, scorer.vectors_VD, max(CUTOFFS), excluded, merge=scorer.merging.merge, bias=bias)
        figures.add(numbers, _pad(best, max(CUTOFFS)))
        done += len(numbers)
        on_progress(done, len(cases))
    history = history_means(sequences.items, cases.starts, cases.ends, counts_V)
    return figures.table(history, counts_V[cases.targets])


def _pad(lists: list[Ranked], width: int) -> npt.NDArray[np.int64]:
    lists_BK = np.full((len(lists), width), PAD, dtype=np.int64)
    for row, ranked in enumerate(lists):
        lists_BK[row, : len(ranked.items)] = ranked.items
    return lists_BK
