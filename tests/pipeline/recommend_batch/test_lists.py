"""Recommending to many: the same as one by one, into every format, and honest about who is unknown."""

from __future__ import annotations

import io
import json
import sys
from dataclasses import replace

import polars as pl
import pytest

from adrec_cli.artifacts.outputs import STDOUT
from adrec_cli.errors import InputError, StorageError, UsageError
from adrec_cli.experiments.events import RankingProgress
from adrec_cli.models.sampling import FAST_SAMPLING
from adrec_cli.pipeline import recommend_batch as batch
from adrec_cli.pipeline.recommend import recommend
from adrec_cli.pipeline.recommend_batch import recommend_batch
from adrec_cli.recommending.batch_options import AudienceOptions, BatchOutput
from adrec_cli.recommending.item_choice import ItemChoice
from adrec_cli.recommending.options import RecommendOptions
from tests.pipeline.recommend_batch.conftest import OPTIONS, one_by_one, ranked_ids

COLUMNS = ["user_id", "rank", "item_id", "score", "source", "model"]


def test_all_users_get_what_each_gets_alone(trained, tmp_path):
    seen = []
    summary = recommend_batch(
        AudienceOptions(all_users=True),
        output=BatchOutput(path=tmp_path / "r.parquet"),
        workspace=trained,
        options=OPTIONS,
        on_event=seen.append,
    )
    table = pl.read_parquet(tmp_path / "r.parquet")
    users = pl.read_parquet(trained / "tiny/sequences.parquet")["user_id"].to_list()
    assert (summary.users, summary.rows, summary.popular, summary.resumed) == (120, 600, 0, 0)
    assert table.columns == COLUMNS
    assert table["rank"].to_list() == [1, 2, 3, 4, 5] * 120
    assert table["user_id"].unique(maintain_order=True).to_list() == users
    assert ranked_ids(table) == one_by_one(trained, users)
    assert set(table["source"]) == {"model"}
    assert set(table["model"]) == {summary.checkpoint_sha256[:16]}
    assert seen[-1] == RankingProgress(done=120, total=120)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["r.parquet"]


@pytest.mark.parametrize("name", ["r.jsonl", "r.csv"])
def test_formats_hold_the_same(trained, tmp_path, name, monkeypatch):
    monkeypatch.setattr(batch, "CHUNK_USERS", 50)
    recommend_batch(
        AudienceOptions(all_users=True),
        output=BatchOutput(path=tmp_path / "r.parquet"),
        workspace=trained,
        options=OPTIONS,
    )
    recommend_batch(
        AudienceOptions(all_users=True), output=BatchOutput(path=tmp_path / name), workspace=trained, options=OPTIONS
    )
    table = pl.read_parquet(tmp_path / "r.parquet")
    other = pl.read_csv(tmp_path / name) if name.endswith("csv") else pl.read_ndjson(tmp_path / name)
    assert other.drop("score").equals(table.drop("score").cast(other.drop("score").schema))
    assert other["score"].to_list() == pytest.approx(table["score"].to_list(), rel=1e-6)


def test_stdout_gets_json_lines(trained, tmp_path, monkeypatch):
    written = io.TextIOWrapper(io.BytesIO())
    monkeypatch.setattr(sys, "stdout", written)
    (tmp_path / "users.txt").write_text("u1\nu7\n")
    recommend_batch(
        AudienceOptions(users=tmp_path / "users.txt"),
        output=BatchOutput(path=STDOUT),
        workspace=trained,
        options=OPTIONS,
    )
    rows = [json.loads(line) for line in written.buffer.getvalue().splitlines()]
    assert [list(row) for row in rows] == [COLUMNS] * 10
    assert [row["user_id"] for row in rows] == ["u1"] * 5 + ["u7"] * 5


