"""What the lists are like that a model would recommend to everybody who is evaluated."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch

from adrec_cli.loading.opening import Dataset
from adrec_cli.models.base import Sampling, SequentialRecommender
from adrec_cli.ranking.beyond_accuracy import BeyondAccuracy, category_codes, history_means
from adrec_cli.ranking.merging import Merging, merged_top_k
from adrec_cli.ranking.metrics import CUTOFFS
from adrec_cli.ranking.protocols import Cases
from adrec_cli.ranking.scores import Ranked, represented
from adrec_cli.schema import CATEGORY, COUNT, PAD


def list_figures(
    model: SequentialRecommender,
    dataset: Dataset,
    cases: Cases,
    *,
    output: str,
    sampling: Sampling,
    merging: Merging,
    mask_seen: bool,
    device: torch.device,
    on_progress: Callable[[int, int], object],
) -> dict[str, float]:
    """Return the figures of `BeyondAccuracy` over the best items of the whole catalogue for each case.

    Args:
        model, cases, output, sampling, merging, device: as `merged_target_ranks`.
        dataset: knows train counts and, perhaps, categories.
        mask_seen: items of the history are not recommended.
        on_progress: told cases done and all cases.
    """
    sequences, items = dataset.sequences, dataset.items
    counts_V = np.concatenate([[0], items[COUNT].to_numpy()]).astype(np.int64)
    codes_VM = category_codes(items[CATEGORY]) if CATEGORY in items.columns else None
    figures = BeyondAccuracy(counts_V, len(cases), CUTOFFS, codes_VM)
    vectors_VD = model.item_vectors_VD().detach()
    done = 0
    batches = represented(
        model, sequences.items, cases.starts, cases.ends, output=output, sampling=sampling, device=device,
        samples=merging.samples,
    )  # fmt: skip
    for numbers, representations, bias in batches:
        excluded = [np.empty(0, dtype=np.int64)] * len(numbers)
        if mask_seen:
            excluded = [sequences.items[cases.starts[n] : cases.ends[n]].astype(np.int64) for n in numbers]
        best = merged_top_k(representations, vectors_VD, max(CUTOFFS), excluded, merge=merging.merge, bias=bias)
        figures.add(numbers, _padded(best, max(CUTOFFS)))
        done += len(numbers)
        on_progress(done, len(cases))
    history = history_means(sequences.items, cases.starts, cases.ends, counts_V)
    return figures.table(history, counts_V[cases.targets])


def _padded(lists: list[Ranked], width: int) -> npt.NDArray[np.int64]:
    lists_BK = np.full((len(lists), width), PAD, dtype=np.int64)
    for row, ranked in enumerate(lists):
        lists_BK[row, : len(ranked.items)] = ranked.items
    return lists_BK
