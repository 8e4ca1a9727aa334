"""Batches typed on the command line."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from tests.cli.conftest import Adrec
from tests.robustness.processes import typed

FAST = ["--steps", "1", "--noise", "zero", "--threads", "1"]


def test_a_batch_says_what_it_wrote(adrec: Adrec, shop: Path, tmp_path: Path) -> None:
    out = tmp_path / "recs.csv"
    done = adrec("recommend", "--all", "-k", 3, "--out", out, "-w", shop, "--dataset", "shop", "--json", *FAST)
    assert done.exit_code == 0, done.stderr
    summary = json.loads(done.stdout)
    assert (summary["users"], summary["rows"], summary["path"]) == (40, 120, str(out))
    assert len(out.read_text().splitlines()) == 121


def test_unknown_users_are_a_warning_and_all_unknown_an_error(adrec: Adrec, shop: Path, tmp_path: Path) -> None:
    users = tmp_path / "users.txt"
    users.write_text("u00\nnobody\n")
    flags = ["recommend", "--users", users, "--out", tmp_path / "recs.jsonl", "-w", shop, "--dataset", "shop", *FAST]
    done = adrec(*flags)
    assert done.exit_code == 0
    assert f"unknown: users 1, listed in {tmp_path / 'recs.unknown.jsonl'}" in done.stderr
    users.write_text("nobody\n")
    assert adrec(*flags).exit_code == 3


def test_who_gets_no_list_is_counted_and_told_why(adrec: Adrec, shop: Path, tmp_path: Path) -> None:
    (tmp_path / "two.txt").write_text("i00\ni01\nnothing\n")
    place = ["--candidates", tmp_path / "two.txt", "-w", shop, "--dataset", "shop", *FAST]
    seen = {f"u{user:02}" for user in range(40) if {0, 1} <= {(user * 5 + event) % 12 for event in range(8)}}
    assert 0 < len(seen) < 40
    out = tmp_path / "recs.csv"
    done = adrec("recommend", "--all", "--out", out, "--json", *place)
    assert done.exit_code == 0, done.stderr
    summary = json.loads(done.stdout)
    assert (summary["users"], summary["without_list"], summary["unknown_candidates"]) == (40 - len(seen), len(seen), 1)
    listed = tmp_path / "recs.unknown.jsonl"
    assert f"users without a list: {len(seen)}, listed in {listed}: all that may come back" in done.stderr
    assert f"unknown: candidates or excluded items 1, listed in {listed}" in done.stderr
    entries = [json.loads(line) for line in listed.read_text().splitlines()]
    assert {entry["id"] for entry in entries if "all items" in entry.get("reason", "")} == seen
    assert {"kind": "candidate", "id": "nothing"} in entries
    served = {row["user_id"] for row in csv.DictReader(out.read_text().splitlines())}
    assert served == {f"u{user:02}" for user in range(40)} - seen
    assert (
        len(adrec("recommend", "--all", "--out", "-", *place).stdout.splitlines())
        == len(out.read_text().splitlines()) - 1
    )
    again = adrec("recommend", "--all", "--out", out, "--include-seen", "--json", *place)
    assert (json.loads(again.stdout)["users"], json.loads(again.stdout)["without_list"]) == (40, 0)


def test_when_nobody_gets_a_list_the_file_says_so(adrec: Adrec, shop: Path, tmp_path: Path) -> None:
    (tmp_path / "one.txt").write_text("i00\n")
    (tmp_path / "users.txt").write_text("u00\n")
    place = ["--candidates", tmp_path / "one.txt", "-w", shop, "--dataset", "shop", *FAST]
    for out in ("recs.parquet", "recs.csv", "recs.jsonl"):
        done = adrec("recommend", "--users", tmp_path / "users.txt", "--out", tmp_path / out, *place)
        assert done.exit_code == 0, done.stderr
        assert "users without a list: 1" in done.stderr
    assert (tmp_path / "recs.csv").read_text() == "user_id,rank,item_id,score,source,model\n"


def test_one_user_with_nothing_left_is_told_what_to_say(adrec: Adrec, shop: Path, tmp_path: Path) -> None:
    (tmp_path / "some.txt").write_text("i00\nnothing\n")
    place = ["--candidates", tmp_path / "some.txt", "-w", shop, "--dataset", "shop", *FAST]
    done = adrec("recommend", "--user", "u00", "--json", *place)
    assert done.exit_code == 0
    assert "user u00: nothing is left" in done.stderr
    assert "--include-seen" in done.stderr
    assert "the item files have 1 unknown id, for example 'nothing'" in done.stderr
    assert json.loads(done.stdout)["results"][0]["items"] == []
    done = adrec("recommend", "--user", "u00", "--include-seen", "--json", *place)
    assert [item["item_id"] for item in json.loads(done.stdout)["results"][0]["items"]] == ["i00"]
    assert "nothing is left" not in done.stderr
    (tmp_path / "some.txt").write_text("nothing\n")
    done = adrec("recommend", "--user", "u00", *place)
    assert done.exit_code == 3
    assert "none of 1 candidate" in done.stderr


def test_negatives_of_a_small_catalogue_are_warned_of(adrec: Adrec, shop: Path) -> None:
    place = ["-w", shop, "--dataset", "shop", *FAST]
    done = adrec("evaluate", "finetune", "--negatives", 99, *place)
    assert done.exit_code == 0, done.stderr
    assert "warning: 99 negatives are drawn with replacement from 12 items" in done.stderr
    assert "with replacement" not in adrec("evaluate", "finetune", "--negatives", 1, *place).stderr


def test_negatives_and_mask_seen_say_what_to_leave_out(adrec: Adrec, shop: Path) -> None:
    for negatives, said in (
        ("9", "drawn negatives are unseen already"),
        ("neg.csv", "neg.csv already says which items compete"),
    ):
        done = adrec("evaluate", "finetune", "--negatives", negatives, "--mask-seen", "-w", shop, "--dataset", "shop")
        assert done.exit_code == 2
        assert said in done.stderr
        assert "hint: leave out --mask-seen" in done.stderr


def test_several_samples_come_again_with_the_seed_for_one_and_for_all(adrec: Adrec, shop: Path, tmp_path: Path) -> None:
    # So hot that noise counts although lambda is 0.001.
    flags = ["--samples", 3, "--temperature", 2000, "--noise", "common", "-w", shop, "--dataset", "shop", "-k", 4]

    def all_users(seed: int) -> dict[str, list[str]]:
        done = adrec("recommend", "--all", "--out", tmp_path / f"{seed}.csv", "--seed", seed, *flags)
        assert done.exit_code == 0, done.stderr
        lists: dict[str, list[str]] = {}
        for row in csv.DictReader((tmp_path / f"{seed}.csv").read_text().splitlines()):
            lists.setdefault(row["user_id"], []).append(row["item_id"])
        return lists

    found = all_users(1)
    assert found != all_users(2)
    for user in ("u00", "u07"):
        one = json.loads(adrec("recommend", "--user", user, "--seed", 1, "--json", *flags).stdout)
        assert [item["item_id"] for item in one["results"][0]["items"]] == found[user]
    (tmp_path / "1.csv").unlink()
    assert all_users(1) == found


def test_samples_of_what_draws_nothing_are_refused(adrec: Adrec, shop: Path, tmp_path: Path) -> None:
    place = ["-w", shop, "--dataset", "shop"]
    for command in (
        ["evaluate", "pretrain", "--samples", 2],
        ["evaluate", "mostpop", "--temperature", 2],
        ["evaluate", "finetune", "--samples", 2, "--noise", "zero"],
        ["evaluate", "finetune", "--samples", 300],
        ["recommend", "--all", "--out", tmp_path / "r.csv", "--model", "pretrain", "--samples", 2],
        ["recommend", "--user", "u00", "--merge", "vote"],
        ["recommend", "--user", "u00", "--temperature", "nan"],
        ["serve", "--model", "pretrain", "--samples", 2],
    ):
        done = adrec(*command, *place)
        assert done.exit_code == 2, (command, done.stderr)
        assert done.stderr.startswith("error: "), done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.thorough
def test_rows_alone_go_to_stdout(shop: Path, tmp_path: Path) -> None:
    words = ["recommend", "--all", "-k", 2, "--out", "-", "--format", "csv", "-w", shop, "--dataset", "shop", *FAST]
    done = typed(words, tmp_path)
    assert done.exit_code == 0
    assert done.stdout.splitlines()[0] == "user_id,rank,item_id,score,source,model"
    assert len(done.stdout.splitlines()) == 81
    assert "80 rows for 40 users" in done.stderr


def test_options_that_do_not_go_together(adrec: Adrec, shop: Path, tmp_path: Path) -> None:
    for flags in (
        ["--all"],
        ["--all", "--users", "u.txt", "--out", "r.csv"],
        ["--user", "u00", "--out", "r.csv"],
        ["--all", "--user", "u00", "--out", "r.csv"],
        ["--all", "--out", "r.xlsx"],
        ["--all", "--out", "-", "--format", "xlsx"],
    ):
        assert adrec("recommend", *flags, "--workspace", shop).exit_code == 2, flags


def test_shards_write_into_one_folder(adrec: Adrec, shop: Path, tmp_path: Path) -> None:
    flags = ["recommend", "--all", "-k", 3, "--out", tmp_path / "recs", "-w", shop, "--dataset", "shop", *FAST]
    done = adrec(*flags, "--shard", "0/2")
    assert done.exit_code == 0, done.stderr
    assert f"stored in 1 file in {tmp_path / 'recs'}" in done.stdout
    assert adrec(*flags, "--shard", "1/2").exit_code == 0, "more shards than row groups have nothing to do"
    assert [path.name for path in (tmp_path / "recs").iterdir()] == ["part-000000.parquet"]
    wrong = adrec(*flags, "--shard", "2/2")
    assert wrong.exit_code == 2
    assert "'2/2' is not a shard" in wrong.stderr
    assert adrec("recommend", "--user", "u00", "--shard", "0/2", "-w", shop, "--dataset", "shop").exit_code == 2
