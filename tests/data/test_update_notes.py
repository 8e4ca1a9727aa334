"""What an update cannot bring back is said, and nothing else: every pair of settings before and now."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from adrec_cli.data.update_notes import warn_of_losses

RATINGS = [None, 1.0, 2.5, 4.0]
LENGTHS = [0, 10, 50]


def losses(was: dict[str, Any], *, pending: str | None = "0" * 64, **now: Any) -> list[str]:
    manifest = SimpleNamespace(parameters=was, dataset="shop", pending_sha256=pending)
    settings = {"min_rating": None, "max_length": 0, "duplicates": "keep"} | now
    return warn_of_losses(SimpleNamespace(manifest=manifest), SimpleNamespace(**settings))  # type: ignore[arg-type]


@pytest.mark.parametrize("was", RATINGS)
@pytest.mark.parametrize("now", RATINGS)
def test_ratings_that_were_left_out_or_not_kept_are_said(was: float | None, now: float | None) -> None:
    said = losses({"min_rating": was}, min_rating=now)
    # None lets everything in.
    before, after = was or 0.0, now or 0.0
    assert [line.partition(":")[0] for line in said] == (
        [f"min_rating was {was:g}"] if before > after
        else [f"min_rating {now:g} judges new ratings only"] if after > before
        else []
    )  # fmt: skip


@pytest.mark.parametrize("was", LENGTHS)
@pytest.mark.parametrize("now", LENGTHS)
@pytest.mark.parametrize("core", [0, 1, 2])
def test_older_events_are_gone_where_nothing_waits_for_them(was: int, now: int, core: int) -> None:
    longer = bool(was) and (now == 0 or now > was) and core < 2
    said = losses({"max_length": was, "min_user_interactions": core, "min_item_interactions": 1}, max_length=now)
    assert [line.startswith(f"max_length was {was}") for line in said] == [True] * longer


@pytest.mark.parametrize("filters", ["min_user_interactions", "min_item_interactions", "max_length"])
@pytest.mark.parametrize("value", [None, 0, 2])
def test_what_filters_left_out_is_gone_without_a_pending_file(filters: str, value: int | None) -> None:
    said = losses({filters: value}, pending=None, max_length=2)
    assert [line.startswith("shop was made without a pending.parquet") for line in said] == [True] * bool(value)


@pytest.mark.parametrize("was", ["keep", "drop"])
@pytest.mark.parametrize("now", ["keep", "drop"])
def test_dropped_duplicates_stay_gone(was: str, now: str) -> None:
    assert len(losses({"duplicates": was}, duplicates=now)) == ((was, now) == ("drop", "keep"))
