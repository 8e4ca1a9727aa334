"""Batches into a folder, by one process or several: together they write what one does into a file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from adrec_cli.artifacts.outputs import STDOUT
from adrec_cli.data.sequences import load_sequences
from adrec_cli.data.shards import WHOLE, Shard
from adrec_cli.errors import InterruptedRun, UsageError
from adrec_cli.models.sampling import FAST_SAMPLING
from adrec_cli.pipeline import recommend_batch as batch
from adrec_cli.pipeline.recommend_batch import recommend_batch
from adrec_cli.recommending.batch_options import AudienceOptions, BatchOutput
from adrec_cli.recommending.options import RecommendOptions
from tests.conftest import GROUP
from tests.tiers import sampled

EVERYBODY = AudienceOptions(all_users=True)
OPTIONS = RecommendOptions(k=3, sampling=FAST_SAMPLING)
USERS = 120


@pytest.fixture(scope="module")
def shop(grouped_shop: Path) -> Path:
    return grouped_shop


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(batch, "CHUNK_USERS", 10)


def written(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.rglob("*"))}


def test_the_files_of_a_folder_hold_what_one_file_does(shop, tmp_path):
    recommend_batch(EVERYBODY, output=BatchOutput(path=tmp_path / "r.parquet"), workspace=shop, options=OPTIONS)
    summary = recommend_batch(EVERYBODY, output=BatchOutput(path=tmp_path / "recs"), workspace=shop, options=OPTIONS)
    assert (summary.files, summary.users, summary.rows, summary.path) == (5, USERS, 3 * USERS, tmp_path / "recs")
    assert list(written(tmp_path / "recs")) == [f"part-{number:06}.parquet" for number in range(5)]
    several, one = pl.read_parquet(tmp_path / "recs"), pl.read_parquet(tmp_path / "r.parquet")
    assert several.drop("score").equals(one.drop("score"))
    # Chunks are others, and with them what is multiplied at once.
    assert several["score"].to_list() == pytest.approx(one["score"].to_list(), rel=1e-5)
    first = pl.read_parquet(tmp_path / "recs/part-000000.parquet")
    assert first["user_id"].n_unique() == GROUP
    assert sorted(path.name for path in tmp_path.iterdir()) == ["r.parquet", "recs"]


@sampled("count", [2, 3, 7], quick=[3])
def test_shards_together_write_what_one_process_does(shop, tmp_path, count):
    recommend_batch(EVERYBODY, output=BatchOutput(path=tmp_path / "one", format="csv"), workspace=shop, options=OPTIONS)
    assert (tmp_path / "one").is_file(), "a format makes it a file"
    (tmp_path / "whole").mkdir()
    recommend_batch(
        EVERYBODY, output=BatchOutput(path=tmp_path / "whole", format="csv"), workspace=shop, options=OPTIONS
    )
    shares = [
        BatchOutput(path=tmp_path / "shared", format="csv", shard=Shard(number, count)) for number in range(count)
    ]
    done = [recommend_batch(EVERYBODY, output=share, workspace=shop, options=OPTIONS) for share in shares]
    assert written(tmp_path / "shared") == written(tmp_path / "whole")
    assert [summary.files for summary in done] == [len(range(number, 5, count)) for number in range(count)]
    assert sum(summary.users for summary in done) == USERS


@pytest.mark.parametrize("count", [1, 2, 3, 5, 6])
def test_shards_read_their_own_row_groups(shop, count):
    path = shop / "shop/sequences.parquet"
    whole = load_sequences(path, 40)
    shards = [load_sequences(path, 40, Shard(number, count)) for number in range(count)]
    assert whole.row_groups == (25, 25, 25, 25, 20)
    assert [shard.row_groups for shard in shards] == [whole.row_groups[number::count] for number in range(count)]
    history_of = {
        user: shard.history(row).tolist() for shard in shards for row, user in enumerate(shard.user_ids.to_list())
    }
    assert history_of == {user: whole.history(row).tolist() for row, user in enumerate(whole.user_ids.to_list())}
    for shard in shards:
        rows = [whole.find(user) for user in shard.user_ids.to_list()]
        assert np.array_equal(shard.train_end, whole.train_end[rows])


def test_an_interrupted_folder_goes_on(shop, tmp_path):
    run = {"audience": EVERYBODY, "workspace": shop, "options": OPTIONS}
    recommend_batch(output=BatchOutput(path=tmp_path / "whole", shard=Shard(1, 2)), **run)

    def stop(event):
        if event.done == 20:
            raise InterruptedRun("stopped", signal_number=15)

    with pytest.raises(InterruptedRun):
        recommend_batch(output=BatchOutput(path=tmp_path / "recs", shard=Shard(1, 2)), **run, on_event=stop)
    assert recommend_batch(output=BatchOutput(path=tmp_path / "recs", shard=Shard(1, 2)), **run).resumed == 20
    assert written(tmp_path / "recs") == written(tmp_path / "whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["recs", "whole"]


def test_what_a_former_batch_left_goes_and_other_shards_stay(shop, tmp_path):
    run, recs = {"audience": EVERYBODY, "workspace": shop, "options": OPTIONS}, BatchOutput(path=tmp_path / "recs")
    recommend_batch(output=recs, **run)
    before = written(tmp_path / "recs")
    for name in ("part-000007.parquet", "part-000008.parquet", "part-000001.csv", "part-000002.csv"):
        (tmp_path / "recs" / name).write_text("old")
    recommend_batch(output=replace(recs, shard=Shard(1, 2)), **run)
    assert written(tmp_path / "recs").keys() == before.keys() | {"part-000008.parquet", "part-000002.csv"}
    recommend_batch(output=recs, **run)
    assert written(tmp_path / "recs") == before


def test_a_folder_with_something_else_in_it_is_refused(shop, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/holiday.jpg").write_text("")
    for out, message in ((tmp_path / "mine", "holiday.jpg"), (shop / "shop", "is an artifact|is not part")):
        with pytest.raises(UsageError, match=message):
            recommend_batch(EVERYBODY, output=BatchOutput(path=out), workspace=shop, options=OPTIONS)
    assert list(written(tmp_path / "mine")) == ["holiday.jpg"]


def test_people_of_a_file_are_written_in_stretches(shop, tmp_path, monkeypatch):
    monkeypatch.setattr("adrec_cli.recommending.audience._STRETCH", 4)
    (tmp_path / "users.txt").write_text("\n".join(f"u{number}" for number in range(1, 11)))
    audience = AudienceOptions(users=tmp_path / "users.txt")
    recommend_batch(audience, output=BatchOutput(path=tmp_path / "recs"), workspace=shop, options=OPTIONS)
    sizes = [pl.read_parquet(path)["user_id"].n_unique() for path in sorted((tmp_path / "recs").iterdir())]
    assert sizes == [4, 4, 2]


@pytest.mark.parametrize("text", ["", "1", "4/4", "-1/4", "0/0", "a/b", "1/2/3", " 0/2", "0/1234567"])
def test_what_is_no_shard_is_refused(text):
    with pytest.raises(UsageError, match="is not a shard"):
        Shard.parse(text)


def test_shards_are_of_the_data_set_and_into_a_folder(shop, tmp_path):
    assert (Shard.parse("3/4"), Shard.parse("0/1")) == (Shard(3, 4), WHOLE)
    (tmp_path / "users.txt").write_text("u1")
    with pytest.raises(UsageError, match="the data set's users"):
        recommend_batch(
            AudienceOptions(users=tmp_path / "users.txt"),
            output=BatchOutput(path=tmp_path / "r", shard=Shard(0, 2)),
            workspace=shop,
        )
    with pytest.raises(UsageError, match="into a folder"):
        recommend_batch(EVERYBODY, output=BatchOutput(path=STDOUT, shard=Shard(0, 2)), workspace=shop)
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="is a file"):
        recommend_batch(EVERYBODY, output=BatchOutput(path=tmp_path / "file", shard=Shard(0, 2)), workspace=shop)


def test_unfinished_parts_of_a_file_are_none_of_a_folder(shop, tmp_path):
    """Their chunks end elsewhere."""
    output = BatchOutput(path=tmp_path / "recs", format="csv")
    run = {"audience": EVERYBODY, "output": output, "workspace": shop, "options": OPTIONS}

    def stop(event):
        if event.done == 30:
            raise InterruptedRun("stopped", signal_number=15)

    with pytest.raises(InterruptedRun):
        recommend_batch(**run, on_event=stop)
    (tmp_path / "recs").mkdir()
    assert recommend_batch(**run).resumed == 0
    rows = [len(path.read_text().splitlines()) - 1 for path in sorted((tmp_path / "recs").iterdir())]
    assert rows == [75, 75, 75, 75, 60]
