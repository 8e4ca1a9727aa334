"""The same odd questions on every surface: typed, in files, from Python and over HTTP, with the same answers."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pytest

from adrec_cli import LoadedRecommender, load_recommender
from adrec_cli.api import Sampling
from adrec_cli.errors import InputError
from tests.cli.conftest import TINY, Adrec

FAST = ["--steps", "1", "--noise", "zero", "--threads", "1"]
ODD = [
    "007", "7", "a,b", 'say "hi"', "zwölf\u2028", "line\nbreak", " space ", "تجربة", "\u202eright", "👩‍💻", "-k", "--",
    "a\tb", "[x]", "{x}", "'", "nil", "NA", "1e3", "a|b", "../up", "\\n", "\r\nend", "x" * 300,
]  # fmt: skip
"""Ids that some form of text, some shell or some parser takes for something else."""


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory, adrec: Adrec) -> Path:
    """A workspace in which users and items have odd ids; users are called as items are."""
    folder = tmp_path_factory.mktemp("odd")
    rows = [
        {"user_id": user, "item_id": ODD[(n * 5 + event) % len(ODD)], "timestamp": 1_500_000_000 + n * 7 + event * 60}
        for n, user in enumerate(ODD)
        for event in range(6)
    ]
    pl.DataFrame(rows).write_parquet(folder / "odd.parquet")
    for command in (["preprocess", folder / "odd.parquet", "--keep-blanks"], ["train", "odd", "--epochs", 1, *TINY]):
        done = adrec(*command, "--workspace", folder / "workspace")
        assert done.exit_code == 0, done.stderr
    return folder / "workspace"


@pytest.fixture(scope="module")
def loaded(workspace: Path) -> LoadedRecommender:
    """The model from Python."""
    return load_recommender(workspace, threads=1)


@pytest.fixture(scope="module")
def http(workspace: Path) -> Iterator[Callable[[dict[str, object]], tuple[int, dict[str, object]]]]:
    """A server to send questions to."""
    pytest.importorskip("starlette", reason="the extra serve is not installed")
    pytest.importorskip("uvicorn", reason="the extra serve is not installed")
    from adrec_cli.serving.options import Limits
    from tests.pipeline.test_serve import Running

    with Running(workspace, limits=Limits()) as server:
        yield lambda question: server.ask(**question)


def typed_list(items: list[str]) -> str:
    """Return a history as one types it where ids hold commas or begin with a space: quoted as in CSV."""
    row = io.StringIO()
    csv.writer(row, quoting=csv.QUOTE_ALL, lineterminator="").writerow(items)
    return row.getvalue()


def by_user(rows: list[dict[str, str]]) -> dict[str, list[str]]:
    lists: dict[str, list[str]] = {}
    for row in rows:
        lists.setdefault(row["user_id"], []).append(row["item_id"])
    return lists


def test_odd_ids_of_users_and_items(workspace, loaded, http, adrec, tmp_path):
    still = Sampling(steps=1, noise="zero")
    expected = {user: [i.item_id for i in loaded.recommend(user=user, k=6, sampling=still)] for user in ODD}
    assert all(len(items) == 6 for items in expected.values())
    files = {}
    for suffix in ("csv", "jsonl", "parquet"):
        files[suffix] = tmp_path / f"recs.{suffix}"
        done = adrec("recommend", "--all", "-k", 6, "--out", files[suffix], "-w", workspace, *FAST)
        assert done.exit_code == 0, done.stderr
    written = csv.DictReader(io.StringIO(files["csv"].read_bytes().decode(), newline=""))
    assert by_user(list(written)) == expected
    assert by_user([json.loads(line) for line in files["jsonl"].read_bytes().split(b"\n") if line]) == expected
    assert by_user(pl.read_parquet(files["parquet"]).to_dicts()) == expected
    for user in ODD:
        typed = adrec("recommend", f"--user={user}", "-k", 6, "--json", "-w", workspace, *FAST)
        (result,) = json.loads(typed.stdout)["results"]
        assert (result["user_id"], [item["item_id"] for item in result["items"]]) == (user, expected[user])
        status, answer = http({"user": user, "k": 6})
        assert (status, [item["item_id"] for item in answer["items"]]) == (200, expected[user])


def test_odd_ids_in_histories(workspace, loaded, http, adrec, tmp_path):
    histories = {"one": ["a,b"], "two": ["line\nbreak", 'say "hi"'], "long": ODD, "again": ["7", "007", "7"]}
    still = Sampling(steps=1, noise="zero")
    expected = {
        name: [i.item_id for i in loaded.recommend(history=items, k=4, include_seen=True, sampling=still)]
        for name, items in histories.items()
    }
    path, out = tmp_path / "h.jsonl", tmp_path / "recs.jsonl"
    path.write_text(
        "".join(json.dumps({"user_id": name, "history": items}) + "\n" for name, items in histories.items())
    )
    flags = ["-k", 4, "--include-seen", "-w", workspace, *FAST]
    done = adrec("recommend", "--histories", path, "--out", out, *flags)
    assert done.exit_code == 0, done.stderr
    assert by_user([json.loads(line) for line in out.read_bytes().split(b"\n") if line]) == expected
    for name, items in histories.items():
        typed = adrec("recommend", "--history", typed_list(items), "--json", *flags)
        (result,) = json.loads(typed.stdout)["results"]
        assert result["history"] == items
        assert [item["item_id"] for item in result["items"]] == expected[name]
        status, answer = http({"history": items, "k": 4, "include_seen": True})
        assert (status, [item["item_id"] for item in answer["items"]]) == (200, expected[name])


@pytest.mark.parametrize("k", [1, len(ODD), 1000])
@pytest.mark.parametrize("history", [[], ["7"], ["7", "{x}"] * 5000], ids=["none", "one", "10,000"])
def test_any_length_and_any_k(workspace, loaded, http, adrec, tmp_path, history, k):
    still = Sampling(steps=1, noise="zero")
    expected = [item.item_id for item in loaded.recommend(history=history, k=k, sampling=still)]
    assert len(expected) == min(k, len(ODD) - len(set(history)))
    flags = ["-k", k, "-w", workspace, *FAST]
    typed = adrec("recommend", "--history", ",".join(history), "--json", *flags)
    (result,) = json.loads(typed.stdout)["results"]
    assert [item["item_id"] for item in result["items"]] == expected
    status, answer = http({"history": history, "k": k})
    assert (status, [item["item_id"] for item in answer["items"]]) == (200, expected)
    assert answer["source"] == result["source"] == ("model" if history else "popular")
    path, out = tmp_path / "h.jsonl", tmp_path / "recs.jsonl"
    path.write_text(json.dumps({"user_id": "new", "history": history}))
    assert adrec("recommend", "--histories", path, "--out", out, *flags).exit_code == 0
    rows = [json.loads(line) for line in out.read_bytes().split(b"\n") if line]
    assert [row["item_id"] for row in rows] == expected
    assert {row["source"] for row in rows} == {answer["source"]}


def test_what_nobody_knows(workspace, loaded, http, adrec, tmp_path):
    unknown = ["x", "y,\n", "0007"]
    with pytest.raises(InputError, match="none of the 3 items"):
        loaded.recommend(history=unknown)
    with pytest.raises(InputError, match="unknown user"):
        loaded.recommend(user="nobody")
    assert adrec("recommend", "--history", typed_list(unknown), "-w", workspace).exit_code == 3
    assert adrec("recommend", "--user", "nobody", "-w", workspace).exit_code == 3
    assert http({"history": unknown})[0] == http({"user": "nobody"})[0] == 404
    path = tmp_path / "h.jsonl"
    path.write_text(json.dumps({"user_id": "new", "history": unknown}))
    done = adrec("recommend", "--histories", path, "--out", tmp_path / "recs.csv", "-w", workspace)
    assert (done.exit_code, done.stdout) == (3, "")
    assert not (tmp_path / "recs.csv").exists()


@pytest.mark.parametrize("k", [0, -1, 10_001])
def test_a_k_that_is_none(workspace, loaded, http, adrec, k):
    done = adrec("recommend", "--user", "7", "-k", k, "-w", workspace)
    assert (done.exit_code, done.stdout) == (2, "")
    assert http({"user": "7", "k": k})[0] == 400
