"""Ids that a caller of Python lists, wherever they are listed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import adrec_cli
from adrec_cli.api.ids import list_ids
from adrec_cli.errors import InputError, UsageError

ASK: dict[str, Callable[[Path, Any], Any]] = {
    "history": lambda place, ids: adrec_cli.recommend(place, history=ids),
    "histories": lambda place, ids: adrec_cli.recommend(place, histories=[ids]),
    "users": lambda place, ids: adrec_cli.recommend(place, users=ids),
    "many histories": lambda place, ids: adrec_cli.load_recommender(place).recommend_many(histories=[ids]),
    "many users": lambda place, ids: adrec_cli.load_recommender(place).recommend_many(users=ids),
}


@pytest.mark.parametrize(
    "ids",
    [[17, "a"], (17.0, "a"), np.array([17, "a"], dtype=object), [np.int32(17), np.str_("a")], [np.float64(17), "a"],
     pl.Series(["17", "a"]), iter(["17", "a"])],
)  # fmt: skip
def test_numbers_are_the_texts_that_files_have(ids: Any) -> None:
    assert list_ids(ids, "ids") == ["17", "a"]


@pytest.mark.parametrize("way", ASK)
@pytest.mark.parametrize("wrong", [None, True, 1.5, float("nan"), b"i1", ["i1"]])
def test_what_is_no_id_is_refused(workspace: Path, way: str, wrong: object) -> None:
    with pytest.raises(InputError, match="expected ids, texts or whole numbers, got"):
        ASK[way](workspace, ["i1", wrong])


# One text in `users` is the path of a file.
@pytest.mark.parametrize(
    ("way", "wrong"), [(way, wrong) for way in ASK for wrong in ("i1", 3) if (way, wrong) != ("users", "i1")]
)
def test_a_text_is_not_its_letters(workspace: Path, way: str, wrong: object) -> None:
    with pytest.raises(UsageError, match="must be a list of ids, got"):
        ASK[way](workspace, wrong)


def test_one_user_may_be_a_number(workspace: Path) -> None:
    with pytest.raises(InputError, match="unknown user '3'"):
        adrec_cli.recommend(workspace, user=3)  # type: ignore[call-overload]
