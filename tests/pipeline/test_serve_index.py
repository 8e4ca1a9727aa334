"""A server whose model has an index answers over HTTP as one that scores all items, whatever is left out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("starlette", reason="the extra serve is not installed")
pytest.importorskip("uvicorn", reason="the extra serve is not installed")
pytest.importorskip("faiss", reason="the extra ann is not installed")

from adrec_cli.ranking import approximate
from tests.conftest import write_interactions
from tests.pipeline.test_serve import Running
from tests.robustness.processes import typed_here

ITEMS, USERS, SMALL, K = 2_600, 60, 6, 12
"""The last items are a small category of their own."""
LINE = ["--model", "sasrec", "--epochs", 1, "--set", "model.hidden_size=8", "--set", "model.heads=2", "--threads", 1]
Lists = list[list[tuple[str, float]]]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("serve-index")
    events, file = folder / "shop.csv", folder / "items.csv"
    write_interactions(events, users=USERS, items=ITEMS)
    # Every item has to occur.
    rows = [f"all{number // 20},i{number},{1_600_000_000 + number}" for number in range(ITEMS)]
    events.write_text(events.read_text() + "\n".join(rows) + "\n")
    rows = [f"i{number},{'small' if number >= ITEMS - SMALL else 'large'}" for number in range(ITEMS)]
    file.write_text("\n".join(["item_id,category", *rows]) + "\n")
    done = typed_here(["run", events, "--items", file, *LINE, "--index", "always", "-w", folder / "ws", "--json"])
    assert done.exit_code == 0, done.stderr
    steps = {step["name"]: step for step in json.loads(done.stdout)["steps"]}
    assert "recall@100" in steps["index"]["detail"]
    return folder / "ws"


@pytest.fixture(scope="module")
def servers(shop: Path) -> Iterator[tuple[Running, Running]]:
    """With the index, and without."""
    with Running(shop) as found, Running(shop, exact=True) as exact:
        yield found, exact


@pytest.fixture
def searched(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many items were looked for, each time an index was asked."""
    counts: list[int] = []
    real = approximate.ItemIndex.find

    def find(index: approximate.ItemIndex, representation_BD: Any, count: int) -> Any:
        counts.append(count)
        return real(index, representation_BD, count)

    monkeypatch.setattr(approximate.ItemIndex, "find", find)
    return counts


def lists_of(server: Running, **question: Any) -> Lists:
    status, answer = server.ask(users=[f"u{number}" for number in range(USERS)], k=K, **question)
    assert status == 200, answer
    assert {one["source"] for one in answer["results"]} == {"model"}
    return [[(item["item_id"], item["score"]) for item in one["items"]] for one in answer["results"]]


def assert_alike(found: Lists, exact: Lists) -> None:
    shares = []
    for one, other in zip(found, exact, strict=True):
        assert len(one) == len(other)
        scores = dict(other)
        shares.append(len(dict(one).keys() & scores.keys()) / len(other))
        assert all(score == pytest.approx(scores.get(item, score), abs=1e-4) for item, score in one)
    assert np.mean(shares) >= 0.99


@pytest.mark.parametrize(
    "question", [{}, {"include_seen": True}, {"category": "large"}, {"exclude": [f"i{n}" for n in range(30)]}]
)
def test_lists_are_those_of_the_exact_search(servers, searched, question):
    found, exact = servers
    everything = lists_of(exact, **question)
    assert not searched
    assert_alike(lists_of(found, **question), everything)
    assert searched


def test_a_small_category_is_answered_in_full(servers, searched):
    found, exact = servers
    lists = lists_of(found, category="small", include_seen=True)
    assert not searched
    assert lists == lists_of(exact, category="small", include_seen=True)
    for one in lists:
        assert sorted(item for item, _ in one) == [f"i{number}" for number in range(ITEMS - SMALL, ITEMS)]


def test_what_was_left_out_does_not_come_back(servers, searched):
    found, _ = servers
    best = [item for one in lists_of(found) for item, _ in one][:100]
    for one in lists_of(found, exclude=best, category=["large", "small"]):
        assert len(one) == K
        assert not {item for item, _ in one} & set(best)
    assert searched
    assert found.ask(user="u1", category="nothing")[0] == 404


@pytest.mark.parametrize("category", ["large", "small"])
def test_the_command_says_the_same(shop, servers, category):
    flags = ["-k", K, "--category", category, "--json", "--threads", 1]
    done = typed_here(["recommend", "--user", "u3", *flags, "-w", shop])
    assert done.exit_code == 0, done.stderr
    status, answer = servers[0].ask(user="u3", k=K, category=category)
    assert status == 200
    items = json.loads(done.stdout)["results"][0]["items"]
    assert [item["item_id"] for item in items] == [item["item_id"] for item in answer["items"]]
