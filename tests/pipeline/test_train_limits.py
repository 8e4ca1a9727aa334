"""Trainings that end early, at a limit or by force, and go on to the bytes of one that never did."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path

import pytest

from adrec_cli.config import merge, read_seconds
from adrec_cli.errors import InterruptedRun, UsageError
from adrec_cli.experiments import stage_files
from adrec_cli.experiments.events import StageStarted
from adrec_cli.experiments.options import ExperimentOptions
from adrec_cli.experiments.work import ComputeOptions, Work
from adrec_cli.pipeline.train import train
from adrec_cli.runtime import StopRequest
from adrec_cli.training.events import EpochDone, StepDone
from tests.conftest import TINY
from tests.tiers import sampled

SMALL_STEPS = merge(TINY, {"training": {"batch_size": 32}})
STEPS = 3 * 4 + 2 * 4 + 3 * 4
"""Of all stages: epochs times steps."""


def trained(workspace, **work):
    return train("tiny", workspace=workspace, experiment=ExperimentOptions(overrides=SMALL_STEPS), work=Work(**work))


@pytest.fixture(scope="module")
def whole(tiny_source, tmp_path_factory):
    """Checkpoints of a training without a break."""
    workspace = tmp_path_factory.mktemp("whole") / "workspace"
    shutil.copytree(tiny_source, workspace)
    seen = []
    trained(workspace, on_event=seen.append)
    assert sum(isinstance(event, StepDone) for event in seen) == STEPS
    return checkpoints(workspace)


def checkpoints(workspace: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((workspace / "tiny/adrec").glob("*.safetensors"))}


@sampled("most", [1, 3, 4, 7, 19, STEPS], quick=[7])
def test_runs_of_some_steps_give_the_bytes_of_one(tiny_source, whole, tmp_path, most):
    shutil.copytree(tiny_source, tmp_path / "w")
    steps = []
    for number in itertools.count():
        seen = []
        try:
            trained(tmp_path / "w", options=ComputeOptions(max_steps=most), on_event=seen.append)
        except InterruptedRun as ended:
            assert ended.exit_code == 143
            assert f"max_steps={most} is reached" in str(ended)
            assert "same command again" in ended.hint
            # An epoch whose steps are done is validated in the same run.
            assert most % 4 or isinstance(seen[-1], EpochDone)
        else:
            break
        finally:
            steps.append(sum(isinstance(event, StepDone) for event in seen))
        assert number < STEPS
    assert checkpoints(tmp_path / "w") == whole
    assert sum(steps) == STEPS
    assert max(steps) <= most
    assert steps[:-1] == [most] * (len(steps) - 1)


def test_a_run_of_some_time_is_saved_and_goes_on(tiny_source, whole, tmp_path):
    shutil.copytree(tiny_source, tmp_path / "w")
    stop, seen = StopRequest(), []

    def let_time_pass(event):
        seen.append(event)
        if isinstance(event, EpochDone) and event.stage == "align":
            stop.began -= 3600

    with pytest.raises(InterruptedRun, match=r"align stopped in epoch 2 and saved: max_time=3600 is reached"):
        trained(tmp_path / "w", options=ComputeOptions(max_time=3600), stop=stop, on_event=let_time_pass)
    assert isinstance(seen[-1], EpochDone)
    trained(tmp_path / "w", options=ComputeOptions(max_time=3600))
    assert checkpoints(tmp_path / "w") == whole


def test_a_stage_for_which_no_time_is_left_is_not_begun(tiny_source, tmp_path):
    shutil.copytree(tiny_source, tmp_path / "w")
    stop = StopRequest()

    def let_time_pass(event):
        if isinstance(event, EpochDone) and event.epoch == event.epochs:
            stop.began -= 60

    with pytest.raises(InterruptedRun, match="align was not begun: max_time=60 is reached"):
        trained(tmp_path / "w", options=ComputeOptions(max_time=60), stop=stop, on_event=let_time_pass)
    assert list(checkpoints(tmp_path / "w")) == ["pretrain.safetensors"]


class KilledError(Exception):
    """Ends a training as a power cut does: nothing is saved on the way out."""


@sampled("killed_after", [1, 3, 4, 6, 13, 20, 31], quick=[13])
def test_what_was_saved_between_steps_is_gone_on_with(tiny_source, whole, tmp_path, monkeypatch, killed_after):
    monkeypatch.setattr(stage_files, "SAVE_EVERY_SECONDS", 0.0)
    monkeypatch.setattr(stage_files, "WORK_PER_SAVE", 0)
    shutil.copytree(tiny_source, tmp_path / "w")
    steps = itertools.count(1)

    def kill(event):
        if isinstance(event, StepDone) and next(steps) == killed_after:
            raise KilledError

    with pytest.raises(KilledError):
        trained(tmp_path / "w", on_event=kill)
    seen = []
    trained(tmp_path / "w", on_event=seen.append)
    started = next(event for event in seen if isinstance(event, StageStarted))
    done_in_stage = killed_after - {"pretrain": 0, "align": 12, "finetune": 20}[started.stage]
    assert (started.resumed_epoch, started.resumed_step) in (divmod(done_in_stage, 4), (done_in_stage // 4 - 1, 4))
    assert sum(isinstance(event, StepDone) for event in seen) == STEPS - killed_after
    assert checkpoints(tmp_path / "w") == whole


def test_saving_takes_a_twentieth_of_the_time_at_most(tmp_path, monkeypatch):
    clock, saved = [0.0], []

    def save(path, tensors, text):
        saved.append(clock[0])
        clock[0] += 3.0

    class Training:
        require_finite = staticmethod(lambda: None)
        blocks = None

        def state(self):
            return {}, {}

    monkeypatch.setattr(stage_files.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(stage_files, "save_state", save)
    files = stage_files.StageFiles(tmp_path / "s.safetensors", "key")
    while clock[0] < 200:
        files.save_now_and_then(Training())
        clock[0] += 1.0
    # The first after 20 seconds, as nothing is known yet, then 60 seconds after each end.
    assert saved == [20.0, 83.0, 146.0]


@pytest.mark.parametrize("options", [{"max_steps": 0}, {"max_steps": -1}, {"max_time": 0.0}])
def test_limits_below_one_are_refused(options):
    with pytest.raises(UsageError, match="must be above 0"):
        ComputeOptions(**options)


def test_times_as_they_are_typed():
    assert [read_seconds(text) for text in ("90", "90s", "1.5m", "2h", "1d")] == [90, 90, 90, 7200, 86_400]
    for text in ("", "0", "0h", "-1", "1 h", "1w", "1h30m", "nan", "1e3", "٣"):
        with pytest.raises(UsageError, match="is not a time"):
            read_seconds(text)
