"""What cron types: logs for machines, the promotion rule, going back."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import pytest

from tests.cli.conftest import TINY, Adrec, write_shop


@pytest.fixture
def night(adrec: Adrec, tmp_path: Path) -> list[object]:
    """The command of a night, after the first one."""
    source = write_shop(tmp_path / "shop.csv")
    command = ["run", source, "--workspace", tmp_path / "workspace", "--epochs", 1, *TINY]
    assert adrec(*command, "--quiet").exit_code == 0
    return command


def log(stderr: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in stderr.splitlines()]


def test_logs_for_machines(adrec: Adrec, night: list[object], tmp_path: Path) -> None:
    write_shop(tmp_path / "shop.csv", users=50, items=14)
    done = adrec(*night, "--tolerance", 1, "--log-format", "json")
    assert done.exit_code == 0
    rows = log(done.stderr)
    assert all(datetime.fromisoformat(str(row["time"])).tzinfo is not None for row in rows)
    assert {row["level"] for row in rows} == {"info"}
    events = [row["event"] for row in rows if "event" in row]
    assert [event for event in events if event == "EpochDone"] == ["EpochDone"] * 3
    start = next(row for row in rows if row.get("event") == "StartChosen")
    assert (start["known"], start["new"], start["removed"]) == (12, 2, 0)
    steps = [row["name"] for row in rows if row.get("event") == "RunStepDone"]
    assert steps == ["preprocess", "pretrain", "align", "finetune", "evaluate", "promote"]


def test_an_error_is_one_line_for_machines(adrec: Adrec, night: list[object], tmp_path: Path) -> None:
    write_shop(tmp_path / "shop.csv", users=50)
    done = adrec(*night, "--promote-if", "hr@10 > current + 200%", "--log-format", "json", "--quiet")
    assert done.exit_code == 8
    (row,) = log(done.stderr)
    assert row["level"] == "error"
    assert "the rule is hr@10 > current + 200%" in str(row["message"])
    assert row["hint"]
    assert adrec(*night, "--log-format", "xml").exit_code == 2
    assert adrec(*night, "--promote-if", "hr@10").exit_code == 2
    assert adrec(*night, "--keep", "1").exit_code == 2


def test_people_are_told_where_training_starts(adrec: Adrec, night: list[object], tmp_path: Path) -> None:
    write_shop(tmp_path / "shop.csv", users=50, items=14)
    done = adrec(*night, "--tolerance", 1)
    assert "12 items keep their vectors, 2 are new, 0 have left" in done.stderr
    assert "difference" in done.stdout


def test_going_back(adrec: Adrec, night: list[object], tmp_path: Path) -> None:
    workspace = ["--workspace", tmp_path / "workspace"]
    alone = adrec("rollback", *workspace)
    assert alone.exit_code == 4
    assert "only generation" in alone.stderr
    assert adrec("rollback", *workspace, "--model", "gru4rec").exit_code == 4
    write_shop(tmp_path / "shop.csv", users=50)
    assert adrec(*night, "--tolerance", 1).exit_code == 0
    done = adrec("rollback", *workspace)
    assert done.exit_code == 0
    assert "is current again" in done.stdout
    assert adrec(*night).exit_code == 8, "what was withdrawn is not promoted again"
