"""Newest events are read as the data set was: with the columns that decide which count, and without the others."""

from __future__ import annotations

import polars as pl
import pytest

from adrec_cli.data.newest_events import read_newest_events
from adrec_cli.errors import InputError
from tests.data.table_files import START, run

pytestmark = pytest.mark.usefixtures("in_shell")

ROLES = {"who": "user", "what": "item", "when": "timestamp", "stars": "rating"}
DAY = {
    "who": ["ann", "ann", "ben", "ben", "ann"], "what": ["a", "b", "a", "b", "c"],
    "when": [START + second for second in range(5)], "stars": [5, 4, 5, 4, 5],
}  # fmt: skip
NIGHT = pl.DataFrame(
    {
        "who": ["ben", "ann", "ann"],
        "what": ["c", "a", "b"],
        "when": [START + 9, START + 8, START + 7],
        "stars": [5, 4, 1],
    }
)


@pytest.mark.parametrize("least", [None, 4.0])
@pytest.mark.parametrize("missing", [None, *ROLES])
def test_a_rating_is_needed_where_one_decides_and_everything_else_always(tmp_path, missing, least):
    pl.DataFrame(DAY).write_csv(tmp_path / "day.csv")
    columns = {f"{role}_column": name for name, role in ROLES.items()}
    made = run(tmp_path / "day.csv", tmp_path / "ws", min_rating=least, **columns)
    NIGHT.drop(missing or []).write_csv(tmp_path / "night.csv")
    if missing is None or (missing == "stars" and least is None):
        kept = [("ann", "b"), ("ann", "a"), ("ben", "c")][least is not None :]
        assert read_newest_events(tmp_path / "night.csv", made.manifest).rows() == kept
        return
    with pytest.raises(
        InputError, match=rf"night\.csv is not written as .* was read: expected .*{missing} \("
    ) as refused:
        read_newest_events(tmp_path / "night.csv", made.manifest)
    assert ("stars" in str(refused.value).partition("found")[0]) is (least is not None)
