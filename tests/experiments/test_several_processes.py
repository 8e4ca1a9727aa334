"""Several processes that share a training: the bytes of one, and an end together however it comes."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path

import pytest

from tests.robustness.processes import artifacts, save_state_every_step, typed
from tests.robustness.several import (
    begun,
    codes,
    fail_to_save,
    kill_one,
    know_other_code,
    slow_down_steps,
    spoil_losses,
    step_otherwise,
    typed_by,
    warn_at_each_step,
)

SMALL = [
    "--set", "model.hidden_size=8", "--set", "model.max_length=8", "--epochs", "2", "--threads", "1",
]  # fmt: skip
PARTS = ["--set", "training.accumulate=6", "--batch-size", "59"]
ONE_BLOCK = [
    "--set", "model.heads=2", "--set", "model.diffusion_steps=4", "--set", "model.cam_blocks=1",
    "--set", "model.adm_blocks=1",
]  # fmt: skip
ROWS = ["--set", "training.embedding_optimizer=rowwise_adagrad", "--set", "stages.train.ranking_loss=sampled_softmax"]
CASES = {
    "adrec": ONE_BLOCK,
    "sasrec": ["--model", "sasrec"],
    "rows": ["--model", "sasrec", *ROWS],
    "own negatives": [
        "--model", "sasrec", "--set", "training.embedding_optimizer=sparse_adam", "--set",
        "stages.train.ranking_loss=gbce", "--set", "stages.train.shared_negatives=false",
        "--set", "stages.train.negatives=8",
    ],
    "blocks": ["--model", "sasrec", *ROWS, "--set", "training.shard_items=true"],
    "losses by timestep": [*ONE_BLOCK, "--set", "model.timestep_sampling=loss_aware"],
    "averages": [
        *ONE_BLOCK, "--set", "stages.finetune.average_decay=0.9", "--set", "training.monitor_users=50",
    ],
    "prefixes": ["--model", "diffurec"],
}  # fmt: skip


EITHER = pytest.mark.parametrize("case", ["rows", pytest.param("blocks", marks=pytest.mark.slow)])
"""The item table whole in each process, or a block of it."""


def train(workspace: Path, *more: str, case: str = "rows") -> list[object]:
    return ["train", "tiny", "-w", workspace, *SMALL, *PARTS, *CASES[case], *more]


def two(workspace: Path, name: str) -> Path:
    """Another workspace with the same data."""
    return Path(shutil.copytree(workspace, workspace.with_name(name)))


def require_same(found: Path, expected: Path) -> None:
    found, expected = artifacts(found), artifacts(expected)
    assert found.keys() == expected.keys()
    assert any(name.endswith("safetensors") for name in found)
    for name, content in expected.items():
        assert found[name] == content, name


@pytest.mark.parametrize(
    ("case", "count"),
    [
        ("adrec", 2),
        pytest.param("rows", 3, marks=pytest.mark.thorough),
        pytest.param("blocks", 2, marks=pytest.mark.thorough),
        *(pytest.param(case, count, marks=pytest.mark.slow) for case in CASES for count in (2, 3, 6)),
    ],
)
def test_they_write_the_bytes_of_one_process(workspace, tmp_path, case, count):
    """Checkpoints, and rows of the log but for times; of the last step's 2 windows not every process has a part."""
    alone = two(workspace, "alone")
    assert typed(train(alone, case=case), tmp_path).exit_code == 0
    ended = typed_by(count, train(workspace, case=case), tmp_path)
    assert codes(ended) == [0] * count, ended[0].stderr
    assert [bool(one.stdout or one.stderr) for one in ended] == [True] + [False] * (count - 1)
    require_same(workspace, alone)


@pytest.mark.thorough
@pytest.mark.parametrize("case", ["rows", "blocks"])
def test_a_training_goes_on_with_another_number_of_processes(workspace, tmp_path, case):
    alone = two(workspace, "alone")
    assert typed(train(alone, case=case), tmp_path).exit_code == 0
    for count, steps in ((2, 1), (3, 2), (1, 1)):
        limited = train(workspace, "--max-steps", str(steps), case=case)
        ended = typed_by(count, limited, tmp_path) if count > 1 else [typed(limited, tmp_path)]
        assert codes(ended) == [143] * count
    assert codes(typed_by(2, train(workspace, case=case), tmp_path)) == [0, 0]
    require_same(workspace, alone)


