"""Whether train events that encoders were fitted to may be held out now, for every way in which data can change."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adrec_cli.artifacts.checkpoint_metadata import CheckpointMetadata
from adrec_cli.artifacts.fitted_on import FittedOn, describe_cut
from adrec_cli.artifacts.manifest import Manifest
from adrec_cli.content.other_cut import is_cut_otherwise, may_know_held_out
from tests.made_up import made_up

LATER = {"split": "time", "valid_from": "2024-05-02T00:00:00Z", "test_from": "2024-06-01T00:00:00Z"}


def described(events: int = 100, sequences: str = "b", found: dict[str, Any] | None = None, **changed: Any) -> Manifest:
    """Return the manifest of a data set, split by time unless something else is said."""
    found = found or {**LATER, "valid_from": "2024-05-01T00:00:00.500000Z"}
    parameters = {"where": [], "min_rating": None, "max_length": 0, "duplicates": "drop", "ties": "source", **changed}
    return made_up(
        Manifest, dataset="shop", sequences_sha256=sequences * 64, statistics={"interactions": events},
        parameters={**parameters, "found": found},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("now", "otherwise"),
    [
        (described(), False),
        (described(events=101), False),
        (described(found=LATER), False),
        (described(max_length=None, min_rating=0.0), False),
        (described(sequences="a", events=99), False),
        (described(events=99), True),
        (described(found={**LATER, "valid_from": "2024-05-01T00:00:00Z"}), True),
        (described(found={"split": "leave-one-out"}), True),
        (described(found={"split": "cold-items"}), True),
        (described(where=["kind = 'buy'"]), True),
        (described(min_rating=3.0), True),
        (described(max_length=50), True),
        (described(min_user_interactions=5), True),
        (described(min_item_interactions=5), True),
        (described(duplicates="keep"), True),
        (described(ties="reverse"), True),
    ],
)
def test_what_was_added_leaves_train_in_train_and_another_cut_does_not(now: Manifest, otherwise: bool) -> None:
    fitted = FittedOn.of(described(sequences="a"))
    assert is_cut_otherwise(fitted, now, Path("none")) is otherwise
    assert FittedOn.from_text(fitted.to_text()) == fitted
    assert is_cut_otherwise(replace(fitted, dataset="other"), now, Path("none")) is False
    assert is_cut_otherwise(None, now, Path("none"))
    lost = now.statistics["interactions"] < 100
    learned = made_up(CheckpointMetadata, cut=describe_cut(described(sequences="a")), sequences_sha256="a" * 64)
    assert may_know_held_out(learned, now) is (otherwise and not lost)
    assert not may_know_held_out(replace(learned, sequences_sha256=now.sequences_sha256), now)
    assert not may_know_held_out(replace(learned, cut={}), now), "an earlier version did not write it down"


@pytest.mark.parametrize("split", ["given", "cold-items"])
def test_a_split_that_cannot_be_added_to_was_made_again(split: str) -> None:
    fitted = FittedOn.of(described(sequences="a", found={"split": split}))
    assert is_cut_otherwise(fitted, described(found={"split": split}), Path("none"))
    assert not is_cut_otherwise(fitted, described(sequences="a", found={"split": split}), Path("none"))


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"dataset": 1, "sequences_sha256": "", "interactions": 1, "cut": {}}', "null"]
)
def test_a_record_that_nobody_wrote_is_refused(text: str) -> None:
    with pytest.raises((TypeError, ValueError)):
        FittedOn.from_text(text)


@pytest.mark.parametrize("moment", [5, [], "soon", "2024-13-01T00:00:00Z"])
def test_a_moment_that_nobody_wrote_is_refused(moment: object) -> None:
    fitted = FittedOn.of(described())
    with pytest.raises(ValueError, match=r"cut|isoformat|month"):
        FittedOn.from_text(replace(fitted, cut={**fitted.cut, "valid_from": moment}).to_text())
