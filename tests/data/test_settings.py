"""Each setting comes from the first place that says it: what was typed, the data set that is added to, its source."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adrec_cli.data.datasets import Filters, SourceFiles
from adrec_cli.data.options import PreprocessOptions
from adrec_cli.data.settings import Settings, settle
from adrec_cli.errors import UsageError

# Of each setting: what is typed, what was before, what the source says and where, and what it is else.
PLACES: dict[str, tuple[Any, Any, tuple[str, Any] | None, Any]] = {
    "user_column": ("asked", "before", ("user", "form"), None),
    "item_column": ("asked", 2, ("item", "form"), None),
    "timestamp_column": ("asked", "before", ("timestamp", "form"), None),
    "rating_column": (3, "before", ("rating", "form"), None),
    "header": (False, True, ("header", True), None),
    "separator": (";", "\t", ("separator", ","), None),
    "encoding": ("latin-1", "cp1252", ("encoding", "utf-8"), None),
    "timezone": ("Europe/Berlin", "Asia/Tokyo", ("timezone", "UTC"), None),
    "where": (("a = 1",), ("b = 1",), ("cut", ("c = 1",)), ()),
    "min_rating": (0.0, 3.0, ("cut", 4.0), None),
    "min_user_interactions": (0, 3, ("cut", 4), 0),
    "min_item_interactions": (2, 0, ("cut", 4), 0),
    "max_length": (0, 30, ("cut", 40), 0),
    "duplicates": ("keep", "drop", ("cut", "keep"), "drop"),
    "ties": ("item", "source", ("cut", "item"), "source"),
    "items_column": ("asked", "before", None, None),
    "on_bad_row": ("skip", "error", None, "error"),
    "keep_blanks": (True, False, None, False),
}
DEPENDENT = {"variant", "join", "on", "timestamp_unit", "timestamp_format", "split", "valid_from", "test_from"}


def test_every_setting_is_held() -> None:
    assert {*PLACES, *DEPENDENT} == {field.name for field in fields(Settings)}


@given(st.dictionaries(st.sampled_from(sorted(PLACES)), st.tuples(st.booleans(), st.booleans())), st.booleans())
def test_the_first_place_counts(said: dict[str, tuple[bool, bool]], updated: bool) -> None:
    asked = {name: PLACES[name][0] for name, (typed, _) in said.items() if typed}
    before = {name: PLACES[name][1] for name, (_, known) in said.items() if known} if updated else None
    form = {place[0]: place[1] for _, _, place, _ in PLACES.values() if place is not None and place[0] != "cut"}
    cut = {name: place[1] for name, (_, _, place, _) in PLACES.items() if place is not None and place[0] == "cut"}
    found = settle(PreprocessOptions(**asked), SourceFiles(files=("f",), **form), Filters(**cut), before)
    for name, (typed, known, place, otherwise) in PLACES.items():
        # A data set that is added to has its own cut, which the one of its source has no say in any longer.
        source = otherwise if place is None or (place[0] == "cut" and updated) else place[1]
        expected = typed if name in asked else known if name in (before or {}) else source
        assert getattr(found, name) == expected, name


@pytest.mark.parametrize(
    ("asked", "before", "split", "moments"),
    [
        ({}, None, "given", (None, None)),
        ({"valid_from": "-14d", "test_from": "-7d"}, None, "time", ("-14d", "-7d")),
        ({}, {"split": "time", "valid_from": "-9d", "test_from": "-3d"}, "time", ("-9d", "-3d")),
        ({"test_from": "-2d"}, {"split": "time", "valid_from": "-9d", "test_from": "-3d"}, "time", ("-9d", "-2d")),
        ({"split": "leave-one-out"}, {"split": "time", "valid_from": "-9d"}, "leave-one-out", (None, None)),
    ],
)
def test_moments_belong_to_a_split_by_time(
    asked: dict[str, Any], before: dict[str, Any] | None, split: str, moments: tuple[object, object]
) -> None:
    found = settle(PreprocessOptions(**asked), None, Filters(split="given"), before)
    assert (found.split, found.valid_from, found.test_from) == (split, *moments)


@pytest.mark.parametrize("asked", [{"valid_from": "-3d"}, {"split": "time"}, {"split": "given", "test_from": "-3d"}])
def test_moments_that_do_not_fit_are_refused(asked: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="split='time'"):
        settle(PreprocessOptions(**asked), None, Filters())
