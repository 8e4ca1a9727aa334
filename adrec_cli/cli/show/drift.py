"""What has changed since the nights before, in a line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adrec_cli.wording import say_count

if TYPE_CHECKING:
    from adrec_cli.artifacts.nights import Drift


def describe_drift(drift: Drift) -> str:
    """Return the line."""
    parts = [f"{drift.new_users:.1%} of the users and {drift.new_items:.1%} of the items are new"]
    if drift.popularity_shift is not None:
        parts.append(f"popularity shifted by {drift.popularity_shift:.2f} (by chance {drift.expected_shift:.2f})")
    if drift.metric_change is not None:
        parts.append(f"validation {drift.metric_change:+.1%} against the mean of {say_count(drift.nights, 'night')}")
    return f"since the last night: {', '.join(parts)}"
