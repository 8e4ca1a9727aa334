"""SIGINT, SIGTERM, SIGHUP: saved within ten seconds, resumed to the same bytes; a second one ends at once."""

from __future__ import annotations

import functools
import json
import os
import signal
import sys
import time

import pytest

from adrec_cli.experiments import stage_training as stage
from tests.robustness.processes import TINY, Running, artifacts, nothing, typed, typed_here
from tests.tiers import sampled

LONG = [*TINY, "--epochs", "4000", "--patience", "0"]
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}


@sampled("number", {number.name: number for number in CODES}, quick=["SIGTERM"])
def test_a_signal_saves_within_ten_seconds(workspace, tmp_path, number):
    line = ["pretrain", "shop", *LONG, "--workspace", workspace]
    running = Running(line, tmp_path, nothing)
    running.until("pretrain    3/4000")
    sent = time.perf_counter()
    running.send(number)
    ended = running.ended()
    assert time.perf_counter() - sent < 10
    assert ended.require_one_error(CODES[number]).startswith("pretrain stopped in epoch ")
    assert (workspace / "shop/adrec/pretrain.state.safetensors").exists()
    again = Running(line, tmp_path, nothing)
    again.until("of an unfinished run")
    again.send(number)
    assert again.ended().exit_code == CODES[number]


def slow_steps() -> None:
    """Let a step take long, as on a large model."""
    from adrec_cli.training import loop

    real = loop.StageTraining._step
    loop.StageTraining._step = lambda *args: (time.sleep(5), real(*args))[1]


def test_a_second_signal_ends_at_once(workspace, tmp_path):
    running = Running(["pretrain", "shop", *LONG, "--workspace", workspace], tmp_path, slow_steps)
    running.until("samples")
    time.sleep(0.3)
    sent = time.perf_counter()
    running.send(signal.SIGTERM)
    time.sleep(0.3)
    running.send(signal.SIGTERM)
    assert running.ended().exit_code == 143
    assert time.perf_counter() - sent < 4


def slow_saving() -> None:
    """Let the last save take long, so that a signal arrives in the midst of it."""
    real = stage.save_checkpoint

    def save(*args):
        print("saving", file=sys.stderr, flush=True)
        time.sleep(1)
        real(*args)

    stage.save_checkpoint = save


def test_a_signal_while_a_finished_stage_is_saved_loses_nothing(workspace, finished, csv, tmp_path):
    line = ["run", csv, *TINY, "--workspace", workspace]
    (workspace / "shop/adrec/align.safetensors").unlink()
    running = Running(line, tmp_path, slow_saving)
    running.until("saving")
    running.send(signal.SIGTERM)
    assert "align is finished and saved" in running.ended().require_one_error(143)
    again = typed_here([*line, "--json"])
    assert again.exit_code == 0
    status = {step["name"]: step["status"] for step in json.loads(again.stdout)["steps"]}
    assert status["align"] == "up to date"
    assert artifacts(workspace) == artifacts(finished)


def ignore(number: signal.Signals) -> None:
    """Start as `nohup`, or a shell's `&`, starts a process."""
    signal.signal(number, signal.SIG_IGN)


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT], ids=["SIGHUP", "SIGINT"])
def test_what_is_ignored_stays_ignored(workspace, tmp_path, number):
    running = Running(
        ["pretrain", "shop", *LONG, "--workspace", workspace], tmp_path, functools.partial(ignore, number)
    )
    running.until("pretrain    2/4000")
    running.send(number)
    said = running.stderr
    running.until(f"pretrain {said.count('ndcg@10') + 3:>4}/4000")
    running.send(signal.SIGTERM)
    assert running.ended().exit_code == 143


def close_the_reader(of: int) -> None:
    """Give the process a stream whose reader has gone, as `| head -1` does."""
    reader, writer = os.pipe()
    os.close(reader)
    os.dup2(writer, of)


@pytest.mark.parametrize("line", [["recommend", "--user", "u1"], ["evaluate", "finetune"], ["verify"], ["datasets"]])
def test_a_closed_stdout_is_a_quiet_end(workspace, tmp_path, line):
    ended = typed([*line, "--workspace", workspace], tmp_path, functools.partial(close_the_reader, 1))
    assert ended.exit_code == 141
    assert "Traceback" not in ended.stderr
    assert "error" not in ended.stderr.lower()


def narrow_and_plain() -> None:
    """A terminal of 40 columns that understands nothing."""
    os.environ.update({"NO_COLOR": "1", "TERM": "dumb", "COLUMNS": "40"})


def test_plain_streams(workspace, tmp_path):
    for line in (["pretrain", "shop", *TINY, "--force"], ["evaluate", "finetune"], ["verify"], ["clean", "--dry-run"]):
        ended = typed([*line, "--workspace", workspace], tmp_path, narrow_and_plain)
        assert ended.exit_code == 0, ended.stderr
        assert "\x1b" not in ended.stdout + ended.stderr
        assert "\r" not in ended.stdout + ended.stderr