def test_unknown_users_are_listed_and_the_rest_is_served(trained, tmp_path):
    (tmp_path / "users.csv").write_text('user_id,note\nu3,x\n"no,body",y\nu1,z\nu3,again\n')
    summary = recommend_batch(
        AudienceOptions(users=tmp_path / "users.csv"),
        output=BatchOutput(path=tmp_path / "r.csv"),
        workspace=trained,
        options=OPTIONS,
    )
    assert (summary.users, summary.unknown_users) == (2, 1)
    assert list(ranked_ids(pl.read_csv(tmp_path / "r.csv"))) == ["u3", "u1"]
    assert json.loads((tmp_path / "r.unknown.jsonl").read_text()) == {"kind": "user", "id": "no,body"}
    (tmp_path / "users.csv").write_text("user_id\nu3\n")
    again = recommend_batch(
        AudienceOptions(users=tmp_path / "users.csv"),
        output=BatchOutput(path=tmp_path / "r.csv"),
        workspace=trained,
        options=OPTIONS,
    )
    assert again.unknown_path is None
    assert not (tmp_path / "r.unknown.jsonl").exists(), "an old list would be taken for today's"


def test_when_all_are_unknown_nothing_is_written(trained, tmp_path):
    (tmp_path / "users.txt").write_text("nobody\nno one\n")
    (tmp_path / "h.jsonl").write_text('{"user_id": "new", "history": ["x", "y"]}\n')
    for audience in (AudienceOptions(users=tmp_path / "users.txt"), AudienceOptions(histories=tmp_path / "h.jsonl")):
        with pytest.raises(InputError, match="no user is known"):
            recommend_batch(audience, output=BatchOutput(path=tmp_path / "r.csv"), workspace=trained, options=OPTIONS)
    assert not (tmp_path / "r.csv").exists()


def test_histories_known_unknown_empty_and_long(trained, tmp_path):
    histories = {"a": ["i1", "i2", "nothing"], "b": [], "c": ["i3"], "d": ["i1", "i2"] * 5000, "e": ["nothing"]}
    rows = [json.dumps({"user_id": user, "history": history}) for user, history in histories.items()]
    (tmp_path / "h.jsonl").write_text("\n".join(rows))
    summary = recommend_batch(
        AudienceOptions(histories=tmp_path / "h.jsonl"),
        output=BatchOutput(path=tmp_path / "r.parquet"),
        workspace=trained,
        options=OPTIONS,
    )
    table = pl.read_parquet(tmp_path / "r.parquet")
    assert (summary.users, summary.popular, summary.unknown_items) == (5, 2, 1)
    assert json.loads((tmp_path / "r.unknown.jsonl").read_text()) == {"kind": "item", "id": "nothing", "events": 2}
    assert ranked_ids(table.filter(source="popular")).keys() == {"b", "e"}
    counts = dict(pl.read_parquet(trained / "tiny/items.parquet").select("item_id", "count").rows())
    best = sorted(counts, key=lambda item: -counts[item])[:5]
    assert [counts[item] for item in ranked_ids(table)["b"]] == [counts[item] for item in best]
    alone = recommend(histories=[["i1", "i2"]], workspace=trained, options=OPTIONS).results[0]
    assert ranked_ids(table)["a"] == [item.item_id for item in alone.items]


def test_newest_events_count_and_bring_new_users(trained, tmp_path):
    # Times in the data set's unit: events are read as it was.
    rows = [("u1", "i2", 20), ("u1", "i1", 10), ("new", "i3", 5), ("u2", "unseen", 6)]
    lines = [f"{user},{item},{1_700_000_000 + second}" for user, item, second in rows]
    (tmp_path / "today.csv").write_text("\n".join(["user_id,item_id,timestamp", *lines]) + "\n")
    events = tmp_path / "today.csv"
    out = tmp_path / "r.parquet"
    summary = recommend_batch(
        AudienceOptions(all_users=True, events=events), output=BatchOutput(path=out), workspace=trained, options=OPTIONS
    )
    found = ranked_ids(pl.read_parquet(out))
    assert (summary.users, summary.unknown_items) == (121, 1)
    own = recommend(users=["u1"], workspace=trained, options=OPTIONS).results[0]
    longer = recommend(histories=[[*own.history, "i1", "i2"]], workspace=trained, options=OPTIONS).results[0]
    assert found["u1"] == [item.item_id for item in longer.items]
    assert found["u2"] == one_by_one(trained, ["u2"])["u2"]
    fresh = recommend(histories=[["i3"]], workspace=trained, options=OPTIONS).results[0]
    assert found["new"] == [item.item_id for item in fresh.items]
    (tmp_path / "users.txt").write_text("new\nnobody\n")
    audience = AudienceOptions(users=tmp_path / "users.txt", events=events)
    assert (
        recommend_batch(audience, output=BatchOutput(path=out), workspace=trained, options=OPTIONS).unknown_users == 1
    )


