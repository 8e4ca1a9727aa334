"""`adrec status`: what is here and what to type next, said at once."""

from __future__ import annotations

import json
import shlex
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer.main

from adrec_cli.artifacts import checkpoint_metadata, promotion
from adrec_cli.artifacts.atomic import file_sha256
from adrec_cli.artifacts.lock import exclusive
from adrec_cli.artifacts.manifest import read_manifest
from adrec_cli.artifacts.promotion import Candidate, Current, promote
from adrec_cli.cli.app import app
from adrec_cli.inspecting import model_status
from adrec_cli.pipeline import status
from tests.cli.conftest import TINY, Adrec, environment, write_shop
from tests.cli.test_startup import HEAVY, SPY


@pytest.fixture
def workspace(tmp_path: Path, trained_shop: Path) -> Path:
    """A copy of the trained shop that a test may change."""
    return Path(shutil.copytree(trained_shop, tmp_path / "workspace"))


def told(adrec: Adrec, workspace: Path) -> dict[str, Any]:
    """Return the status of a workspace; all that it says to type can be typed."""
    done = adrec("status", "-w", workspace, "--json")
    assert done.exit_code == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    for step in found["next"]:
        words = shlex.split(step["command"])
        command = typer.main.get_command(app).commands[words[1]]  # type: ignore[attr-defined]
        command.make_context(words[1], words[2:])
        assert str(workspace) in words
    return found


def only_model(found: dict[str, Any]) -> dict[str, Any]:
    (dataset,) = found["datasets"]
    (model,) = dataset["models"]
    return dict(model)


def test_what_is_whole(adrec: Adrec, workspace: Path) -> None:
    found = told(adrec, workspace)
    (dataset,) = found["datasets"]
    assert (dataset["name"], dataset["state"]) == ("shop", "up to date")
    assert (dataset["users"], dataset["items"], dataset["interactions"]) == (40, 12, 320)
    model = only_model(found)
    assert (model["state"], model["missing"], model["promoted"]) == ("up to date", [], None)
    assert [(stage["name"], stage["finished"]) for stage in model["stages"]] == [
        ("pretrain", True), ("align", True), ("finetune", True),
    ]  # fmt: skip
    assert [step["command"].split()[1] for step in found["next"]] == ["recommend"]


def test_lines_through_a_pipe(adrec: Adrec, workspace: Path) -> None:
    lines = adrec("status", "-w", workspace).stdout.splitlines()
    assert lines[1].startswith("shop\t40\t12\t320\t")
    assert any(line.startswith("shop\tadrec\t3 of 3: pretrain, align, finetune\t") for line in lines)
    assert lines[-1].startswith("  adrec recommend --dataset shop ")


def test_a_stage_that_is_missing(adrec: Adrec, workspace: Path) -> None:
    (workspace / "shop/adrec/finetune.safetensors").unlink()
    found = told(adrec, workspace)
    model = only_model(found)
    assert (model["state"], model["missing"]) == ("unfinished", ["finetune"])
    assert found["next"][0]["command"] == f"adrec train shop --workspace {workspace}"


def test_a_stage_that_was_stopped(adrec: Adrec, workspace: Path) -> None:
    stopped = adrec("train", "shop", "-w", workspace, "--epochs", 2, "--seed", 5, "--max-steps", 1, *TINY)
    assert stopped.exit_code != 0
    model = only_model(told(adrec, workspace))
    assert (model["state"], model["detail"]) == ("unfinished", "pretrain stopped after epoch 1")
    assert {stage["name"]: stage["finished"] for stage in model["stages"]}["pretrain"] is False


def test_data_that_changed(adrec: Adrec, workspace: Path, tmp_path: Path) -> None:
    more = write_shop(tmp_path / "raw/shop.csv", users=45)
    assert adrec("preprocess", more, "-w", workspace, "--force").exit_code == 0
    found = told(adrec, workspace)
    assert only_model(found)["state"] == "out of date"
    assert found["next"][0]["command"].startswith("adrec train shop ")


def test_what_another_run_holds(adrec: Adrec, workspace: Path) -> None:
    with exclusive(workspace / "shop/adrec", "train shop"):
        model = only_model(told(adrec, workspace))
    assert model["state"] == "in use"
    assert "adrec train shop" in model["detail"]
    assert only_model(told(adrec, workspace))["state"] == "up to date"
    # The record of a run that was killed is no lock.
    ended = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True)
    holder = {"pid": int(ended.stdout), "host": socket.gethostname(), "since": "then", "purpose": "train"}
    (workspace / "shop/adrec/.lock.holder.json").write_text(json.dumps(holder))
    assert only_model(told(adrec, workspace))["state"] == "up to date"


