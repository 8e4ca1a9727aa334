"""Batches typed on the command line."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from tests.cli.conftest import Adrec, Process

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
    assert f"1 users and 0 items are unknown, listed in {tmp_path / 'recs.unknown.jsonl'}" in done.stderr
    users.write_text("nobody\n")
    assert adrec(*flags).exit_code == 3


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


def test_rows_alone_go_to_stdout(process: Process, shop: Path) -> None:
    done = process(
        "recommend", "--all", "-k", "2", "--out", "-", "--format", "csv", "-w", shop, "--dataset", "shop", *FAST
    )
    assert done.returncode == 0
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
