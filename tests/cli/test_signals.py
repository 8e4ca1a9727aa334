"""SIGINT and SIGTERM: saved, reported and resumed."""

from __future__ import annotations

import re
import signal
import time
from pathlib import Path

from tests.cli.conftest import TINY, Adrec
from tests.robustness.processes import Running, nothing


def interrupted(number: signal.Signals, arguments: list[str], folder: Path) -> tuple[int, list[str]]:
    """Run a training until its second epoch is reported, send a signal, and return the exit code and stderr."""
    running = Running(arguments, folder, nothing)
    while len(re.findall("ndcg@10.*\n", running.stderr)) < 2:
        assert running.process.is_alive(), running.stderr
        time.sleep(0.005)
    running.send(number)
    ended = running.ended(60)
    return ended.exit_code, ended.stderr.splitlines()


def test_an_interrupted_stage_is_saved_and_the_same_command_goes_on(adrec: Adrec, csv: Path, tmp_path: Path) -> None:
    workspace = ["--workspace", str(tmp_path / "workspace")]
    assert adrec("preprocess", csv, *workspace).exit_code == 0
    command = ["pretrain", "shop", *workspace, "--epochs", "100000", "--patience", "0", *TINY]
    code, lines = interrupted(signal.SIGINT, command, tmp_path)
    assert code == 130
    assert lines[-2].startswith("pretrain stopped in epoch ")
    assert lines[-1] == "hint: run the same command again to resume it"
    stopped_in = int(lines[-2].split()[4])

    code, lines = interrupted(signal.SIGTERM, command, tmp_path)
    assert code == 143
    goes_on = next(line for line in lines if "unfinished run" in line)
    assert int(re.findall(r"epoch (\d+)", goes_on)[0]) == stopped_in - 1
    first_epoch = next(line for line in lines if "ndcg@10" in line)
    assert first_epoch.split()[1].startswith(f"{stopped_in}/")
