"""Several numbers of steps: a table of quality against time."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Adrec


def test_there_is_a_row_for_each_number_and_no_report(shop: Path, adrec: Adrec) -> None:
    before = {path: path.read_bytes() for path in shop.rglob("*") if path.is_file()}
    shown = adrec("evaluate", "finetune", "--steps", "1,3", "--sampler", "ddim", "--json", "--workspace", shop)
    assert shown.exit_code == 0, shown.stderr
    study = json.loads(shown.stdout)
    assert [row["steps"] for row in study["rows"]] == [1, 3]
    assert all(row["seconds"] > 0 and row["milliseconds_per_target"] > 0 for row in study["rows"])
    assert {path: path.read_bytes() for path in shop.rglob("*") if path.is_file()} == before, "no report is stored"


def test_it_is_a_table_on_a_terminal(shop: Path, adrec: Adrec) -> None:
    shown = adrec("evaluate", "finetune", "--steps", "1,2", "--noise", "zero", "--workspace", shop)
    assert shown.exit_code == 0, shown.stderr
    lines = shown.stdout.splitlines()
    assert lines[0].split("\t")[:2] == ["steps", "HR@10"]
    assert [line.split("\t")[0] for line in lines[1:3]] == ["1", "2"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["finetune", "--steps", "1,1000"], "--steps must be between"),
        (["finetune", "--steps", "two"], "is not a number"),
        (["pretrain", "--steps", "1,2"], "takes no reverse steps"),
        (["finetune", "--steps", "1", "--eta", "0.5"], "eta belongs to the sampler ddim"),
        (["finetune", "--sampler", "euler"], "unknown sampler"),
    ],
)
def test_what_makes_no_sense_is_refused(shop: Path, adrec: Adrec, words: list[str], said: str) -> None:
    done = adrec("evaluate", *words, "--workspace", shop)
    assert done.exit_code == 2
    assert said in done.stderr


def test_recommend_takes_one_number_of_steps(shop: Path, adrec: Adrec) -> None:
    done = adrec("recommend", "--history", "i01", "--steps", "1,2", "--workspace", shop)
    assert done.exit_code == 2
    assert "one number of steps" in done.stderr
