"""Every event that was read is kept, waits, or is named with the filter that took it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adrec_cli.errors import InputError
from adrec_cli.pipeline.preprocess import PreprocessOptions, preprocess
from tests.examples import tries

EVENTS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 4), st.integers(0, 3)), min_size=1, max_size=40)


@settings(max_examples=tries(25), deadline=None)
@given(EVENTS, st.sampled_from(["drop", "keep"]), st.integers(1, 3), st.integers(1, 3), st.sampled_from([None, 3, 4]))
def test_nothing_is_lost_without_a_word(tmp_path_factory, events, duplicates, min_user, min_item, longest):
    folder: Path = tmp_path_factory.mktemp("cut")
    rows = [f"u{user},i{item},{1_600_000_000 + time}" for user, item, time in events]
    (folder / "shop.csv").write_text("\n".join(["user_id,item_id,timestamp", *rows]) + "\n")
    options = PreprocessOptions(
        duplicates=duplicates, min_user_interactions=min_user, min_item_interactions=min_item, max_length=longest
    )
    try:
        made = preprocess(str(folder / "shop.csv"), workspace=folder / "workspace", options=options)
    except InputError:
        return
    removed = {applied.name: applied.interactions for applied in made.removed}
    assert made.manifest.statistics["interactions"] + sum(removed.values()) == len(events)
    assert removed.get("duplicates", 0) == (len(events) - len(set(events)) if duplicates == "drop" else 0)
    assert ("duplicates" in removed) == (duplicates == "drop")
    assert ("min_interactions" in removed) == (max(min_user, min_item) > 1)
    assert ("max_length" in removed) == (longest is not None)


@pytest.mark.parametrize("duplicates", ["drop", "keep"])
def test_an_event_that_comes_twice_is_told_where_it_is_dropped(tmp_path, duplicates):
    rows = [f"u{user},i{item},{1_600_000_000 + item}" for user in range(3) for item in (0, 1, 1, 2)]
    (tmp_path / "shop.csv").write_text("\n".join(["user_id,item_id,timestamp", *rows]) + "\n")
    options = PreprocessOptions(duplicates=duplicates)
    made = preprocess(str(tmp_path / "shop.csv"), workspace=tmp_path / "workspace", options=options)
    found = [(applied.name, applied.interactions) for applied in made.removed if applied.interactions]
    assert found == ([("duplicates", 3)] if duplicates == "drop" else [])
