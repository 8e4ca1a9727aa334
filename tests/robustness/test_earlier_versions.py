"""What adrec 0.1.0 wrote is read, answered from and resumed: a workspace of its making, kept beside this."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.robustness.processes import TINY
from tests.robustness.shop import Shop, events_of, write_events

WRITTEN = Path(__file__).with_name("written_by_0_1_0")


@pytest.fixture
def shop(tmp_path):
    """The data set of 24 users, ADRec's three stages, promoted and evaluated, and a SASRec."""
    shop = Shop(tmp_path)
    shutil.copytree(WRITTEN / "shop", shop.dataset)
    return shop


def test_all_of_it_is_whole(shop):
    done = shop.types("verify", "--json")
    assert done.exit_code == 0, done.stderr
    verdicts = json.loads(done.stdout)["verdicts"]
    assert {one["status"] for one in verdicts} == {"whole"}, verdicts
    assert len(verdicts) >= 8


def test_the_promoted_model_answers_as_it_did(shop):
    done = shop.types("recommend", "--user", "u1", "--json", "--threads", 1)
    assert done.exit_code == 0, done.stderr
    items = json.loads(done.stdout)["results"][0]["items"]
    told = json.loads((WRITTEN / "recommended.json").read_text())["u1"]
    assert [one["item_id"] for one in items] == [item for item, _ in told]
    assert [one["score"] for one in items] == pytest.approx([score for _, score in told], abs=1e-5)


@pytest.mark.parametrize("checkpoint", ["train", "pretrain", "finetune"])
def test_its_checkpoints_are_evaluated(shop, checkpoint):
    done = shop.types("evaluate", checkpoint, "--threads", 1, "--json")
    assert done.exit_code == 0, done.stderr
    assert 0 < json.loads(done.stdout)["metrics"]["ndcg@10"] < 1


@pytest.mark.thorough
def test_its_evaluation_is_told_again(shop):
    assert shop.types("compare", "shop", "--models", "adrec,sasrec", "--threads", 1).exit_code == 0
    assert shop.types("report", "shop").exit_code == 0


def test_stages_go_on_from_its_checkpoints(shop):
    done = shop.types("finetune", "--from", "align.safetensors", *TINY, "--fresh")
    assert done.exit_code == 0, done.stderr
    assert shop.types("verify").exit_code == 0


def test_nights_go_on_with_its_data(shop):
    before = shop.holds()
    path = write_events(shop.folder / "monday.csv", events_of(range(8), 30, each=2))
    done = shop.types("run", path, "--update", "shop", *TINY, "--tolerance", 1)
    assert done.exit_code == 0, done.stderr
    assert sum(shop.holds().values()) == sum(before.values()) + 16
    assert shop.types("verify").exit_code == 0
    assert shop.types("rollback", "shop").exit_code == 0
    assert shop.types("rollback", "shop", "--data").exit_code == 0
    assert shop.holds() == before
    assert shop.types("forget", "shop", "--user", "u1").exit_code == 0
    assert shop.types("verify").exit_code == 0