@pytest.mark.parametrize("moment", ["listed", "opened", "read"])
@pytest.mark.parametrize("name", ["align.safetensors", "pretrain.state.safetensors"])
def test_a_file_that_a_run_removes_meanwhile_is_not_there(
    adrec: Adrec, workspace: Path, monkeypatch: pytest.MonkeyPatch, moment: str, name: str
) -> None:
    folder = workspace / "shop/adrec"
    if "state" in name:
        shutil.copyfile(folder / "align.safetensors", folder / name)
    removed = folder / name
    listed, read = Path.glob, model_status.read_text

    def glob(self: Path, pattern: str) -> list[Path]:
        found = list(listed(self, pattern))
        if moment == "listed" and removed in found and self == folder:
            removed.unlink(missing_ok=True)
        return found

    def read_text(path: Path) -> dict[str, str]:
        if path == removed and moment == "opened":
            path.unlink()
        text = read(path)
        if path == removed and moment == "read":
            path.unlink()
        return text

    monkeypatch.setattr(Path, "glob", glob)
    for module in (model_status, checkpoint_metadata):
        monkeypatch.setattr(module, "read_text", read_text)
    (model,) = status.status(workspace).datasets[0].models
    assert not removed.exists()
    assert (model.state, model.missing) == (("up to date", []) if "state" in name else ("unfinished", ["align"]))


def test_a_model_that_is_promoted_meanwhile_is_the_promoted_one(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was current when `current.json` was read has been removed by the time it is looked for."""
    folder = workspace / "shop/adrec"
    manifest = read_manifest(folder.parent)

    def promote_stage(name: str) -> str:
        checkpoint = folder / f"{name}.safetensors"
        candidate = Candidate(
            checkpoint=checkpoint, sha256=file_sha256(checkpoint), items=folder.parent / "items.parquet",
            items_sha256=manifest.items_sha256, protocol="full", metric="ndcg@10", value=0.1,
        )  # fmt: skip
        promote(folder, candidate, keep=1)
        return file_sha256(checkpoint)

    promote_stage("align")
    read, shas = promotion.read_current, []

    def read_current(folder: Path) -> Current | None:
        current = read(folder)
        if not shas:
            shas.append("")
            shas[0] = promote_stage("finetune")
        return current

    monkeypatch.setattr(promotion, "read_current", read_current)
    (model,) = status.status(workspace).datasets[0].models
    assert model.state == "up to date"
    assert model.promoted is not None
    assert model.promoted.checkpoint == f"promoted/{shas[0][:16]}.safetensors"
    (folder / model.promoted.checkpoint).unlink()
    (model,) = status.status(workspace).datasets[0].models
    assert (model.state, model.promoted) == ("damaged", None)


@pytest.mark.parametrize("name", ["shop/manifest.json", "shop/adrec/align.safetensors"])
def test_what_is_damaged(adrec: Adrec, workspace: Path, name: str) -> None:
    path = workspace / name
    path.write_bytes(path.read_bytes()[:-10])
    found = told(adrec, workspace)
    states = [found["datasets"][0]["state"], only_model(found)["state"]]
    assert "damaged" in states
    assert any(step["command"].startswith("adrec verify ") for step in found["next"])


def test_an_empty_place_says_where_it_looked_and_the_two_ways_on(adrec: Adrec, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    lines = adrec("status", "-w", tmp_path / "empty").stdout.splitlines()
    assert str(tmp_path / "empty") in lines[0]
    assert [line.split()[1] for line in lines[2:]] == ["run", "preprocess"]
    assert told(adrec, tmp_path / "empty")["datasets"] == []


def test_a_wrong_place_is_refused(adrec: Adrec, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for place in ("shop", "nowhere", "shop/manifest.json"):
        done = adrec("status", "-w", workspace / place)
        assert (done.exit_code, done.stdout) == (4, "")
        assert str(workspace / place) in done.stderr
    assert f"adrec status --workspace {workspace}" in adrec("status", "-w", workspace / "shop").stderr
    monkeypatch.chdir(workspace)
    inside = adrec("status")
    assert (inside.exit_code, inside.stdout) == (4, "")
    assert "adrec status --workspace ." in inside.stderr


def test_it_loads_nothing_heavy(workspace: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SPY, "status", "-w", workspace], capture_output=True, text=True, env=environment()
    )
    assert done.stdout
    assert not set(json.loads(done.stderr.splitlines()[-1])) & set(HEAVY)
