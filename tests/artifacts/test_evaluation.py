"""Reports and the ranks beside them: read back as written, checked, and changed at once."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from pathlib import Path

import polars as pl
import pytest

from adrec_cli.artifacts import evaluation as evaluations
from adrec_cli.artifacts.evaluation import (
    Evaluation,
    list_evaluations,
    ranks_path,
    read_evaluation,
    read_ranks,
    settle_evaluation,
    verify_ranks,
    write_evaluation,
)
from adrec_cli.artifacts.manifest import content_sha256
from adrec_cli.artifacts.ranks import rank_file
from adrec_cli.errors import ArtifactError


def evaluation(path: Path, **more) -> Evaluation:
    values = {"str": "x", "int": 3, "float": 0.5, "bool": False}
    found = {field.name: values.get(str(field.type), {}) for field in dataclasses.fields(Evaluation)}
    found |= {"metrics": {"hr@5": 1 / 3}, "path": str(path), "format_version": 1}
    return Evaluation(**{**found, **more})


def table(ranks: list[int]) -> pl.DataFrame:
    rows = range(len(ranks))
    return pl.DataFrame(
        {
            "user_id": [f"u{row}" for row in rows],
            "user_row": list(rows),
            "item_id": [f"007{row}" for row in rows],
            "item_index": [row + 1 for row in rows],
            "rank": ranks,
            "candidates": [100] * len(ranks),
            "history_length": [2] * len(ranks),
            "target_count": list(rows),
            "cold": [row == 0 for row in rows],
        }
    )


def test_what_was_written_is_read_back(tmp_path):
    path = tmp_path / "reports/sasrec-train-loo-full-test.json"
    written = write_evaluation(evaluation(path, protocol="loo/full/test"), table([3, 1, 100]))
    assert read_evaluation(path) == written
    verify_ranks(path)
    for place in (path, ranks_path(path)):
        found = read_ranks(place)
        assert found.ranks.tolist() == [3, 1, 100]
        assert found.cold.tolist() == [True, False, False]
        assert found.user_ids.to_list() == ["u0", "u1", "u2"]
        assert found.item_ids.to_list() == ["0070", "0071", "0072"]
        assert found.provenance == written.provenance()
        assert found.provenance["protocol"] == "loo/full/test"
    assert [entry.name for entry in sorted(path.parent.iterdir())] == [path.name, ranks_path(path).name]
    assert list_evaluations(tmp_path) == [path]


def test_the_file_says_what_it_is_to_any_reader_of_parquet(tmp_path):
    path = tmp_path / "a.json"
    write_evaluation(evaluation(path, checkpoint_sha256="c" * 64), table([1]))
    told = json.loads(pl.read_parquet_metadata(ranks_path(path))["adrec"])
    assert told["checkpoint_sha256"] == "c" * 64
    assert "seconds" not in told, "equal work gives equal bytes"


def test_a_moved_report_says_where_it_is(tmp_path):
    written = write_evaluation(evaluation(tmp_path / "a.json"), table([1]))
    (tmp_path / "there").mkdir()
    for path in (tmp_path / "a.json", tmp_path / "a.ranks.parquet"):
        path.rename(tmp_path / "there" / path.name)
    assert read_evaluation(tmp_path / "there/a.json") == dataclasses.replace(
        written, path=str(tmp_path / "there/a.json")
    )


class Killed(Exception):
    """Stands for SIGKILL."""


@pytest.mark.parametrize("call", range(12))
def test_killed_at_any_change_a_reader_finds_the_old_two_or_the_new_two(tmp_path, monkeypatch, call):
    path = tmp_path / "a.json"
    write_evaluation(evaluation(path), table([1, 2]))
    left = call

    def counted(function):
        def wrapped(*args, **kwargs):
            nonlocal left
            left -= 1
            if left < 0:
                raise Killed
            return function(*args, **kwargs)

        return wrapped

    with monkeypatch.context() as patched:
        for name in ("replace", "fsync"):
            patched.setattr(f"os.{name}", counted(getattr(evaluations.os, name)))
        patched.setattr("pathlib.Path.unlink", lambda self, missing_ok=False: None)
        with contextlib.suppress(Killed):
            write_evaluation(evaluation(path, seed=9), table([5, 6]))
    verify_ranks(path)
    found = read_ranks(path)
    assert found.ranks.tolist() == ([5, 6] if read_evaluation(path).seed == 9 else [1, 2])
    assert found.provenance["seed"] == read_evaluation(path).seed
    settle_evaluation(path, read_evaluation(path))
    verify_ranks(path)
    assert read_ranks(path).ranks.tolist() == found.ranks.tolist()
    assert not [entry for entry in tmp_path.iterdir() if entry.name.endswith("next")]


@pytest.mark.parametrize("open_ranks", [read_ranks, verify_ranks])
def test_what_does_not_belong_together_is_refused(tmp_path, open_ranks):
    one, two = tmp_path / "one.json", tmp_path / "two.json"
    write_evaluation(evaluation(one), table([1]))
    write_evaluation(evaluation(two), table([2]))
    ranks_path(one).write_bytes(ranks_path(two).read_bytes())
    with pytest.raises(ArtifactError, match=r"one\.ranks\.parquet is damaged or of another evaluation"):
        open_ranks(one)
    ranks_path(one).unlink()
    with pytest.raises(ArtifactError, match=r"one\.ranks\.parquet does not exist"):
        open_ranks(one)
    with pytest.raises(ArtifactError, match=r"three\.json does not exist"):
        open_ranks(tmp_path / "three.json")
    with pytest.raises(ArtifactError, match=r"three\.json does not exist"):
        read_ranks(tmp_path / "three.ranks.parquet")


@pytest.mark.parametrize(
    "changed", [{"rank": [0]}, {"rank": [101]}, {"rank": [None]}], ids=["below", "above", "missing"]
)
def test_ranks_that_cannot_be_are_refused_though_their_hash_is_right(tmp_path, changed):
    path = tmp_path / "a.json"
    bad = table([1]).with_columns(pl.Series(name, values, dtype=pl.Int64) for name, values in changed.items())
    write_evaluation(evaluation(path), bad)
    with pytest.raises(ArtifactError, match=r"a\.ranks\.parquet"):
        read_ranks(path)


@pytest.mark.parametrize(
    ("name", "value"), [("metrics", {"hr@5": "x"}), ("users", "3"), ("protocol", None), ("format_version", 0)]
)
def test_a_report_nobody_could_have_written_is_refused(tmp_path, name, value):
    path = tmp_path / "a.json"
    write_evaluation(evaluation(path), table([1]))
    content = json.loads(path.read_text())
    del content["report_sha256"]
    content[name] = value
    path.write_text(json.dumps({**content, "report_sha256": content_sha256(content)}))
    with pytest.raises(ArtifactError, match=r"a\.json is damaged"):
        read_evaluation(path)


def test_equal_ranks_give_equal_bytes():
    assert rank_file(table([1, 2]), {"seed": 1}) == rank_file(table([1, 2]), {"seed": 1})
    assert rank_file(table([1, 2]), {"seed": 1}) != rank_file(table([1, 2]), {"seed": 2})


@pytest.mark.parametrize(
    ("users", "items", "protocol", "said"),
    [
        (99, 5_000, "loo/full/test", ["only 99 users"]), (100, 500, "loo/full/test", []),
        (100, 499, "loo/full/test", ["only 499 items: any order of them has about HR@50 0.10"]),
        (5, 8, "loo/full/test", ["only 5 users", "HR@5 0.62, so @5, @10, @20, @50 say"]),
        (100, 8, "loo/sampled-99/test", []), (100, 0, "loo/full/test", []),
    ],
)  # fmt: skip
def test_figures_of_few_users_and_few_items_come_with_a_caution(users, items, protocol, said):
    metrics = {f"ndcg@{k}": 0.5 for k in (5, 10, 20, 50)}
    cautions = evaluation(Path("x"), users=users, items=items, protocol=protocol, metrics=metrics).cautions()
    assert len(cautions) == len(said)
    assert all(text in line for text, line in zip(said, cautions, strict=True))


@pytest.mark.parametrize("users", [0, 1, 2, 5, 40, 99])
def test_a_caution_says_by_how_much_one_of_few_users_moves_a_figure(users):
    (caution,) = evaluation(Path("x"), users=users, items=0).cautions()
    counted = "1 user" if users == 1 else f"{users} users"
    assert f"only {counted}: each of them moves a figure by up to {1 / users if users else 1:.3f}," in caution
