"""A new model against another one, on the same targets of the same users, with a paired interval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import torch

from adrec_cli.data.reindexing import index_mapping, kept_counts, reindexed
from adrec_cli.errors import InputError
from adrec_cli.experiments.validation import monitored_negatives, monitored_protocol
from adrec_cli.loading.opening import Checkpoint, Dataset, restore_model
from adrec_cli.models.base import FAST_SAMPLING
from adrec_cli.models.most_popular import MostPopular
from adrec_cli.promotion.rule import CURRENT, MOST_POPULAR
from adrec_cli.ranking.bootstrap import bootstrap_interval
from adrec_cli.ranking.metrics import metric_of_users
from adrec_cli.ranking.protocols import Cases, held_out_cases
from adrec_cli.ranking.scores import target_ranks
from adrec_cli.schema import COUNT, PAD
from adrec_cli.training.stages import TrainingConfig

LEVEL, RESAMPLES = 0.95, 2000


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two models on the same targets.

    Attributes:
        metric, protocol: of the values, which are means over users.
        candidate, current: values; the latter of what it is held against.
        difference: candidate less current; low and high bound it at the level, by a paired bootstrap over users.
        users: compared on.
        unknown_targets: cases the other model cannot rank, as it does not know the target or anything before it;
            they count as missed.
        against: the current model, or MostPopular.
    """

    metric: str
    protocol: str
    candidate: float
    current: float
    difference: float
    low: float
    high: float
    level: float
    resamples: int
    users: int
    unknown_targets: int
    against: str = CURRENT

    def __str__(self) -> str:
        return (
            f"{self.metric} {self.candidate:.4f}, {self.against} {self.current:.4f}, difference {self.difference:+.4f} "
            f"[{self.low:+.4f}, {self.high:+.4f}] on {self.users:,} users ({self.protocol})"
        )


def compare(
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
        cases = held_out_cases(dataset.sequences, "valid")
    except InputError:
        return None
    negatives = monitored_negatives(dataset, cases, training)
    mask_seen = training.monitor_mask_seen
    ranking: dict[str, Any] = {"negatives": negatives, "mask_seen": mask_seen, "device": device}
    if current is None:
        old_ranks, unknown = _popular_ranks(dataset, cases, **ranking), 0
    else:
        old_ranks, unknown = _ranks(dataset, *current, cases, **ranking)
    new_ranks, _ = _ranks(dataset, candidate, dataset.items, cases, **ranking)
    new, old = (metric_of_users(ranks, cases.users, metric) for ranks in (new_ranks, old_ranks))
    low, high = bootstrap_interval(new - old, level=LEVEL, resamples=RESAMPLES, seed=training.seed)
    return Comparison(
        metric=metric,
        protocol=monitored_protocol(dataset, training).code,
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


def _popular_ranks(
    dataset: Dataset,
    cases: Cases,
    *,
    negatives: npt.NDArray[np.int64] | None,
    mask_seen: bool,
    device: torch.device,
) -> npt.NDArray[np.int64]:
    """Return the rank of each target among the items by their train events."""
    counts = torch.from_numpy(np.concatenate([[0], dataset.items[COUNT].to_numpy()]))
    found = target_ranks(
        MostPopular.from_counts(counts).to(device), dataset.sequences, cases, negatives=negatives, mask_seen=mask_seen,
        output=MostPopular.outputs[0], sampling=FAST_SAMPLING, device=device,
    )  # fmt: skip
    assert found is not None
    return found


def _ranks(
    dataset: Dataset,
    checkpoint: Checkpoint,
    items: pl.DataFrame,
    cases: Cases,
    *,
    negatives: npt.NDArray[np.int64] | None,
    mask_seen: bool,
    device: torch.device,
) -> tuple[npt.NDArray[np.int64], int]:
    """Return the rank of each target among the items a model knows, and how many targets it cannot rank at all."""
    mapping = index_mapping(dataset.items, items)
    kept_before = kept_counts(mapping[dataset.sequences.items])
    starts, ends, targets = kept_before[cases.starts], kept_before[cases.ends], mapping[cases.targets].astype(np.int64)
    known = (ends > starts) & (targets != PAD)
    mapped = Cases(users=cases.users[known], starts=starts[known], ends=ends[known], targets=targets[known])
    if negatives is not None:
        drawn = mapping[negatives[known]].astype(np.int64)
        # The target itself does not compete, and so neither does an item the model does not know.
        negatives = np.where(drawn == PAD, mapped.targets[:, None], drawn)
    ranks = np.full(len(cases), dataset.items.height + 1, dtype=np.int64)
    options: dict[str, Any] = {"output": checkpoint.metadata.output, "sampling": FAST_SAMPLING, "device": device}
    if known.any():
        found = target_ranks(
            restore_model(checkpoint, device),
            reindexed(dataset.sequences, mapping, items.height),
            mapped,
            negatives=negatives,
            mask_seen=mask_seen,
            **options,
        )
        assert found is not None
        ranks[known] = found
    return ranks, int((~known).sum())
