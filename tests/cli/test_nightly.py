"""What cron types: logs for machines, the promotion rule, going back."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest

from adrec_cli.artifacts.lock import exclusive
from tests.cli.conftest import TINY, Adrec, write_shop
from tests.test_readme import NIGHTS, blocks

ROOT = Path(__file__).parents[2]


def command_of(folder: Path) -> list[object]:
    return ["run", folder / "shop.csv", "--workspace", folder / "workspace", "--epochs", 1, *TINY]


@pytest.fixture(scope="module")
def after_a_night(adrec: Adrec, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A source and a workspace after the first night, which tests copy."""
    folder = tmp_path_factory.mktemp("night")
    write_shop(folder / "shop.csv")
    assert adrec(*command_of(folder), "--quiet").exit_code == 0
    return folder


@pytest.fixture
def night(after_a_night: Path, tmp_path: Path) -> list[object]:
    """The command of a night, after the first one."""
    shutil.copytree(after_a_night, tmp_path, dirs_exist_ok=True)
    return command_of(tmp_path)


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


def test_what_preprocessing_warns_of_is_told_even_if_nothing_is_promoted(
    adrec: Adrec, night: list[object], tmp_path: Path
) -> None:
    source = write_shop(tmp_path / "shop.csv", users=50)
    source.write_text(source.read_text() + ",i01,1400000000\n")
    done = adrec(*night, "--promote-if", "hr@10 > current + 200%", "--on-bad-row", "skip")
    assert done.exit_code == 8
    assert done.stderr.count("1 bad row was left out of 401") == 1, done.stderr


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


def test_people_are_told_why_training_starts_from_nothing(adrec: Adrec, night: list[object], tmp_path: Path) -> None:
    write_shop(tmp_path / "shop.csv", users=50)
    done = adrec(*night, "--tolerance", 1, "--max-length", 7, "--quiet")
    assert re.search(r"warning: all weights are fresh: \w{16}\.safetensors is another network: ", done.stderr)
    assert "max_length 50 instead of 7" in done.stderr


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


@pytest.fixture
def installed(adrec: Adrec, tmp_path: Path) -> Path:
    """A folder as the README has it: shop/ with an environment, a workspace after its first run, and today's events."""
    folder = tmp_path / "shop"
    command = folder / ".venv/bin/adrec"
    command.parent.mkdir(parents=True)
    # The options of the first run, so that nights are short.
    run = f'PYTHONPATH="{ROOT}" exec "{sys.executable}" -m adrec_cli'
    command.write_text(f'#!/bin/sh\n{run} "$@" --epochs 1 {shlex.join(TINY)}\n')
    command.chmod(0o755)
    first = adrec("run", write_shop(folder / "shop.csv"), "-w", folder / "workspace", "--epochs", 1, *TINY, "--quiet")
    assert first.exit_code == 0, first.stderr
    write_shop(folder / "incoming/today.csv", users=50)
    return folder


def as_cron(line: str, home: Path) -> subprocess.CompletedProcess[str]:
    """Run a line of a crontab with nothing in the environment but what cron gives."""
    times, command = re.fullmatch(r"((?:\S+\s+){5})(.*)", line).groups()  # type: ignore[union-attr]
    assert len(times.split()) == 5
    assert not re.search(r"(?<!\\)%", command), "cron would end the line there"
    env = {"HOME": str(home), "LOGNAME": "shop", "SHELL": "/bin/sh", "PATH": "/usr/bin:/bin"}
    return subprocess.run(
        ["/bin/sh", "-c", command],
        cwd=home,
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
        stdin=subprocess.DEVNULL,
    )


def taken(installed: Path) -> list[str]:
    manifest = json.loads((installed / "workspace/shop/manifest.json").read_text())
    return [source["name"] for source in manifest["sources"]]


@pytest.mark.thorough
def test_the_crontab_of_the_readme(installed: Path) -> None:
    """A night that finds the lock taken loses nothing: the next one takes its file, whatever it is called by then."""
    (line,) = blocks("crontab", NIGHTS)[0].splitlines()
    with exclusive(installed / "workspace/shop/adrec", "train shop"):
        locked = as_cron(line.replace("--wait 3600", "--wait 1"), installed.parent)
    assert locked.returncode == 5
    assert "in use by `adrec train shop`" in locked.stderr
    write_shop(installed / "incoming/tomorrow.csv", users=60)
    done = as_cron(line, installed.parent)
    assert done.returncode == 0, done.stderr
    assert done.stderr == "warning: 33% of the users are new since the last night\n"
    assert "difference" in done.stdout
    assert taken(installed) == ["shop.csv", "today.csv", "tomorrow.csv"]


@pytest.mark.thorough
def test_the_systemd_units_of_the_readme(installed: Path, tmp_path: Path) -> None:
    units = {
        name: text
        for text in blocks("ini", NIGHTS)
        for name in re.findall(r"^# /etc/systemd/system/(\S+)$", text, re.M)
    }
    assert set(units) == {"adrec.service", "adrec.timer"}
    for name, text in units.items():
        (tmp_path / name).write_text(text.replace("/srv/shop", str(installed)))
    if shutil.which("systemd-analyze"):
        checked = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", *sorted(tmp_path.glob("adrec.*"))], capture_output=True, text=True
        )
        assert "adrec." not in checked.stderr, checked.stderr
    start = dict(re.findall(r"^(\w+)=(.*)$", (tmp_path / "adrec.service").read_text(), re.M))
    done = subprocess.run(
        shlex.split(start["ExecStart"]), cwd=start["WorkingDirectory"], env={"PATH": "/usr/bin:/bin"},
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert {row["level"] for row in log(done.stderr)} == {"info"}
    assert taken(installed) == ["shop.csv", "today.csv"]
    assert "journalctl -u adrec" in NIGHTS
