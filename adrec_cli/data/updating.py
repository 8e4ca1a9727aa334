"""Adding new interactions to a preprocessed data set without renumbering its items."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq
from numpy.typing import NDArray

from adrec_cli.artifacts.dataset import verify_dataset, verify_pending
from adrec_cli.artifacts.literal_paths import literal
from adrec_cli.artifacts.manifest import Manifest, read_manifest
from adrec_cli.artifacts.repairing import advise_repair
from adrec_cli.data.coding import rank_ids, union_ids
from adrec_cli.data.interactions import Interactions
from adrec_cli.data.pending import read_pending, rejoin
from adrec_cli.data.splits import UNCHANGING
from adrec_cli.errors import ArtifactError, InputError, UsageError
from adrec_cli.schema import COUNT, ITEM_ID, ITEM_INDEX, ITEMS, TIMESTAMPS, TRAIN_END, USER_ID, VALID_END
from adrec_cli.wording import option


@dataclass(frozen=True, kw_only=True)
class Existing:
    """A preprocessed data set that is added to.

    Attributes:
        manifest: what it is.
        interactions: its events and those that wait beside it, in their order.
        items: its `items.parquet`.
        parts: how many of its events are train, valid and test.
    """

    manifest: Manifest
    interactions: Interactions
    items: pl.DataFrame
    parts: tuple[int, int, int]

    @property
    def timed(self) -> bool:
        """Whether its events have times, not positions."""
        return self.manifest.statistics.get("first_time") is not None


def load_existing(folder: Path) -> Existing:
    """Read a preprocessed data set to add to.

    Raises:
        ArtifactError: it is missing or damaged.
        UsageError: its split is one of `UNCHANGING`.
    """
    manifest = read_manifest(folder)
    files = verify_dataset(folder, manifest)
    if reason := UNCHANGING.get(manifest.parameters.get("found", {}).get("split", "")):
        raise UsageError(
            f"{folder} {reason}",
            hint=f"make it with {option('split', 'leave-one-out')} or {option('split', 'time')} first",
        )
    items = pl.read_parquet(literal(files.items))
    sequences = pq.read_table(files.sequences).combine_chunks()
    lists, times = (sequences[name].chunk(0) for name in (ITEMS, TIMESTAMPS))
    lengths = np.diff(lists.offsets.to_numpy())
    user_ids, user = rank_ids(pl.Series(sequences[USER_ID].to_pylist(), dtype=pl.String))
    item_ids, item = rank_ids(items[ITEM_ID])
    rank_of_index = np.zeros(items.height + 1, dtype=np.int32)
    rank_of_index[items[ITEM_INDEX].to_numpy()] = item
    interactions = Interactions(
        user=np.repeat(user, lengths),
        item=rank_of_index[lists.flatten().to_numpy()],
        time=times.flatten().to_numpy(),
        part=None,
        user_ids=user_ids,
        item_ids=item_ids,
    )
    train, before_test = (int(sequences[name].to_numpy().sum(dtype=np.int64)) for name in (TRAIN_END, VALID_END))
    return Existing(
        manifest=manifest,
        interactions=_add_pending(folder, manifest, interactions),
        items=items,
        parts=(train, before_test - train, len(interactions) - before_test),
    )


def _add_pending(folder: Path, manifest: Manifest, kept: Interactions) -> Interactions:
    path = verify_pending(folder, manifest)
    if path is None:
        return kept
    try:
        return rejoin(kept, read_pending(path))
    except ValueError as error:
        raise ArtifactError(
            f"{path} does not belong to the data set beside it: {error}",
            hint=advise_repair(folder),
        ) from error


def merge(existing: Existing, new: Interactions, *, timed: bool) -> Interactions:
    """Return the events of both, those of the existing data set first.

    Args:
        existing: what is added to.
        new: what is added; may repeat what is there.
        timed: whether the new events have times.

    Raises:
        InputError: one has times and the other only an order.
    """
    if not (timed and existing.timed):
        which = "the new interactions have" if existing.timed else f"{existing.manifest.dataset} has"
        raise InputError(f"{which} no times, so old and new cannot be put in order", hint="name the time column")
    old = existing.interactions
    user_ids, old_user, new_user = union_ids(old.user_ids, new.user_ids)
    item_ids, old_item, new_item = union_ids(old.item_ids, new.item_ids)
    return Interactions(
        user=np.concatenate([old_user[old.user], new_user[new.user]]),
        item=np.concatenate([old_item[old.item], new_item[new.item]]),
        time=np.concatenate([old.time, new.time]),
        part=None,
        user_ids=user_ids,
        item_ids=item_ids,
    )


def continue_indices(existing: Existing, item_ids: pl.Series) -> NDArray[np.int32]:
    """Return an index for each id: known items keep theirs, new ones follow in ascending order of ids."""
    known = dict(existing.items.select(ITEM_ID, ITEM_INDEX).rows())
    following = existing.items.height
    indices = np.zeros(len(item_ids), dtype=np.int32)
    for position, item_id in enumerate(item_ids.to_list()):
        index = known.get(item_id)
        if index is None:
            following += 1
            index = following
        indices[position] = index
    return indices


def add_vanished(existing: Existing, items: pl.DataFrame) -> pl.DataFrame:
    """Add the known items that no event has any longer, with count 0, so that every index stays taken."""
    gone = existing.items.select(ITEM_INDEX, ITEM_ID).join(items, on=ITEM_ID, how="anti")
    gone = gone.with_columns(pl.lit(0, dtype=pl.Int64).alias(COUNT))
    return pl.concat([items, gone]).sort(ITEM_INDEX)


def continue_metadata(existing: Existing, new: pl.DataFrame | None) -> pl.DataFrame | None:
    """Return what is known about items: the new file first, then what the data set had.

    Raises:
        InputError: a column changed its type.
    """
    old = existing.items.drop(ITEM_INDEX, COUNT)
    if new is None or len(old.columns) == 1:
        return new if len(old.columns) == 1 else old
    try:
        return pl.concat([new, old.join(new, on=ITEM_ID, how="anti")], how="diagonal_relaxed")
    except pl.exceptions.PolarsError as error:
        raise InputError(
            f"the columns of the new item file do not fit those of {existing.manifest.dataset}: {error}",
            hint="give an item file with the same columns",
        ) from error
