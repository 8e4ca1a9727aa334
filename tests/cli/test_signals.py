"""SIGINT and SIGTERM: saved, reported and resumed."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

from tests.cli.conftest import TINY, Adrec, environment


def interrupted(number: signal.Signals, arguments: list[str]) -> tuple[int, list[str]]:
    """Run a training until its second epoch is reported, send a signal, and return the exit code and stderr."""
    command = [sys.executable, "-m", "adrec_cli", *arguments]
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment()
    ) as run:
        assert run.stderr is not None
        lines = []
        for line in run.stderr:
            lines.append(line.rstrip("\n"))
            if line.count("ndcg@10") and len([told for told in lines if "ndcg@10" in told]) == 2:
                run.send_signal(number)
        return run.wait(timeout=60), lines


def test_an_interrupted_stage_is_saved_and_the_same_command_goes_on(adrec: Adrec, csv: Path, tmp_path: Path) -> None:
    workspace = ["--workspace", str(tmp_path)]
    assert adrec("preprocess", csv, *workspace).exit_code == 0
    command = ["pretrain", "shop", *workspace, "--epochs", "100000", "--patience", "0", *TINY]
    code, lines = interrupted(signal.SIGINT, command)
    assert code == 130
    assert lines[-2].startswith("pretrain stopped in epoch ")
    assert lines[-1] == "hint: run the same command again to resume it"
    stopped_in = int(lines[-2].split()[4])

    code, lines = interrupted(signal.SIGTERM, command)
    assert code == 143
    goes_on = next(line for line in lines if "unfinished run" in line)
    assert int(re.findall(r"epoch (\d+)", goes_on)[0]) == stopped_in - 1
    first_epoch = next(line for line in lines if "ndcg@10" in line)
    assert first_epoch.split()[1].startswith(f"{stopped_in}/")
