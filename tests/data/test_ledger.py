"""The ledger: a log that comes in nights gives, after each of them, what all of it so far gives at once."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from adrec_cli.errors import InputError
from tests.data.table_files import START, run, write_csv
from tests.examples import tries
from tests.reference.preprocessing import History, Rated, Rules, make_histories, pick_wanted

HEADER = "user_id,item_id,timestamp,rating"
Night = list[Rated]

# Few of everything, so that events repeat, tie, come late and wait for company; ids that are all numbers, or nearly.
ROW = st.tuples(
    st.sampled_from(["1", "2", "3", "10"]),
    st.sampled_from(["2", "10", "9", "007", "x"]),
    st.integers(0, 4).map(lambda hours: START + 3600 * hours),
    st.integers(1, 3),
)
NIGHTS = st.lists(st.lists(ROW, min_size=1, max_size=12), min_size=2, max_size=4)
RULES = st.builds(
    Rules,
    min_rating=st.sampled_from([None, 2]),
    duplicates=st.sampled_from(["drop", "keep"]),
    ties=st.sampled_from(["source", "item"]),
    min_user=st.sampled_from([0, 2, 4]),
    min_item=st.sampled_from([0, 2, 3]),
    max_length=st.sampled_from([0, 3, 4]),
    moments=st.sampled_from([None, (START + 2 * 3600, START + 4 * 3600)]),
    hours_before=st.sampled_from([None, None, (3, 1)]),
    unwanted=st.sampled_from([None, None, "9"]),
)


def options_of(rules: Rules) -> dict[str, object]:
    """Return the options of the first night; the others inherit them."""
    chosen: dict[str, object] = {
        "min_rating": rules.min_rating,
        "duplicates": rules.duplicates,
        "ties": rules.ties,
        "min_user_interactions": rules.min_user,
        "min_item_interactions": rules.min_item,
        "max_length": rules.max_length,
        "name": "log",
    }
    if rules.unwanted is not None:
        chosen["where"] = (f"item_id != {rules.unwanted}",)
    if rules.hours_before is not None:
        valid_from, test_from = (f"-{hours}h" for hours in rules.hours_before)
        chosen |= {"split": "time", "valid_from": valid_from, "test_from": test_from}
    elif rules.moments is not None:
        valid_from, test_from = (datetime.fromtimestamp(moment, UTC).isoformat() for moment in rules.moments)
        chosen |= {"split": "time", "valid_from": valid_from, "test_from": test_from}
    return chosen


def histories_of(folder: Path) -> dict[str, History]:
    ids = dict(pl.read_parquet(folder / "items.parquet").select("item_index", "item_id").rows())
    rows = pl.read_parquet(folder / "sequences.parquet").rows()
    return {
        user: (list(zip([ids[i] for i in items], [t // 10**6 for t in times], strict=True)), train_end, valid_end)
        for user, items, times, train_end, valid_end in rows
    }


def give_nights(
    nights: list[Night], rules: Rules, folder: Path
) -> Iterator[tuple[dict[str, History], dict[str, History]]]:
    """Give the nights one after the other; yield after each what there is, and what all of the log so far gives."""
    made, waiting, so_far, contents = None, [], [], set()
    for number, night in enumerate(nights):
        so_far, waiting = so_far + night, waiting + night
        content = (tuple(sorted(pick_wanted(waiting, rules))), len(waiting))
        # Duplicates are kept, but a night that is given twice counts once.
        assume(rules.duplicates == "drop" or not content[0] or content not in contents)
        contents.add(content)
        expected = make_histories(so_far, rules)
        source = write_csv(folder / f"night{number}.csv", waiting, HEADER)
        if made is None:
            try:
                made = run(source, folder, **options_of(rules)).folder
            except InputError as error:
                # There is no data set yet that could keep it: it is given again with the next night.
                assert "nothing is left" in error.message or "no row meets" in error.message
                yield {}, expected
                continue
        else:
            run(source, folder, update=made)
        waiting = []
        yield histories_of(made), expected


@given(NIGHTS, RULES)
@example(
    # 9 ties with 10 and goes, until x makes ids text: "9" comes last then.
    [[("1", item, START, 3) for item in ("9", "10", "2", "007")], [("2", "x", START, 3)]],
    Rules(ties="item", max_length=3),
)
@example(
    # The only id that is text goes on the first night; the order of the others stays that of text.
    [
        [("1", "x", START, 3), *(("1", item, START + 1, 3) for item in ("9", "10", "2"))],
        [("2", "10", START, 3), ("2", "9", START, 3)],
    ],
    Rules(ties="item", max_length=3),
)
@example(
    # The second x is a repeat of the first, which is as old as the oldest that is kept.
    [[("1", item, START, 3) for item in ("x", "10", "2", "007")], [("1", "x", START, 3)]],
    Rules(max_length=3),
)
@example(
    # x waits between two others of its second.
    [[("1", item, START, 3) for item in ("2", "x", "10")] + [("2", "2", START, 3), ("2", "10", START, 3)],
     [("2", "x", START, 3)]],
    Rules(min_item=2),
)  # fmt: skip
@settings(max_examples=tries(20), deadline=None)
def test_nights_give_what_the_whole_log_gives(nights: list[Night], rules: Rules) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for number, (found, expected) in enumerate(give_nights(nights, rules, Path(folder))):
            assert found == expected, f"night {number}"


def test_twenty_users_with_one_event_a_night_are_in_after_five(tmp_path: Path) -> None:
    old = [(f"old{user}", f"i{item}", START + item, 3) for user in range(5) for item in range(5)]
    made = run(write_csv(tmp_path / "first.csv", old, HEADER), tmp_path, min_interactions=5, name="shop").folder
    for night in range(5):
        assert len(histories_of(made)) == 5
        rows = [(f"new{user}", f"i{night}", START + 100 + night, 3) for user in range(20)]
        run(write_csv(tmp_path / f"{night}.csv", rows, HEADER), tmp_path, update=made)
    found = histories_of(made)
    assert len(found) == 25
    assert found["new7"] == ([(f"i{night}", START + 100 + night) for night in range(5)], 3, 4)


@pytest.mark.parametrize("options", [{}, {"min_rating": 2}, {"duplicates": "keep"}])
def test_nothing_waits_where_nothing_counts(tmp_path: Path, options: dict[str, object]) -> None:
    rows = [("1", "x", START, 1), ("1", "y", START, 2)]
    made = run(write_csv(tmp_path / "log.csv", rows, HEADER), tmp_path, **options).folder
    assert not (made / "pending.parquet").exists()
