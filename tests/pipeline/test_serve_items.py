"""Items that are posted to a server come back in its answers; a request that is refused says why."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("starlette", reason="the extra serve is not installed")
pytest.importorskip("uvicorn", reason="the extra serve is not installed")

from adrec_cli.content.options import EncodeOptions
from adrec_cli.experiments.options import ExperimentOptions
from adrec_cli.pipeline.encode import encode
from adrec_cli.pipeline.preprocess import PreprocessOptions, preprocess
from adrec_cli.pipeline.train import train
from tests.pipeline.test_new_items import CATEGORIES, GROUPS, ONE_THREAD, write_groups
from tests.pipeline.test_serve import Running

JSON = {"Content-Type": "application/json"}
ROWS = [{"item_id": f"new{n}", "title": f"New {n}", "category": [f"g{n}"]} for n in range(GROUPS)]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with SASRec that sums vectors and content, and one without content."""
    folder = tmp_path_factory.mktemp("posting")
    events, file = write_groups(folder, 60)
    preprocess(str(events), workspace=folder / "ws", options=PreprocessOptions(items=file))
    encode("shop", workspace=folder / "ws", options=CATEGORIES)
    for kind in ("none", "sum"):
        model = {"content": kind, "hidden_size": 16, "heads": 2, "max_length": 8}
        stage = {"epochs": 20, "learning_rate": 5e-3, "keep": "last"}
        tables = {"model": model, "training": {"batch_size": 32}, "stages": {"train": stage}}
        done = train("shop", model_name="sasrec", workspace=folder / "ws",
                     experiment=ExperimentOptions(overrides=tables), work=ONE_THREAD)  # fmt: skip
        done[-1].path.rename(done[-1].path.with_name(f"{kind}.safetensors"))
    return folder / "ws"


def served(workspace: Path, kind: str = "sum", **options: Any) -> Running:
    return Running(workspace, str(workspace / f"shop/sasrec/{kind}.safetensors"), **options)


def post(server: Running, *rows: Any, headers: dict[str, str] = JSON) -> tuple[int, dict[str, Any]]:
    status, content = server.send("POST", "/items", json.dumps({"items": rows}), headers)
    return status, json.loads(content)


def recommended(server: Running, group: int) -> set[str]:
    """The new items that come to somebody of a group."""
    status, answer = server.ask(history=[f"i{group + GROUPS * n}" for n in range(4)], k=9)
    assert status == 200
    return {item["item_id"] for item in answer["items"] if not item["item_id"].startswith("i")}


def test_posted_items_come_to_those_who_like_their_like_and_stand_in_histories(workspace: Path) -> None:
    with served(workspace) as server:
        name = server.server.model.name
        assert post(server, *ROWS[:2]) == (200, {"added": 2, "known": 0, "silent": [], "model": name})
        assert (recommended(server, 0), recommended(server, 1), recommended(server, 2)) == ({"new0"}, {"new1"}, set())
        mute = {"item_id": 7, "category": "nobody has this"}
        known = {"item_id": "i3", "category": "g3"}
        assert post(server, *ROWS[2:], mute, known) == (
            200, {"added": 5, "known": 1, "silent": ["7"], "model": name},
        )  # fmt: skip
        assert [recommended(server, group) for group in range(GROUPS)] == [{f"new{n}"} for n in range(GROUPS)]
        assert server.ask(history=["new3"], k=3)[1]["unknown_items"] == []
        assert server.ask(history=["7"], k=3)[0] == 404
        # What is said last counts.
        assert post(server, {"item_id": "new0", "category": "g4"})[0] == 200
        assert (recommended(server, 0), recommended(server, 4)) == (set(), {"new0", "new4"})
        assert server.reloads == []


def test_they_stay_when_another_model_is_taken_beside_those_of_a_file(workspace: Path, tmp_path: Path) -> None:
    file = tmp_path / "products.csv"
    file.write_text("item_id,category\nfile1,g1\n")
    with served(workspace, new_items=file, poll_seconds=3600) as server:
        assert recommended(server, 1) == {"file1"}
        assert post(server, ROWS[0])[0] == 200
        file.write_text("item_id,category\nfile1,g1\nfile2,g2\n")
        asyncio.run(server.server.watch.look())
        assert len(server.reloads) == 1
        assert [recommended(server, group) for group in range(3)] == [{"new0"}, {"file1"}, {"file2"}]


def test_what_cannot_be_taken_changes_nothing(workspace: Path) -> None:
    with served(workspace) as server:
        assert post(server, ROWS[0])[0] == 200
        before = server.server.model
        for body, headers, status in (
            ("{", JSON, 400), ("{}", JSON, 400), (json.dumps({"items": [{"item_id": ""}]}), JSON, 400),
            (json.dumps({"items": ROWS}), {}, 415), (json.dumps({"items": ROWS}), {"Content-Type": "text/plain"}, 415),
            (json.dumps({"items": ROWS}), {**JSON, "Host": "evil.example"}, 421), (" " * 2_000_001, JSON, 413),
        ):  # fmt: skip
            found, content = server.send("POST", "/items", body, headers)
            assert (found, "error" in json.loads(content)) == (status, True), body[:40]
        assert server.send("GET", "/items")[0] == 405
        assert server.server.model is before
        assert post(server, ROWS[1], headers={"Content-Type": "Application/JSON; charset=utf-8"})[0] == 200
        assert recommended(server, 0) == {"new0"}


def test_while_a_model_is_loaded_they_are_asked_to_come_back(workspace: Path) -> None:
    with served(workspace) as server:
        asyncio.run(server.server.watch._one_at_a_time.acquire())
        try:
            status, content = post(server, ROWS[0])
        finally:
            server.server.watch._one_at_a_time.release()
        assert (status, content["error"]) == (503, "a model is being loaded")
        assert post(server, ROWS[0])[0] == 200


def test_a_model_of_ids_alone_and_several_processes_take_none(workspace: Path) -> None:
    with served(workspace, "none") as server:
        status, content = post(server, ROWS[0])
        assert status == 409
        assert "by their ids alone" in content["error"]
    with served(workspace, workers=2) as server:
        status, content = post(server, ROWS[0])
        assert status == 409
        assert "several processes" in content["error"]


def test_encoders_that_are_others_now_are_named(workspace: Path, tmp_path: Path) -> None:
    own = tmp_path / "ws"
    shutil.copytree(workspace, own)
    with served(own) as server:
        encode("shop", workspace=own, options=EncodeOptions(encoders=("categories=title",)))
        status, content = post(server, ROWS[0])
        assert status == 409
        assert "encoded otherwise" in content["error"]
        assert recommended(server, 0) == set()
        assert server.server.model.recommender.posted_items.added == 0
