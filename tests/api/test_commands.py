"""The commands as functions: what they make is what is typed, and what they take is what others return."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import polars as pl
import pytest

import adrec_cli
from adrec_cli.errors import ArtifactError, InputError, InterruptedRun, UsageError
from adrec_cli.pipeline.evaluate import evaluate
from adrec_cli.pipeline.recommend import recommend
from tests.conftest import TINY

FAST = {"steps": 1, "noise": "zero", "threads": 1}


def test_from_a_frame_to_recommendations(workspace: Path, tmp_path: Path) -> None:
    events = pl.read_csv(workspace.parent / "shop.csv")
    items = pl.DataFrame({"item_id": [f"i{n}" for n in range(40)], "title": [f"Tea {n}" for n in range(40)]})
    shop = adrec_cli.preprocess(events, name="shop", items=items, workspace=tmp_path)
    assert shop.statistics["users"] == 120
    model = adrec_cli.train(shop, model="sasrec", epochs=1, max_length=7, set={"model": {"hidden_size": 16}})
    assert (model.model, model.dataset, model.stages[-1].metadata.config["max_length"]) == ("sasrec", "shop", 7)
    assert (
        adrec_cli.train(shop, model="sasrec", epochs=1, max_length=7, set=["model.hidden_size=16"]).stages[-1].skipped
    )
    measured = adrec_cli.evaluate(model, threads=1)
    assert measured.metrics == evaluate(str(model.path), workspace=tmp_path).metrics
    first = adrec_cli.recommend(shop, user="u1", k=1, model=model)[0]
    assert first.title == f"Tea {first.item_id[1:]}"
    assert adrec_cli.item_vectors(shop, model=model)["vector"].dtype == pl.Array(pl.Float32, 16)


def test_an_update_by_name_folder_or_result(workspace: Path, tmp_path: Path) -> None:
    shop = adrec_cli.preprocess(workspace.parent / "shop.csv", workspace=tmp_path)
    new = pl.DataFrame(
        {"user_id": ["n"] * 3, "item_id": ["i1", "i2", "i3"], "timestamp": [1_700_000_000 + n for n in range(3)]}
    )
    assert adrec_cli.preprocess(new, update="shop", workspace=tmp_path).statistics["users"] == 121
    for same in (shop, shop.folder, str(shop.folder)):
        assert adrec_cli.preprocess(new, update=same).skipped
    with pytest.raises(ArtifactError, match="'nothing' is not in"):
        adrec_cli.preprocess(new, update="nothing", workspace=tmp_path)


def test_one_person_gets_what_the_command_gives(workspace: Path) -> None:
    (mine,) = recommend(users=["u1"], workspace=workspace).results
    for place in (
        {"dataset": workspace / "shop"},
        {"dataset": "shop", "workspace": workspace},
        {"workspace": workspace},
    ):
        assert adrec_cli.recommend(**place, user="u1") == mine.items
    (other,) = recommend(histories=[["i1", "i2"]], workspace=workspace).results
    assert adrec_cli.recommend(workspace, history=["i1", "i2"]) == other.items
    assert adrec_cli.recommend(workspace, history=["i1", "i2"], times=["2026-01-30", 1.78e9]) == other.items
    explained = adrec_cli.recommend(workspace, user="u1", k=3, explain=True)
    assert [one.item_id for one in explained.explanations] == [item.item_id for item in explained]


def test_many_get_what_each_gets(workspace: Path, tmp_path: Path) -> None:
    loaded = adrec_cli.load_recommender(workspace)
    names = ["u3", "u1", "u2"]
    ids = tmp_path / "ids.txt"
    ids.write_text("\n".join(names))
    for users in (names, tuple(names), pl.Series(names), pl.DataFrame({"user_id": names}), ids, iter(names)):
        table = adrec_cli.recommend(workspace, users=users, k=4, **FAST).to_frame()
        assert table["user_id"].unique(maintain_order=True).to_list() == names
        for name in names:
            alone = loaded.recommend(user=name, k=4, steps=1, noise="zero")
            found = table.filter(pl.col("user_id") == name)
            assert found["item_id"].to_list() == [item.item_id for item in alone]
            assert found["title"].to_list() == [item.title for item in alone]
            assert found["score"].to_list() == pytest.approx([item.score for item in alone], abs=1e-5)
    assert adrec_cli.recommend(workspace, all=True, k=2, **FAST).to_frame()["user_id"].n_unique() == 120


def test_histories_are_called_by_their_positions(workspace: Path) -> None:
    loaded = adrec_cli.load_recommender(workspace)
    histories = [["i1", "i2"], [], ["i3", "unknown"]]
    found = adrec_cli.recommend(workspace, histories=histories, k=3, **FAST)
    for number, history in enumerate(histories):
        alone = loaded.recommend(history=history, k=3, steps=1, noise="zero")
        mine = found.to_frame().filter(pl.col("user_id") == str(number))
        assert mine["item_id"].to_list() == [item.item_id for item in alone]
    assert found.unknown_items == ("unknown",)
    frame = pl.DataFrame({"user_id": ["a", "b", "c"], "history": histories})
    named = adrec_cli.recommend(workspace, histories=frame, k=3, **FAST).to_frame()
    assert named["item_id"].to_list() == found.to_frame()["item_id"].to_list()


def test_newest_events_count_and_strangers_are_told(workspace: Path) -> None:
    events = pl.DataFrame({"user_id": ["u1", "u1"], "item_id": ["i5", "i6"]})
    before = adrec_cli.recommend(workspace, users=["u1", "nobody"], **FAST)
    after = adrec_cli.recommend(workspace, users=["u1"], events=events, **FAST)
    assert before.unknown_users == ("nobody",)
    assert not {"i5", "i6"} & set(after.to_frame()["item_id"])
    assert not before.to_frame().equals(after.to_frame())


def test_what_cannot_be_asked(workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = (
        {},
        {"user": "u1", "history": []},
        {"users": ["u1"], "all": True},
        {"user": "u1", "events": "today.csv"},
        {"user": "u1", "times": [1.7e9]},
        {"all": True, "times": [[1.7e9]]},
    )
    for asked in (*wrong, {"users": ["u1"], "explain": True}, {"user": "u1", "k": 0}, {"all": True, "k": "3"}):
        with pytest.raises(UsageError):
            adrec_cli.recommend(workspace, **asked)
    for asked in ({"user": "u1", "top": 3}, {"all": True, "top": 3}):
        with pytest.raises(TypeError, match=r"recommend\(\) got an unexpected keyword argument 'top'"):
            adrec_cli.recommend(workspace, **asked)
    with pytest.raises(TypeError, match="'threads'"):
        adrec_cli.load_recommender(workspace).recommend(user="u1", threads=1)
    with pytest.raises(InputError):
        adrec_cli.recommend(workspace, users=["nobody"])
    monkeypatch.setenv("ADREC_WORKSPACE", str(tmp_path))
    for ask in (
        lambda: adrec_cli.recommend(user="u1"),
        lambda: adrec_cli.train("shop"),
        lambda: adrec_cli.evaluate("x"),
    ):
        with pytest.raises(ArtifactError):
            ask()
    with pytest.raises(UsageError, match="expected one number"):
        adrec_cli.evaluate("finetune", workspace=workspace, steps="1,2")


def test_the_environment_says_where_names_are(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADREC_WORKSPACE", str(workspace))
    assert adrec_cli.load_recommender("shop").recommender.dataset == "shop"
    assert adrec_cli.load_recommender().recommender.dataset == "shop"


def test_negatives_are_a_number_or_a_file(workspace: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(workspace, tmp_path / "workspace")
    for number in (20, "20"):
        assert (
            adrec_cli.evaluate("finetune", workspace=copy, negatives=number, **FAST).protocol == "loo/sampled-20/test"
        )
    with pytest.raises(InputError, match=r"no\.tsv does not exist"):
        adrec_cli.evaluate("finetune", workspace=copy, negatives=tmp_path / "no.tsv")
    with pytest.raises(UsageError, match="negatives= must be at least 0, got -3"):
        adrec_cli.evaluate("finetune", workspace=copy, negatives=-3)
    assert adrec_cli.evaluate("mostpop", dataset="shop", workspace=copy, part="valid").protocol == "loo/full/valid"


def test_a_training_stops_where_it_is_told_to_and_runs_in_any_thread(workspace: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(workspace, tmp_path / "workspace")
    with pytest.raises(InterruptedRun):
        adrec_cli.train("shop", workspace=copy, set=TINY, max_steps=2, force=True)
    done = []
    thread = threading.Thread(target=lambda: done.append(adrec_cli.train("shop", workspace=copy, set=TINY)))
    thread.start()
    thread.join()
    assert done[0].path.is_file()