def test_which_items_may_come_back(trained, tmp_path):
    counts = dict(pl.read_parquet(trained / "tiny/items.parquet").select("item_id", "count").rows())
    (tmp_path / "some.txt").write_text("i1\ni2\ni3\ni4\ni5\ni6\nnothing\n")
    (tmp_path / "not.jsonl").write_text('{"item_id": "i2"}\n')
    choice = ItemChoice(candidates=tmp_path / "some.txt", excluded=tmp_path / "not.jsonl", min_count=1)
    options = RecommendOptions(k=10, include_seen=True, choice=choice, sampling=FAST_SAMPLING)
    summary = recommend_batch(
        AudienceOptions(all_users=True),
        output=BatchOutput(path=tmp_path / "r.parquet"),
        workspace=trained,
        options=options,
    )
    found = ranked_ids(pl.read_parquet(tmp_path / "r.parquet"))
    assert summary.unknown_items == 1
    allowed = {item for item in ("i1", "i3", "i4", "i5", "i6") if counts[item] >= 1}
    everything = one_by_one(trained, ["u4"], RecommendOptions(k=10_000, include_seen=True, sampling=FAST_SAMPLING))
    assert found["u4"] == [item for item in everything["u4"] if item in allowed]
    most = ItemChoice(min_count=10**6)
    with pytest.raises(InputError, match="no item is left"):
        recommend(users=["u1"], workspace=trained, options=RecommendOptions(choice=most))
    with pytest.raises(InputError, match="no categories"):
        recommend(users=["u1"], workspace=trained, options=RecommendOptions(choice=ItemChoice(categories=("tea",))))


@pytest.mark.parametrize(
    ("asked", "remainders"), [(("tea",), {0, 1}), (("green",), {1}), (('crème, "brûlée"', "greens"), {2, 4})]
)
def test_only_items_of_a_category_come_back(sorted_shop, tmp_path, asked, remainders):
    options = RecommendOptions(k=10_000, include_seen=True, sampling=FAST_SAMPLING)
    everything = one_by_one(sorted_shop, ["u4"], options)["u4"]
    assert len(everything) == 40
    options = replace(options, choice=ItemChoice(categories=asked))
    out = tmp_path / "r.parquet"
    summary = recommend_batch(
        AudienceOptions(all_users=True), output=BatchOutput(path=out), workspace=sorted_shop, options=options
    )
    wanted = [item for item in everything if int(item[1:]) % 5 in remainders and item != "i39"]
    assert ranked_ids(pl.read_parquet(out))["u4"] == wanted
    assert summary.rows == 120 * len(wanted)
    # Somebody without a history gets what is popular within the category.
    popular = recommend(histories=[[]], workspace=sorted_shop, options=options).results[0]
    assert popular.source == "popular"
    assert sorted(item.item_id for item in popular.items) == sorted(wanted)


def test_an_unknown_category_is_refused_with_the_known_ones(sorted_shop):
    options = RecommendOptions(choice=ItemChoice(categories=("tea", "coffee")))
    with pytest.raises(InputError, match="unknown category 'coffee'") as refused:
        recommend(users=["u1"], workspace=sorted_shop, options=options)
    assert refused.value.hint == 'available: crème, "brûlée", green, greens, tea'


def test_what_cannot_work_is_refused(trained, tmp_path):
    with pytest.raises(UsageError, match="one of all="):
        AudienceOptions()
    with pytest.raises(UsageError, match="one of all="):
        AudienceOptions(all_users=True, users=tmp_path / "u")
    with pytest.raises(UsageError, match="format 'xlsx' is unknown"):
        recommend_batch(
            AudienceOptions(all_users=True), output=BatchOutput(path=tmp_path / "r.xlsx"), workspace=trained
        )
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError):
        recommend_batch(
            AudienceOptions(all_users=True),
            output=BatchOutput(path=tmp_path / "file/r.csv"),
            workspace=trained,
            options=OPTIONS,
        )