@pytest.mark.parametrize("rank", [1, pytest.param(0, marks=pytest.mark.slow)])
def test_one_may_warn_where_the_others_do_not(workspace, tmp_path, rank):
    """Warnings hang on figures near a limit, which no two machines need to have alike."""
    ended = typed_by(2, train(workspace), tmp_path, {rank: warn_at_each_step})
    assert codes(ended) == [0, 0]
    assert ("a remarkable loss" in ended[0].stderr) == (rank == 0)


@pytest.mark.thorough
@EITHER
@pytest.mark.parametrize("signalled", [(0, 1), pytest.param((1,), marks=pytest.mark.slow)])
def test_a_signal_ends_all_of_them_and_what_was_done_is_saved(workspace, tmp_path, signalled, case):
    alone = two(workspace, "alone")
    assert typed(train(alone, case=case), tmp_path).exit_code == 0
    together = begun(2, train(workspace, case=case), tmp_path, all_=slow_down_steps)
    together.running[0].until("train 1/2")
    for rank in signalled:
        together.running[rank].send(signal.SIGTERM)
        # As a launcher does that passes on what a terminal has sent already.
        together.running[rank].send(signal.SIGTERM)
    ended = together.ended()
    assert codes(ended) == [143, 143]
    assert "stopped in epoch" in ended[0].require_one_error(143)
    assert (workspace / "tiny" / "sasrec" / "train.state.safetensors").exists()
    assert codes(typed_by(2, train(workspace, case=case), tmp_path)) == [0, 0]
    require_same(workspace, alone)


@pytest.mark.thorough
@EITHER
@pytest.mark.parametrize("killed", [1, pytest.param(0, marks=pytest.mark.slow)])
def test_one_that_is_killed_takes_the_others_with_it_and_the_next_run_goes_on(workspace, tmp_path, killed, case):
    alone = two(workspace, "alone")
    assert typed(train(alone, case=case), tmp_path).exit_code == 0

    together = begun(3, train(workspace, case=case), tmp_path, {0: save_state_every_step}, all_=slow_down_steps)
    together.running[0].until("train 1/2")
    ended = kill_one(together, killed)
    if killed:
        said = ended[0].require_one_error(143)
        assert "cannot reach another one" in said
        assert ("blocks of item vectors are lost" in said) == (case == "blocks")
    again = typed(train(workspace, case=case), tmp_path)
    assert again.exit_code == 0
    # What was saved last: blocks are not to be had any more.
    assert ("resumes after epoch 1" if case == "rows" else "resumes") in again.stderr
    require_same(workspace, alone)


@EITHER
@pytest.mark.parametrize("rank", [1, pytest.param(0, marks=pytest.mark.slow)])
def test_a_loss_of_one_that_is_not_finite_ends_all(workspace, tmp_path, rank, case):
    ended = typed_by(2, train(workspace, case=case), tmp_path, {rank: spoil_losses})
    assert codes(ended) == [6, 6]
    assert "loss sampled_softmax is nan" in ended[0].require_one_error(6)
    assert not ended[1].stderr
    assert not list(workspace.rglob("*.state.safetensors"))


@pytest.mark.parametrize(
    ("prepare", "code", "message", "case"),
    [
        pytest.param({1: step_otherwise}, 6, "process 1 has other weights than process 0", "rows"),
        pytest.param({1: know_other_code}, 4, "the code here differs from that of the first process", "rows"),
        pytest.param({0: fail_to_save}, 7, "no space left", "rows", marks=pytest.mark.slow),
        pytest.param({0: fail_to_save}, 7, "no space left", "blocks", marks=pytest.mark.slow),
    ],
)
def test_what_goes_wrong_in_one_ends_all(workspace, tmp_path, prepare, code, message, case):
    ended = typed_by(2, train(workspace, case=case), tmp_path, prepare)
    assert codes(ended) == [code, code]
    said = ended[0].require_one_error(code)
    assert message in said
    assert ("process 1 on" in said) == (code == 4), "what one of them alone has, and which"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["train", "tiny", *SMALL], 2, "2 processes cannot share the parts of a step evenly"),
        (["train", "nowhere", *SMALL], 4, "nowhere"),
        (["train", "tiny", "--devices", "3"], 2, "2 processes were started on this machine"),
        (["train", "tiny", "--no-such-option"], 2, "no such option"),
        (["status"], 2, "runs in one process"),
    ],
)
def test_what_cannot_begin_is_said_once(workspace, tmp_path, arguments, code, message):
    ended = typed_by(2, [*arguments, "-w", workspace] if "--no-such-option" not in arguments else arguments, tmp_path)
    assert codes(ended) == [code, code]
    assert message in ended[0].require_one_error(code)
    assert not ended[1].stderr
