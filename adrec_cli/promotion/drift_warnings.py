"""What is warned of where a night differs from those before."""

from __future__ import annotations

from adrec_cli.artifacts.nights import Drift
from adrec_cli.wording import say_count


def warn_of_drift(drift: Drift | None, threshold: float) -> list[str]:
    """Return a line for each figure above a threshold, of which popularity counts beyond what chance would do."""
    if drift is None:
        return []
    found = {
        f"{drift.new_users:.0%} of the users are new since the last night": drift.new_users,
        f"{drift.new_items:.0%} of the items are new since the last night": drift.new_items,
    }
    if drift.popularity_shift is not None and drift.expected_shift is not None:
        line = (
            f"what is bought has shifted by {drift.popularity_shift:.2f}, by chance it would {drift.expected_shift:.2f}"
        )
        found[line] = drift.popularity_shift - drift.expected_shift
    if drift.metric_change is not None:
        nights = "last night" if drift.nights == 1 else f"mean of the last {say_count(drift.nights, 'night')}"
        line = f"validation is {-drift.metric_change:.0%} below the {nights}"
        found[line] = -drift.metric_change
    return [line for line, value in found.items() if value > threshold]
