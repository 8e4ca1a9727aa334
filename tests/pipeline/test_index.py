"""A night that gives the promoted model an index, and answers that come of it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from adrec_cli.artifacts.item_index import read_item_index
from adrec_cli.artifacts.promotion import INDEX_SUFFIX, read_current
from adrec_cli.loading.making_ready import Opening
from adrec_cli.ranking import approximate
from tests.conftest import write_interactions
from tests.robustness.processes import typed_here

pytest.importorskip("faiss")

ITEMS = 2_200
LINE = ["--model", "sasrec", "--epochs", 1, "--set", "model.hidden_size=8", "--set", "model.heads=2", "--threads", "1"]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("raw") / "large.csv"
    write_interactions(path, users=300, items=ITEMS)
    # Every item has to occur.
    rows = [f"all{number // 20},i{number},{1_600_000_000 + number}" for number in range(ITEMS)]
    path.write_text(path.read_text() + "\n".join(rows) + "\n")
    return path


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, source: Path) -> Path:
    workspace = tmp_path_factory.mktemp("indexed") / "workspace"
    done = typed_here(["run", source, *LINE, "--index", "always", "-w", workspace, "--json"])
    assert done.exit_code == 0, done.stderr
    steps = {step["name"]: step for step in json.loads(done.stdout)["steps"]}
    assert steps["index"]["status"] == "done"
    assert "recall@100" in steps["index"]["detail"]
    return workspace


def index_of(workspace: Path) -> Path:
    folder = workspace / "large/sasrec"
    current = read_current(folder)
    assert current is not None
    return (folder / current.checkpoint).with_suffix(INDEX_SUFFIX)


def lists_of(workspace: Path, *flags: object) -> list[list[tuple[str, float]]]:
    users = [word for number in range(40) for word in ("--user", f"u{number}")]
    done = typed_here(["recommend", *users, "-k", 12, "--json", "--threads", 1, *flags, "-w", workspace])
    assert done.exit_code == 0, done.stderr
    return [[(item["item_id"], item["score"]) for item in one["items"]] for one in json.loads(done.stdout)["results"]]


@pytest.mark.parametrize("flags", [[], ["--include-seen"], ["--exclude-items", "OUT"], ["--diversify", 0.3]])
def test_answers_are_those_of_the_exact_search(shop, tmp_path, flags):
    out = tmp_path / "out.txt"
    out.write_text("\n".join(item for one in lists_of(shop, "--exact")[:5] for item, _ in one))
    flags = [out if flag == "OUT" else flag for flag in flags]
    found, exact = lists_of(shop, *flags), lists_of(shop, *flags, "--exact")
    shares = [len(dict(one).keys() & dict(other).keys()) / 12 for one, other in zip(found, exact, strict=True)]
    assert np.mean(shares) >= 0.99
    for one, other in zip(found, exact, strict=True):
        scores = dict(other)
        assert all(score == pytest.approx(scores.get(item, score), abs=1e-4) for item, score in one)
        assert len(one) == len(other)


def test_the_index_is_what_answers_unless_exactly_is_asked(shop, monkeypatch):
    asked = []
    real = approximate.ItemIndex.find
    monkeypatch.setattr(approximate.ItemIndex, "find", lambda *given: asked.append(1) or real(*given))
    lists_of(shop, "--exact")
    assert not asked
    lists_of(shop)
    assert asked
    with_index, exact = (
        Opening(workspace=shop, dataset_name="large", model=None, device="cpu", threads=1, exact=exact).open()
        for exact in (False, True)
    )
    assert with_index.index is not None
    assert exact.index is None


def test_a_list_for_everybody_is_made_by_it(shop, tmp_path):
    for name, flags in (("found", []), ("exact", ["--exact"])):
        done = typed_here(["recommend", "--all", "-k", 5, "--out", tmp_path / f"{name}.csv", *flags, "-w", shop])
        assert done.exit_code == 0, done.stderr
    found, exact = (set((tmp_path / f"{name}.csv").read_text().split()) for name in ("found", "exact"))
    rows = [{tuple(row.split(",")[:3:2]) for row in table} for table in (found, exact)]
    assert len(rows[0] & rows[1]) >= 0.99 * len(rows[1])


def test_a_second_night_has_it_and_nothing_is_to_be_removed(shop, source):
    before = index_of(shop).read_bytes()
    done = typed_here(["run", source, *LINE, "--index", "always", "-w", shop, "--json"])
    steps = {step["name"]: step["status"] for step in json.loads(done.stdout)["steps"]}
    assert steps["index"] == steps["promote"] == "up to date"
    assert index_of(shop).read_bytes() == before
    assert "there is nothing to remove" in typed_here(["clean", "--dry-run", "-w", shop]).stderr
    assert typed_here(["verify", "-w", shop]).exit_code == 0


def test_a_damaged_one_is_refused_and_built_again(shop, source):
    path = index_of(shop)
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    done = typed_here(["recommend", "--user", "u1", "-w", shop])
    assert (done.exit_code, "is damaged" in done.stderr) == (4, True)
    assert typed_here(["recommend", "--user", "u1", "--exact", "-w", shop]).exit_code == 0
    assert typed_here(["verify", "-w", shop]).exit_code == 4
    path.write_bytes(whole[:100])
    assert typed_here(["run", source, *LINE, "--index", "always", "-w", shop]).exit_code == 0
    assert path.read_bytes() == whole


def test_where_too_little_is_found_answers_stay_exact(shop, source, monkeypatch):
    path = index_of(shop)
    whole = path.read_bytes()
    path.unlink()
    monkeypatch.setattr(approximate, "RECALL", 1.01)
    done = typed_here(["run", source, *LINE, "--index", "always", "-w", shop])
    assert "answers stay exact" in done.stdout
    assert read_item_index(path)[1] is None
    assert Opening(workspace=shop, dataset_name="large", model=None, device="cpu", threads=1).open().index is None
    path.write_bytes(whole)


def test_few_items_get_none_unless_it_is_asked_for(shop, source):
    path = index_of(shop)
    whole = path.read_bytes()
    path.unlink()
    for wanted in ("auto", "never"):
        assert typed_here(["run", source, *LINE, "--index", wanted, "-w", shop]).exit_code == 0
        assert not path.exists()
    path.write_bytes(whole)


def test_without_faiss_one_line_says_what_to_type(shop, monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    done = typed_here(["recommend", "--user", "u1", "-w", shop])
    assert done.exit_code == 2
    assert done.stderr.splitlines() == [
        "error: an index of items needs faiss", "hint: pip install 'adrec-cli[ann]', or without it --exact"
    ]  # fmt: skip
    assert typed_here(["recommend", "--user", "u1", "--exact", "-w", shop]).exit_code == 0
