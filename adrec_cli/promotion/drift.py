"""How a night differs from the nights before: who and what is new, what has become popular, how well it is learned."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from adrec_cli.artifacts.atomic import storage_error
from adrec_cli.artifacts.generations import generation_folders, open_generation
from adrec_cli.artifacts.nights import Drift, Night
from adrec_cli.errors import ArtifactError
from adrec_cli.loading.opening import Dataset
from adrec_cli.schema import COUNT, ITEM_ID, ITEMS_FILE, SEQUENCES_FILE, USER_ID

LAST_NIGHTS: Final = 10
"""Over which the monitored metric is averaged."""
FEWEST_EVENTS: Final = 100
"""Of fewer new train events nothing is said about popularity: chance alone moves it."""
_DRAWS: Final = 20


def measure_drift(dataset: Dataset, night: Night, nights: Sequence[Night]) -> Drift | None:
    """Hold a night against those before.

    Args:
        dataset: of the night.
        night: of which nothing is noted yet.
        nights: those before, oldest first; the same night, noted already, is not one of them.

    Returns:
        None for the first night, and where the data of the one before are no longer kept, or damaged.

    Raises:
        StorageError: they cannot be read now; the same command goes on.
    """
    before = [one for one in nights if not one.is_of(night)]
    if not before:
        return None
    former = _find_former(dataset.folder, dataset, before[-1])
    if former is None:
        return None
    items, user_ids = former
    known = dataset.items.select(ITEM_ID, COUNT).join(items, on=ITEM_ID, how="left", suffix="_before")
    old_V = known[f"{COUNT}_before"].fill_null(0).to_numpy().astype(np.float64)
    new_V = np.maximum(known[COUNT].to_numpy().astype(np.float64) - old_V, 0)
    shift, expected = compare_popularity(old_V, new_V)
    now = dataset.sequences.user_ids
    earlier = [one.value for one in before if _is_comparable(one, night)][-LAST_NIGHTS:]
    values = [value for value in earlier if value is not None]
    mean = float(np.mean(values)) if values else 0.0
    return Drift(
        new_users=1 - int(now.is_in(user_ids.implode()).sum()) / len(now),
        new_items=known[f"{COUNT}_before"].null_count() / known.height,
        popularity_shift=shift,
        expected_shift=expected,
        metric_change=(night.value - mean) / mean if night.value is not None and mean > 0 else None,
        nights=len(values),
    )


def compare_popularity(
    before_V: npt.NDArray[np.float64], since_V: npt.NDArray[np.float64]
) -> tuple[float, float] | tuple[None, None]:
    """Return the Jensen-Shannon divergence of what came since from what was before, and what chance would make it.

    Few events are always unlike the many before them. So as many are drawn from the popularity before, 20 times with
    a fixed seed, and their mean divergence stands beside the one found.

    Args:
        before_V, since_V: events of each item.

    Returns:
        both in bits, 0 to 1; None where there were no events before, or fewer than `FEWEST_EVENTS` since.
    """
    count, total = int(since_V.sum()), before_V.sum()
    if count < FEWEST_EVENTS or not total:
        return None, None
    before_V = before_V / total
    drawn = np.random.default_rng(0).multinomial(count, before_V, _DRAWS)
    expected = float(np.mean([_divergence(before_V, draw_V / count) for draw_V in drawn]))
    return _divergence(before_V, since_V / count), expected


def _divergence(p_V: npt.NDArray[np.float64], q_V: npt.NDArray[np.float64]) -> float:
    """Return the Jensen-Shannon divergence in bits. Source: Lin, IEEE Trans. Inf. Theory 37(1), 1991."""
    middle_V = (p_V + q_V) / 2
    both = (_relative_entropy(p_V, middle_V) + _relative_entropy(q_V, middle_V)) / 2
    return float(min(max(both, 0.0), 1.0))


def _relative_entropy(p_V: npt.NDArray[np.float64], q_V: npt.NDArray[np.float64]) -> float:
    there = p_V > 0
    return float(np.sum(p_V[there] * np.log2(p_V[there] / q_V[there])))


def _is_comparable(one: Night, night: Night) -> bool:
    return (one.monitor, one.protocol) == (night.monitor, night.protocol)


def _find_former(folder: Path, dataset: Dataset, last: Night) -> tuple[pl.DataFrame, pl.Series] | None:
    """Return the items with their counts and the users of the last night's data, if they are still kept."""
    if last.sequences_sha256 == dataset.manifest.sequences_sha256:
        return dataset.items.select(ITEM_ID, COUNT), dataset.sequences.user_ids
    if last.generation not in generation_folders(folder):
        return None
    try:
        former = open_generation(folder, last.generation)
        if former.manifest.sequences_sha256 != last.sequences_sha256:
            return None
        items = pl.read_parquet(former.files[ITEMS_FILE], columns=[ITEM_ID, COUNT])
        return items, pl.read_parquet(former.files[SEQUENCES_FILE], columns=[USER_ID])[USER_ID]
    except FileNotFoundError:
        return None
    except OSError as error:
        raise storage_error("read", folder, error) from error
    except (ArtifactError, pl.exceptions.PolarsError):
        # Nights go on without a figure; `adrec verify` says what is damaged.
        return None
