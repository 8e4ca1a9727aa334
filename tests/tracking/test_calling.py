"""Callbacks are called with everything in its order; none of them changes a training or ends it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from adrec_cli.artifacts.atomic import file_sha256
from adrec_cli.errors import DivergedError, InterruptedRun, UsageError
from adrec_cli.experiments.events import StageStarted
from adrec_cli.experiments.work import ComputeOptions
from adrec_cli.tracking.callbacks import CALLBACKS, split_place
from adrec_cli.tracking.calling import TrackingFailed, TrackingStarted, track
from adrec_cli.tracking.figures import flatten, list_figures
from adrec_cli.tracking.tracked import StageEnded, TrackedTraining, hide_password
from adrec_cli.training.events import EpochDone, StepDone
from tests.tracking.conftest import Train


class Diary:
    """A callback that remembers, and fails where it is asked to."""

    where = "a diary"

    def __init__(self) -> None:
        self.trainings: list[TrackedTraining] = []
        self.events: list[object] = []
        self.fails_at: type | None = None
        self.fault: BaseException = OSError("the server\nis away")

    def make(self, training: TrackedTraining) -> Diary:
        self.trainings.append(training)
        if self.fails_at is TrackedTraining:
            raise self.fault
        return self

    def __call__(self, event: object) -> None:
        self.events.append(event)
        if self.fails_at is not None and isinstance(event, self.fails_at):
            raise self.fault

    def kinds(self) -> list[str]:
        return [type(event).__name__ for event in self.events if not isinstance(event, StepDone)]


@pytest.fixture
def diary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Diary]:
    """A diary that is a callback of this name."""
    one = Diary()
    monkeypatch.setitem(CALLBACKS.own, "diary", one.make)  # type: ignore[arg-type]
    return one  # type: ignore[return-value]


def test_it_follows_all_from_start_to_end(tracked: Train, diary: Diary) -> None:
    result = tracked("diary:somewhere:8080")
    (training,) = diary.trainings
    assert diary.kinds() == ["StageStarted", *["EpochDone"] * 4, "StageEnded"]
    assert any(isinstance(event, StepDone) for event in diary.events)
    assert (training.place, training.group, training.resumed_epoch) == ("somewhere:8080", "tiny/sasrec", None)
    assert training.options["model"]["hidden_size"] == 8
    assert training.options["stage"]["epochs"] == 4
    assert training.facts["sequences_sha256"] == result.metadata.sequences_sha256
    assert training.facts["seed"] == 1
    ended = diary.events[-1]
    assert ended == StageEnded(outcome="done", sha256=file_sha256(result.path), metadata=result.metadata)


def test_a_tracked_training_is_the_same_training(tracked: Train, diary: Diary) -> None:
    alone = tracked().path.read_bytes()
    assert tracked("diary").skipped, "who follows is no part of the key"
    assert tracked("diary", force=True).path.read_bytes() == alone
    assert diary.kinds()[-1] == "StageEnded"


def test_a_resumed_training_keeps_its_id_and_another_has_its_own(tracked: Train, diary: Diary) -> None:
    with pytest.raises(InterruptedRun):
        tracked("diary", stop_after=2)
    assert diary.events[-1] == StageEnded(outcome="stopped", reason="train stopped in epoch 3 and saved")
    tracked("diary", resume="require")
    tracked("diary", force=True)
    first, resumed, again = diary.trainings
    assert (resumed.id, resumed.resumed_epoch) == (first.id, 2)
    assert again.id != first.id
    assert again.resumed_epoch is None


@pytest.mark.parametrize(
    ("when", "fault"),
    [
        (TrackedTraining, OSError("away")),
        (StageStarted, ValueError("")),
        (StepDone, SystemExit(3)),
        (EpochDone, KeyError("x")),
        (StageEnded, UsageError("no")),
    ],
    ids=lambda given: getattr(given, "__name__", type(given).__name__),
)
def test_one_that_fails_is_left_alone(
    tracked: Train, diary: Diary, when: type, fault: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Diary()
    monkeypatch.setitem(CALLBACKS.own, "other", other.make)  # type: ignore[arg-type]
    diary.fails_at, diary.fault = when, fault
    events: list[object] = []
    result = tracked("diary", "other", events=events)
    assert result.path.is_file()
    assert sum(isinstance(event, TrackingFailed) for event in events) == 1, "it is said once"
    assert sum(isinstance(event, when) for event in diary.events) == (when is not TrackedTraining)
    assert other.kinds() == ["StageStarted", *["EpochDone"] * 4, "StageEnded"], "the others are called all the same"


def test_one_that_fails_is_not_asked_by_the_next_stage(diary: Diary, tmp_path: Path, tracked: Train) -> None:
    training = train_once(tracked, diary)
    diary.fails_at = TrackedTraining
    events: list[object] = []
    failed: set[str] = set()
    for _ in range(3):
        with track(training, ["diary:x"], events.append, failed=failed) as call:
            call("something")
    assert len(diary.trainings) == 2
    assert events.count("something") == 3
    (said,) = [event for event in events if isinstance(event, TrackingFailed)]
    assert said.message == "diary fails and is left alone: OSError: the server is away"


def test_how_it_ended_is_known_whatever_ended_it(diary: Diary, tracked: Train) -> None:
    training = train_once(tracked, diary)
    endings: dict[BaseException, tuple[str, str]] = {
        DivergedError("not finite"): ("failed", "not finite"),
        InterruptedRun("stopped", signal_number=2): ("stopped", "stopped"),
        RuntimeError("a search gives it up"): ("stopped", "given up"),
        KeyboardInterrupt(): ("stopped", "given up"),
    }
    for error, (outcome, reason) in endings.items():
        with pytest.raises(type(error)), track(training, ["diary"], print, failed=set()):
            raise error
        assert diary.events[-1] == StageEnded(outcome=outcome, reason=reason)


def train_once(tracked: Train, diary: Diary) -> TrackedTraining:
    tracked("diary")
    return diary.trainings.pop(0) if len(diary.trainings) > 1 else diary.trainings[0]


def test_where_to_look_is_said(tracked: Train, diary: Diary) -> None:
    events: list[object] = []
    tracked("diary", events=events)
    assert TrackingStarted(name="diary", where="a diary") in events


def test_a_name_that_nobody_has_is_refused_before_anything_is_trained() -> None:
    with pytest.raises(UsageError, match="unknown callback 'tensorbord'") as refused:
        ComputeOptions(track=("tensorbord:runs",))
    assert "tensorboard, mlflow, wandb" in refused.value.hint


def test_one_that_is_not_installed_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("sys.path", [str(tmp_path)])
    for name in ("mlflow", "wandb", "tensorboard"):
        monkeypatch.delitem(__import__("sys").modules, name, raising=False)
    # As W&B leaves one behind: it is no package.
    (tmp_path / "wandb").mkdir()
    for name in ("mlflow", "wandb", "tensorboard"):
        with pytest.raises(UsageError, match=f"{name} is not installed") as refused:
            ComputeOptions(track=(name,))
        assert refused.value.hint == f"pip install 'adrec-cli[{name}]'"


def test_every_figure_of_an_epoch_is_listed(tracked: Train) -> None:
    events: list[object] = []
    tracked(events=events)
    epoch = next(event for event in events if isinstance(event, EpochDone))
    listed = list_figures(epoch)
    last_words = {name.rpartition("/")[2] for name in listed}
    own = {one.name for one in fields(EpochDone)} - {"stage", "epoch", "epochs", "improved", "losses", "valid"}
    assert own | epoch.losses.keys() | epoch.valid.keys() | {"memory_mib"} == last_words
    assert listed["valid/ndcg@10"] == epoch.valid["ndcg@10"]
    assert listed["loss/ce"] == epoch.losses["ce"]
    assert 10 < listed["system/memory_mib"] < 2**20


def test_memory_of_a_card_is_listed_in_mebibytes_where_one_is_in_use(
    tracked: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[object] = []
    tracked(events=events)
    epoch = next(event for event in events if isinstance(event, EpochDone))
    for allocated, listed in ((0, None), (3 * 2**20, 3.0), (5 * 2**19, 2.5)):
        monkeypatch.setattr("torch.cuda.max_memory_allocated", lambda allocated=allocated: allocated)
        assert list_figures(epoch).get("system/cuda_memory_mib") == listed


def test_tables_are_flattened_by_dotted_names() -> None:
    tables: dict[str, Any] = {"a": {"b": 1, "c": {"d": [2], "e": {}}}, "f": None}
    assert flatten(tables) == {"a.b": 1, "a.c.d": [2], "f": None}


@pytest.mark.parametrize(
    ("asked", "parts"),
    [
        ("wandb", ("wandb", "")),
        ("mlflow:http://host:5000", ("mlflow", "http://host:5000")),
        ("x:C:\\r", ("x", "C:\\r")),
    ],
)
def test_a_place_may_hold_colons(asked: str, parts: tuple[str, str]) -> None:
    assert split_place(asked) == parts


def test_passwords_are_not_shown() -> None:
    assert hide_password("postgresql://me:secret@host/db") == "postgresql://***@host/db"
    assert hide_password("https://host:5000/a@b") == "https://host:5000/a@b"
