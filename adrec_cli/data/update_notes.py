"""What an update has to say: where its interactions went, what still waits, and what is gone for good."""

from __future__ import annotations

import numpy as np

from adrec_cli.data.cuts import Cut
from adrec_cli.data.reading.times import moment_text
from adrec_cli.data.settings import Settings
from adrec_cli.data.splits import Bounds
from adrec_cli.data.updating import Existing
from adrec_cli.wording import say_count

_PARTS = ("train", "valid", "test")


def count_parts(bounds: Bounds) -> tuple[int, int, int]:
    """Return how many interactions are train, valid and test."""
    ends = (bounds.train_end, bounds.valid_end, bounds.length)
    train, before_test, everything = (int(end.sum(dtype=np.int64)) for end in ends)
    return train, before_test - train, everything - before_test


def tell_waiting(interactions: int, users: int) -> list[str]:
    """Return the line about so many interactions of so many users that filters hold back."""
    if not interactions:
        return []
    return [
        f"pending.parquet holds {say_count(interactions, 'interaction')} of {say_count(users, 'user')} back: "
        "later updates may bring them in"
    ]


def tell_parts(existing: Existing, cut: Cut) -> str:
    """Return the line about where new interactions went: each part before and after."""
    now = count_parts(cut.bounds)
    parts = zip(_PARTS, existing.parts, now, strict=True)
    grown = ", ".join(f"{name} {before:,} -> {after:,}" for name, before, after in parts)
    return f"interactions before and after: {grown}"


def warn_of_parts(existing: Existing, cut: Cut) -> list[str]:
    """Return a warning if a split by time leaves nothing new to train on."""
    now = count_parts(cut.bounds)
    if cut.split != "time" or now[0] > existing.parts[0] or now == existing.parts:
        return []
    valid_from = moment_text(cut.moments["valid_from"])
    return [
        f"all that is new in {existing.manifest.dataset} is held out, later than valid_from, {valid_from}: "
        "training learns nothing from it; give later moments, or moments before the newest event, such as -14d"
    ]


def warn_of_losses(existing: Existing, settings: Settings) -> list[str]:
    """Return a warning for each thing that cannot be brought back because it was not kept."""
    was, name = existing.manifest.parameters, existing.manifest.dataset
    counting = max(was.get("min_user_interactions") or 0, was.get("min_item_interactions") or 0) > 1
    longest, lowest = was.get("max_length") or 0, was.get("min_rating")
    losses: list[str] = []
    if existing.manifest.pending_sha256 is None and (counting or longest):
        losses.append(f"{name} was made without a pending.parquet: what its filters left out before is gone")
    elif longest and not counting and (settings.max_length == 0 or settings.max_length > longest):
        losses.append(f"max_length was {longest:,}: older interactions are gone, only new ones make histories longer")
    if lowest is not None and (settings.min_rating is None or settings.min_rating < lowest):
        losses.append(f"min_rating was {lowest:g}: what was rated lower is gone, only new ratings are let in")
    if settings.min_rating is not None and (lowest is None or settings.min_rating > lowest):
        losses.append(f"min_rating {settings.min_rating:g} judges new ratings only: those from before were not kept")
    if was.get("duplicates") == "drop" and settings.duplicates == "keep":
        losses.append("duplicates were dropped before and are gone, only new ones are kept")
    return [f"{loss}; to have all, preprocess all files again" for loss in losses]
