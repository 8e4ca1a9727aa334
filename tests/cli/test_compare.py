"""`adrec compare` as it is typed, and tables that fit the terminal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from rich.console import Console

from adrec_cli.cli import completion
from adrec_cli.cli.show.terminal import Terminal
from tests.cli.conftest import Adrec

COLUMNS = ["model", "NDCG@10", "diff", "p", "HR@10", "training", "CPU", "epochs", "tried", "ms/user", "parameters"]


def test_a_table_with_what_it_depends_on(adrec: Adrec, shop: Path) -> None:
    done = adrec("compare", "shop", "-w", shop, "--models", "adrec,adrec/pretrain,mostpop")
    assert done.exit_code == 0, done.stderr
    header, *rows = (line.split("\t") for line in done.stdout.splitlines() if "\t" in line)
    assert header == COLUMNS
    assert {row[0] for row in rows} == {"adrec", "adrec/pretrain", "mostpop"}
    of_baseline = next(row for row in rows if row[0] == "mostpop")
    assert (of_baseline[2:4], of_baseline[5:9]) == (["", ""], ["-"] * 4)
    assert "Differences in NDCG@10 to mostpop; p of a paired randomisation test, corrected for 2" in done.stdout
    assert "Protocol loo/full/test, 40 users." in done.stdout
    found = json.loads(adrec("compare", "shop", "-w", shop, "--models", "adrec,mostpop", "--json").stdout)
    ours = next(model for model in found["models"] if model["name"] == "adrec")
    assert set(ours["differences"]["ndcg@10"]) == {"value", "low", "high", "p", "p_holm"}
    assert (found["reference"], found["protocol"]) == ("mostpop", "loo/full/test")


def test_markdown_for_a_readme(adrec: Adrec, shop: Path) -> None:
    flags = ("--models", "adrec,mostpop", "--metrics", "hr@5,ndcg@5,hr@10", "--negatives", 9)
    done = adrec("compare", "shop", "-w", shop, *flags, "--markdown")
    lines = done.stdout.splitlines()
    assert lines[0] == (
        "| shop, `loo/sampled-9/test` | HR@5 | difference to mostpop | p | NDCG@5 | HR@10 | training | CPU | epochs "
        "| tried | ms/user | parameters |"
    )
    assert lines[1] == "| --- |" + " ---: |" * 11
    assert all(line.count("|") == 13 for line in lines[:4])
    # The best of each of three metrics is bold; HR@10 of ten candidates is 1 for both.
    assert sum(line.count("**") for line in lines[2:4]) == 2 * 4
    assert "negatives: drawn with seed 0" in lines[-1]


def test_seeds(adrec: Adrec, shop: Path) -> None:
    flags = ["--set", "model.hidden_size=8", "--set", "stages.train.epochs=1", "--threads", "1"]
    done = adrec("compare", "shop", "-w", shop, "--models", "gru4rec,mostpop", "--seeds", 2, *flags)
    assert done.exit_code == 0, done.stderr
    assert "gru4rec with seed 43 ..." in done.stderr
    assert "Means over the seeds 42, 43; behind ± their standard deviation" in done.stdout
    assert (shop / "shop/gru4rec/seed-43/train.safetensors").is_file()


@pytest.mark.parametrize(
    ("flags", "code", "message"),
    [
        (["--models", "sasrec"], 4, "adrec train shop --model sasrec"),
        (["--models", "nothing"], 2, "unknown model 'nothing'"),
        (["--metrics", "auc@3"], 2, "unknown metric 'auc@3'"),
        (["--preset", "paper"], 2, "are for --seeds"),
        (["--models", "adrec", "--against", "sasrec"], 2, "not among --models"),
        (["--seeds", "-1"], 2, "--seeds must be between 0 and 10,000, got -1"),
    ],
)
def test_what_is_wrong_is_reported(adrec: Adrec, shop: Path, flags: list[str], code: int, message: str) -> None:
    done = adrec("compare", "shop", "-w", shop, *flags)
    assert (done.exit_code, done.stdout) == (code, "")
    assert message in done.stderr


def test_names_in_a_list_are_completed() -> None:
    assert completion.models_to_compare("adrec,s") == ["adrec,sasrec"]
    assert completion.models_to_compare("mo") == ["mostpop"]
    assert "sasrec,sasrec" not in completion.models_to_compare("sasrec,")


@pytest.mark.parametrize(
    ("width", "left_out"),
    [
        (120, []),
        (100, ["parameters", "ms/user"]),
        (80, ["parameters", "ms/user", "tried", "epochs"]),
        (60, ["parameters", "ms/user", "tried", "epochs", "CPU", "HR@10"]),
    ],
)
def test_a_narrow_terminal_gets_fewer_columns(capsys, monkeypatch, width: int, left_out: list[str]) -> None:
    rows = [
        ["adrec", ".0466 ±.0028", "+.0034", ".012", ".0888 ±.0046", "36:13", "9:10", "45", "12", "3.76", "2,040,448"],
        ["diffurec", ".0433 ±.0027", "", "", ".0861 ±.0043", "1:02:03", "2:00:00", "20", "0", "0.15", "8,714"],
    ]
    terminal = Terminal()
    monkeypatch.setattr(Terminal, "draws", True)
    monkeypatch.setattr(terminal, "out", Console(width=width, highlight=False), raising=False)
    optional = ["parameters", "ms/user", "tried", "epochs", "CPU", "HR@10", "training", "p", "diff"]
    terminal.table(COLUMNS, rows, right=COLUMNS[1:], optional=optional)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= width
    header = next(line for line in lines if "model" in line)
    assert header.split() == [name for name in COLUMNS if name not in left_out]
    assert any(line.split()[0] == "diffurec" for line in lines if line.split())


@pytest.mark.parametrize("width", range(20, 60))
def test_no_cell_is_ever_folded_where_a_column_can_go(capsys, monkeypatch, width: int) -> None:
    columns, row = ["run", "ndcg@10", "hr@10", "trained"], ["dropout=0.1", "0.1421", "0.2600", "0:02"]
    terminal = Terminal()
    monkeypatch.setattr(Terminal, "draws", True)
    monkeypatch.setattr(terminal, "out", Console(width=width, highlight=False), raising=False)
    terminal.table(columns, [row], right=columns[1:], optional=["hr@10", "trained", "ndcg@10"])
    lines = capsys.readouterr().out.splitlines()
    (told,) = [line.split() for line in lines if "dropout=0.1" in line]
    (header,) = [line.split() for line in lines if "run" in line]
    assert told == [cell for name, cell in zip(columns, row, strict=True) if name in header]
