"""`adrec sweep` as it is typed."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import TINY, Adrec

FAST = ["--epochs", 1, *TINY]


def test_a_sweep_of_sampling_over_what_is_trained(adrec: Adrec, shop: Path) -> None:
    typed = ("sweep", "shop", "-w", shop, "--vary", "sampling.steps=1,2", "--no-picture", *FAST)
    done = adrec(*typed)
    assert done.exit_code == 0, done.stderr
    header, *rows = (line.split("\t") for line in done.stdout.splitlines() if "\t" in line)
    assert header == ["run", "ndcg@10", "95% interval", "to base", "p", "hr@10", "hr@20", "ndcg@20", "trained"]
    assert [row[0] for row in rows] == ["base", "sampling.steps=1", "sampling.steps=2"]
    assert "protocol loo/full/valid; one seed" in done.stdout
    assert "pretrain: shared" in done.stderr
    document = json.loads(adrec(*typed, "--json").stdout)
    assert document["command"].startswith("adrec sweep shop --vary sampling.steps=1,2 --set ")
    assert {summary["run"] for summary in document["summaries"]} == {row[0] for row in rows}


def test_what_is_wrong_is_told_before_training(adrec: Adrec, shop: Path) -> None:
    for vary, told in (
        ("lamda=1,2", "error: no option of adrec is called 'lamda'"),
        ("keep=best,last", "error: 'keep' may mean several options"),
        ("heads=3", "error: model.hidden_size"),
    ):
        done = adrec("sweep", "shop", "-w", shop, "--vary", vary, *FAST)
        assert done.exit_code == 2
        assert done.stderr.startswith(told)
        assert done.stdout == ""


def test_a_diverging_run_is_told_by_the_exit_code(adrec: Adrec, shop: Path) -> None:
    vary = "stages.finetune.learning_rate=1e38,0.001"
    done = adrec("sweep", "shop", "-w", shop, "--vary", vary, "--no-base", "--no-picture", *FAST)
    assert done.exit_code == 6
    assert "stages.finetune.learning_rate=0.001\t" in done.stdout
    assert "warning: stages.finetune.learning_rate=1e+38" in done.stderr
