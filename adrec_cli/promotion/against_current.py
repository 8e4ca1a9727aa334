"""A new model against another one, on the same targets of the same users, with a paired interval."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import polars as pl
import torch

from adrec_cli.data.reindexing import count_kept, index_mapping, reindex
from adrec_cli.errors import InputError
from adrec_cli.experiments.validation import choose_monitored_rivals, make_monitored_scorer, name_monitored_protocol
from adrec_cli.loading.opening import Checkpoint, Dataset, count_popularity, restore_model
from adrec_cli.models.stages import TrainingConfig
from adrec_cli.promotion.comparison import Comparison
from adrec_cli.promotion.rule import CURRENT, MOST_POPULAR
from adrec_cli.ranking.bootstrap import bootstrap_interval
from adrec_cli.ranking.metrics import metric_of_users
from adrec_cli.ranking.protocols import Cases, select_cases
from adrec_cli.ranking.ranks import target_ranks
from adrec_cli.ranking.rivals import Rivals
from adrec_cli.schema import PAD

LEVEL, RESAMPLES = 0.95, 2000


def hold_against(
    dataset: Dataset,
    candidate: Checkpoint,
    current: tuple[Checkpoint, pl.DataFrame] | None,
    *,
    metric: str,
    training: TrainingConfig,
    device: torch.device,
) -> Comparison | None:
    """Compare on the validation targets, as training monitors them; None where there is none.

    Args:
        dataset: the candidate's.
        candidate: the new model.
        current: the current model and the items it knows, in its own numbers; None compares with MostPopular.
        metric: such as ndcg@10.
        training: says how many negatives, whether seen items compete, and the seed.
        device: to compute on.
    """
    try:
        cases = select_cases(dataset.sequences, "valid")
    except InputError:
        return None
    rivals = choose_monitored_rivals(dataset, cases, training)
    if current is None:
        popular = count_popularity(dataset).to(device)
        popular_scorer = make_monitored_scorer(popular, popular.outputs[0], device)
        old_ranks, unknown = target_ranks(popular_scorer, dataset.sequences, cases, rivals), 0
    else:
        old_ranks, unknown = _rank_by(dataset, *current, cases, rivals, device)
    new_ranks, _ = _rank_by(dataset, candidate, dataset.items, cases, rivals, device)
    new, old = (metric_of_users(ranks, cases.users, metric) for ranks in (new_ranks, old_ranks))
    low, high = bootstrap_interval(new - old, level=LEVEL, resamples=RESAMPLES, seed=training.seed)
    return Comparison(
        metric=metric,
        protocol=name_monitored_protocol(dataset, training).code,
        candidate=float(new.mean()),
        current=float(old.mean()),
        difference=float((new - old).mean()),
        low=low,
        high=high,
        level=LEVEL,
        resamples=RESAMPLES,
        users=len(new),
        unknown_targets=unknown,
        against=MOST_POPULAR if current is None else CURRENT,
    )


def _rank_by(
    dataset: Dataset,
    checkpoint: Checkpoint,
    items: pl.DataFrame,
    cases: Cases,
    rivals: Rivals,
    device: torch.device,
) -> tuple[npt.NDArray[np.int64], int]:
    """Return the rank of each target among the items a model knows, and how many targets it cannot rank at all."""
    mapping = index_mapping(dataset.items, items)
    kept_before = count_kept(mapping[dataset.sequences.items])
    starts, ends, targets = kept_before[cases.starts], kept_before[cases.ends], mapping[cases.targets].astype(np.int64)
    known = (ends > starts) & (targets != PAD)
    mapped = Cases(users=cases.users[known], starts=starts[known], ends=ends[known], targets=targets[known])
    negatives = rivals.negatives
    if negatives is not None:
        drawn = mapping[negatives[known]].astype(np.int64)
        # The target itself does not compete, and so neither does an item the model does not know.
        negatives = np.where(drawn == PAD, mapped.targets[:, None], drawn)
    ranks = np.full(len(cases), dataset.items.height + 1, dtype=np.int64)
    if known.any():
        scorer = make_monitored_scorer(restore_model(checkpoint, device), checkpoint.metadata.output, device)
        sequences = reindex(dataset.sequences, mapping, items.height)
        ranks[known] = target_ranks(scorer, sequences, mapped, replace(rivals, negatives=negatives))
    return ranks, int((~known).sum())
