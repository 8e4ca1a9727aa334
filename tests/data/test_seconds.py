"""When events were: read when asked for, of the same events, in whole seconds."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from adrec_cli.data.reindexing import reindex
from adrec_cli.data.sequences import load_sequences
from adrec_cli.data.shards import Shard
from adrec_cli.errors import ArtifactError, InputError

USERS, ITEMS = 30, 9


@pytest.fixture
def path(tmp_path):
    """A file of row groups of 8 users, the first without events, at fractions of seconds."""
    random = np.random.default_rng(2)
    lengths = [0, *random.integers(1, 6, USERS - 1)]
    table = pl.DataFrame(
        {
            "user_id": [f"u{user}" for user in range(USERS)],
            "items": [random.integers(1, ITEMS + 1, length).tolist() for length in lengths],
            "timestamps": [np.sort(random.integers(-(10**9), 10**13, length)).tolist() for length in lengths],
            "train_end": lengths,
            "valid_end": lengths,
        },
        schema={"user_id": pl.String, "items": pl.List(pl.Int32), "timestamps": pl.List(pl.Int64),
                "train_end": pl.Int32, "valid_end": pl.Int32},
    )  # fmt: skip
    table.write_parquet(tmp_path / "sequences.parquet", row_group_size=8)
    return tmp_path / "sequences.parquet"


def seconds_by_hand(path) -> list[int]:
    return [time // 10**6 for times in pl.read_parquet(path)["timestamps"] for time in times.to_list()]


def test_each_event_has_its_second_in_the_whole_and_in_shards(path):
    whole = load_sequences(path, ITEMS, timed=True)
    assert whole.seconds.tolist() == seconds_by_hand(path)
    assert whole.of(3, whole.seconds).tolist() == [one // 10**6 for one in pl.read_parquet(path)["timestamps"][3]]
    for shard in (load_sequences(path, ITEMS, Shard(number, 3), timed=True) for number in range(3)):
        assert 0 < shard.users < USERS
        for row, user in enumerate(shard.user_ids):
            assert np.array_equal(shard.of(row, shard.seconds), whole.of(whole.find(user), whole.seconds))


def test_events_that_are_left_out_leave_with_their_seconds(path):
    whole = load_sequences(path, ITEMS, timed=True)
    mapping = np.array([0, 1, 0, 2, 3, 0, 4, 5, 6, 7], dtype=np.int32)
    fewer = reindex(whole, mapping, 7)
    kept = [(item, second) for item, second in zip(whole.items, whole.seconds, strict=True) if mapping[item]]
    assert list(zip(fewer.items, fewer.seconds, strict=True)) == [(mapping[item], second) for item, second in kept]
    assert len(fewer.seconds) < len(whole.seconds)


def test_positions_are_no_times(path):
    plain = load_sequences(path, ITEMS)
    for sequences in (plain, reindex(plain, np.arange(ITEMS + 1, dtype=np.int32), ITEMS)):
        with pytest.raises(InputError, match="do not say when events were"):
            _ = sequences.seconds


def test_seconds_of_other_events_are_refused(path):
    before = load_sequences(path, ITEMS, timed=True)
    table = pl.read_parquet(path)
    table.with_columns(pl.col("items").list.reverse()).write_parquet(path)
    with pytest.raises(ArtifactError, match="has changed since it was opened"):
        _ = before.seconds
    path.unlink()
    with pytest.raises(ArtifactError, match="has changed since it was opened"):
        _ = before.seconds
