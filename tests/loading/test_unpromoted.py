"""A model that a run did not promote, or whose `current.json` is lost: it recommends to nobody unless it is named."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path

import pytest

from adrec_cli.loading.making_ready import Opening
from tests.conftest import write_interactions
from tests.robustness.processes import Ended, typed_here

QUICK = ["--model", "sasrec", "--set", "model.hidden_size=8", "--set", "model.max_length=8", "--epochs", "1",
         "--threads", "1", "--quiet"]  # fmt: skip
NEVER = ["--promote-if", "ndcg@10 > mostpop + 0.99"]


def run(workspace: Path, source: object, *more: object) -> Ended:
    return typed_here(["run", source, *QUICK, "--workspace", workspace, *more])


def recommend(workspace: Path, *more: object) -> Ended:
    return typed_here(["recommend", "--user", "u1", "--workspace", workspace, *more])


def describe(workspace: Path) -> dict[str, object]:
    """Return what `status` says of the model and of what to type next."""
    found = json.loads(typed_here(["status", "--json", "--workspace", workspace]).stdout)
    (model,) = found["datasets"][0]["models"]
    return {"state": model["state"], "next": [step["command"].split()[1] for step in found["next"]]}


@pytest.fixture(scope="module")
def refused(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace whose first night ended without a promoted model."""
    folder = tmp_path_factory.mktemp("refused")
    write_interactions(folder / "shop.csv", users=40)
    assert run(folder / "workspace", folder / "shop.csv", *NEVER).exit_code == 8
    return folder / "workspace"


@pytest.fixture
def workspace(refused: Path, tmp_path: Path) -> Path:
    return shutil.copytree(refused, tmp_path / "workspace")


def test_a_model_that_the_rule_refused_recommends_to_nobody_unless_it_is_named(workspace: Path) -> None:
    done = recommend(workspace)
    done.require_one_error(4)
    assert "was not promoted by a run" in done.stderr
    named = shlex.split(done.stderr.strip().rpartition("use it as it is: ")[2])
    assert recommend(workspace, *named).exit_code == 0
    assert describe(workspace) == {"state": "up to date", "next": ["run"]}


def test_another_model_of_the_same_folder_was_not_refused(workspace: Path) -> None:
    trained = typed_here(["train", "shop", *QUICK, "--seed", "1", "--workspace", workspace])
    assert trained.exit_code == 0, trained.stderr
    assert recommend(workspace).exit_code == 0
    assert describe(workspace) == {"state": "up to date", "next": ["recommend"]}


def test_a_model_that_is_promoted_in_the_end_recommends(workspace: Path) -> None:
    assert run(workspace, "shop").exit_code == 0
    assert recommend(workspace).exit_code == 0
    assert describe(workspace) == {"state": "up to date", "next": ["recommend"]}


@pytest.mark.parametrize("last", ["promoted", "refused"])
def test_where_nothing_says_any_longer_what_is_current_no_model_is_taken_for_it(workspace: Path, last: str) -> None:
    assert run(workspace, "shop").exit_code == 0
    if last == "refused":
        assert run(workspace, "shop", "--seed", "1", "--cold", *NEVER).exit_code == 8
    (workspace / "shop/sasrec/current.json").unlink()
    kept = sorted((workspace / "shop/sasrec/promoted").iterdir())
    assert kept

    done = recommend(workspace)
    done.require_one_error(4)
    assert "current.json is gone" in done.stderr
    assert describe(workspace) == {"state": "damaged", "next": ["verify"]}
    assert typed_here(["verify", workspace]).exit_code == 4
    assert typed_here(["clean", "--yes", "--workspace", workspace]).exit_code == 0
    assert sorted((workspace / "shop/sasrec/promoted").iterdir()) == kept, "one of them was what recommends"

    hint = shlex.split(re.search(r"hint: .*with: adrec (.*)", done.stderr)[1])
    again = typed_here([*hint, *QUICK[2:], "--workspace", workspace, "--log-format", "json"])
    assert again.exit_code == 0
    assert [line for line in map(json.loads, again.stderr.splitlines()) if "current.json is gone" in line["message"]]
    assert recommend(workspace).exit_code == 0
    assert typed_here(["verify", workspace]).exit_code == 0


def test_nights_that_cannot_be_read_tell_nothing(workspace: Path) -> None:
    (workspace / "shop/sasrec/nights.jsonl").write_text("no JSON\n")
    assert (
        Opening(workspace=workspace, dataset_name="shop", model=None, device="cpu", threads=1).open().promoted is False
    )
