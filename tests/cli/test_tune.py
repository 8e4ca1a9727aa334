"""`adrec tune` as it is typed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import Adrec

pytest.importorskip("optuna")

TYPED = ["--model", "sasrec", "--search", "learning_rate=1e-4..1e-2:log", "--search", "blocks=1,2",
         "--epochs", 1, "--set", "model.hidden_size=8", "--threads", 1]  # fmt: skip


def test_a_search(adrec: Adrec, shop: Path, tmp_path: Path) -> None:
    shutil.copytree(shop, tmp_path / "ws")
    done = adrec("tune", "shop", "-w", tmp_path / "ws", "--trials", 3, *TYPED)
    assert done.exit_code == 0, done.stderr
    header, *rows = (line.split("\t") for line in done.stdout.splitlines() if "\t" in line)
    assert header == ["trial", "ndcg@10", "state", "learning_rate", "blocks", "trained"]
    assert sorted(row[0] for row in rows) == ["1", "2", "3"]
    values = [float(row[1]) for row in rows]
    assert values == sorted(values, reverse=True)
    assert "trial 2/3: learning_rate" in done.stderr
    assert "[I " not in done.stderr, "Optuna's own messages"
    command = done.stdout.splitlines()[-1].split()
    trained = adrec(*command[1:], "-w", tmp_path / "ws")
    assert trained.exit_code == 0, trained.stderr
    again = adrec("tune", "shop", "-w", tmp_path / "ws", "--trials", 3, *TYPED, "--json")
    document = json.loads(again.stdout)
    assert document["best"]["number"] == int(rows[0][0])
    assert document["timed_out"] is False


def test_what_is_wrong_is_told_before_the_first_trial(adrec: Adrec, shop: Path) -> None:
    for search, told in (
        ("dropout=0.1", "error: --search dropout=0.1"),
        ("drop=0.1..0.2", "error: no option of adrec is called 'drop'"),
        ("dropout=0.1..1.2", "error: model.dropout"),
    ):
        done = adrec("tune", "shop", "-w", shop, "--search", search)
        assert (done.exit_code, done.stdout) == (2, "")
        assert done.stderr.startswith(told)
