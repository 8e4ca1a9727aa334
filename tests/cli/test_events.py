"""Every event of the pipeline is one line, for people or for machines, with its own figures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from adrec_cli.artifacts.lock import LockAwaited
from adrec_cli.cli.show.terminal import Terminal
from adrec_cli.cli.show.training_progress import _LOGGED, TrainingProgress
from adrec_cli.cli.show.training_view import EPOCH_LEGEND, TrainingView, duration, validation_advice
from adrec_cli.data.download import DownloadProgress
from adrec_cli.data.fetching import AddressFailed, DamagedCopy, DownloadBegins, UnknownDownload
from adrec_cli.data.inbox import FileLeft, FileRefused, FileTaken
from adrec_cli.experiments.events import (
    EvaluationStarted,
    ModelRetrained,
    RankingProgress,
    RunStepStarted,
    SeedStarted,
    SourceRead,
    StageStarted,
    StartChosen,
    Warned,
)
from adrec_cli.sweeping.events import StageShared, SweepRunDone, SweepRunStarted, TrialDone, TrialStarted
from adrec_cli.sweeping.trials import Trial
from adrec_cli.tracking.calling import TrackingFailed, TrackingStarted
from adrec_cli.training.events import EpochDone, StepDone, TrainingWarning
from tests.cli.recorded import Recorded
from tests.made_up import made_up


def said_of(*events: object) -> list[str]:
    terminal = Recorded()
    with TrainingProgress(terminal) as progress:
        for event in events:
            progress(event)
    return terminal.shown.said


def a_trial(**given: Any) -> Trial:
    return made_up(Trial, number=3, state="done", error="", **given)


@pytest.mark.parametrize(
    ("event", "lines"),
    [
        (LockAwaited(folder=Path("ws"), holder="pid 7"), ["waiting for pid 7, which works in ws ..."]),
        (FileTaken(path=Path("a.csv")), ["a.csv is taken"]),
        (FileLeft(path=Path("a.csv"), reason="it grows"), ["warning: a.csv is left: it grows"]),
        (FileRefused(path=Path("a.csv"), reason="no column", hint="h"),
         ["warning: a.csv is refused, none of it was taken: no column"]),
        (UnknownDownload(name="a.zip", sha256="abc"),
         ["warning: a.zip was not checked, as no SHA-256 of it is recorded; to require the same file from now on: "
          "--download-sha256 abc"]),
        (DownloadBegins(dataset="shop", bytes=1_234_567_890, host="host", licence="MIT"),
         ["shop: 1,234.6 MB from host; licence: MIT"]),
        (DownloadBegins(dataset="shop", bytes=None, host="host", licence="MIT"), ["shop: from host; licence: MIT"]),
        (AddressFailed(reason="no answer"), ["warning: no answer; the next address is tried"]),
        (DamagedCopy(path=Path("a"), fault="short"), ["warning: a is damaged and is fetched again: short"]),
        (Warned(message="odd"), ["warning: odd"]),
        (TrainingWarning(stage="s", epoch=1, message="odd"), ["warning: odd"]),
        (TrackingFailed(name="n", message="odd"), ["warning: odd"]),
        (SourceRead(notes=("one", "two")), ["one", "two"]),
        (StageShared(stage="align", path=Path("p")), ["align: shared, trained already"]),
        (EvaluationStarted(model="sasrec"), ["evaluate sasrec ..."]),
        (SeedStarted(model="sasrec", seed=3), ["sasrec with seed 3 ..."]),
        (ModelRetrained(name="sasrec"), ["sasrec is trained again, from fresh weights ..."]),
        (RunStepStarted(name="align"), ["align ..."]),
        (RankingProgress(done=1, total=2), []),
        (StartChosen(checkpoint="c", known=1234, new=5678, removed=1001),
         ["training starts from c: 1,234 items keep their vectors, 5,678 are new, 1,001 have left"]),
        (StartChosen(checkpoint=None, reason="other split"), ["warning: all weights are fresh: other split"]),
        (StartChosen(checkpoint=None), []),
        (SweepRunStarted(run="a=1", seed=4, seeds=1, number=2, total=5), ["run 2/5: a=1"]),
        (SweepRunStarted(run="a=1", seed=4, seeds=2, number=2, total=5), ["run 2/5: a=1, seed 4"]),
        (SweepRunDone(run="a=1", seed=4, metric="hr@10", value=0.25, seconds=75), ["a=1: hr@10 0.2500, trained 1:15"]),
        (SweepRunDone(run="a=1", seed=4, metric="hr@10", value=None, seconds=75), ["warning: a=1: no hr@10"]),
        (SweepRunDone(run="a=1", seed=4, metric="hr@10", value=None, seconds=75, error="NaN"), ["warning: a=1: NaN"]),
        (TrialStarted(number=2, trials=9, chosen={"lr": 0.001234567, "size": 8}), ["trial 2/9: lr 0.001235  size 8"]),
        (TrialDone(trial=a_trial(value=0.25), metric="hr@10", best=1, best_value=0.5),
         ["trial 3 done  hr@10 0.2500  best 0.5000 (trial 1)"]),
        (TrialDone(trial=a_trial(value=None), metric="hr@10", best=None, best_value=None), ["trial 3 done"]),
        (TrialDone(trial=made_up(Trial, number=3, state="diverged", error="NaN"), metric="hr@10", best=None,
                   best_value=None), ["trial 3 diverged  NaN"]),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_an_event_is_told_in_these_words(event: object, lines: list[str]) -> None:
    assert said_of(event) == lines


def test_a_place_that_stages_share_is_named_once() -> None:
    here, there = TrackingStarted(name="mlflow", where="here"), TrackingStarted(name="mlflow", where="there")
    assert said_of(here, here, there, here) == ["mlflow: here", "mlflow: there"]
    assert said_of(TrackingStarted(name="plugin", where="")) == ["plugin follows"]


def a_stage(**given: Any) -> StageStarted:
    told = {"sequences": 1234, "tokens": 5678, "trained_parameters": 1001, "parameters": 2002, "processes": 1}
    return made_up(StageStarted, **{"left_out": "", **told, **given})


@pytest.mark.parametrize(
    ("given", "lines"),
    [
        ({}, []),
        ({"processes": 2, "parts": 8}, ["stage: 2 processes share the 8 parts of each step"]),
        ({"left_out": "no warmup"}, ["stage: no warmup"]),
        ({"resumed_epoch": 0, "resumed_step": 0}, ["stage: resumes after epoch 0 of an unfinished run"]),
        ({"resumed_epoch": 3, "resumed_step": 1234},
         ["stage: resumes after epoch 3, step 1,234 of the next, of an unfinished run"]),
    ],
)  # fmt: skip
def test_a_stage_says_what_it_learns_and_from_what(given: dict[str, Any], lines: list[str]) -> None:
    first = "stage: 1,234 samples, 5,678 tokens; trains 1,001 of 2,002 parameters"
    assert said_of(a_stage(**given)) == [first, *lines, EPOCH_LEGEND]
    assert said_of(a_stage(**given), a_stage(**given)) == [first, *lines, EPOCH_LEGEND, first, *lines], (
        "the legend is shown once"
    )


@pytest.mark.parametrize("size", [2_500_000, None])
def test_a_download_is_named_once_and_its_bar_goes_when_it_is_whole(size: int | None) -> None:
    terminal = Recorded()
    with TrainingProgress(terminal) as progress:
        progress(DownloadProgress(name="a.zip", done=1_250_000, total=size))
        of = " of 2.5 MB" if size else ""
        assert (progress.bar.label, progress.bar.detail) == ("downloading a.zip", f"1.2 MB{of}")
        assert (progress.bar.done, progress.bar.total) == (1_250_000, size or 0)
        progress(DownloadProgress(name="a.zip", done=2_500_000, total=size))
        assert progress.bar.label == ("" if size else "downloading a.zip")
        progress(DownloadProgress(name="b.zip", done=1, total=size))
    named = " (2.5 MB)" if size else ""
    assert terminal.shown.said == [f"downloading a.zip{named}", f"downloading b.zip{named}"]


def an_epoch(epoch: int, **given: Any) -> EpochDone:
    told = {"stage": "align", "epoch": epoch, "epochs": 2, "losses": {"ce": 1.5}, "valid": {"hr@10": 0.1 * epoch}}
    return made_up(EpochDone, **{**told, "seconds": 10.0, "validation_seconds": 0.0, "improved": True, **given})


def test_the_bar_of_a_stage_goes_with_its_last_epoch() -> None:
    progress = TrainingProgress(Recorded())
    step = StepDone(stage="align", epoch=1, epochs=2, step=3, steps=9, losses={"ce": 1.5}, tokens_per_second=1000.0)
    progress(made_up(StageStarted, monitor="hr@10", stage="align"))
    assert progress.bar.label == ""
    progress(step)
    bar = progress.bar
    assert (bar.label, bar.done, bar.total, bar.detail.split("  ")[0]) == ("align 1/2", 3, 9, "3/9")
    assert [label for label, _ in bar.below] == ["loss", "speed"]
    progress(an_epoch(1))
    assert progress.bar.label == "align 1/2", "the next epoch follows"
    progress(step)
    assert [label for label, _ in bar.below] == ["loss", "hr@10", "speed", "vectors"]
    progress(an_epoch(2))
    assert progress.bar.label == ""
    progress(RankingProgress(done=1234, total=5678))
    assert (bar.label, bar.done, bar.total, bar.detail) == ("ranking", 1234, 5678, "1,234/5,678")
    progress(RankingProgress(done=5678, total=5678))
    assert bar.label == ""


@pytest.mark.parametrize(
    ("seconds", "validation", "said"),
    [(200.0, 99.0, False), (200.0, 100.0, True), (100.0, 59.0, False), (100.0, 60.0, True)],
)
def test_validation_that_takes_longer_than_training_is_advised_on_once(
    seconds: float, validation: float, said: bool
) -> None:
    epochs = [an_epoch(epoch, seconds=seconds, validation_seconds=validation, epochs=3) for epoch in (1, 2)]
    advice = validation_advice(epochs[0])
    assert bool(advice) is said
    lines = said_of(a_stage(), *epochs)
    assert lines.count(advice) == int(said)
    if said:
        assert f"validation takes {duration(validation)} of {duration(seconds)}" in advice


def test_time_left_is_that_of_the_steps_left(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("adrec_cli.cli.show.training_view.time.perf_counter", lambda: now[0])
    view = TrainingView("hr@10")

    def step(number: int, rate: float) -> StepDone:
        return StepDone(stage="s", epoch=2, epochs=4, step=number, steps=10, losses={}, tokens_per_second=rate)

    now[0] += 6
    lines = dict(view.step(step(1, 1000.0)))
    assert lines["speed"] == "1,000 tokens/s, 2:54 left at most", "29 steps of 6 s: 9 of this epoch, 20 of two more"
    now[0] += 2
    lines = dict(view.step(step(2, 2000.0)))
    assert lines["speed"] == "1,500 tokens/s, 1:52 left at most"
    assert view.format_time_left(step(2, 0.0)) == "0:32 left"
    for _ in range(20):
        view.step(step(3, 2000.0))
    assert view.rate == pytest.approx(2000 - 1000 / 20, rel=0.05), "the newest step counts a tenth"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0:00"), (59.4, "0:59"), (59.6, "1:00"), (60, "1:00"), (3599, "59:59"), (3600, "1:00:00"), (3661, "1:01:01")],
)
def test_durations(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_machines_get_events_whole_and_without_legend(capsys: pytest.CaptureFixture[str]) -> None:
    events = [made_up(kind) for kind in _LOGGED]
    progress = TrainingProgress(Terminal(log_json=True))
    for event in [*events, SourceRead(notes=("note",))]:
        progress(event)
    logged = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line.get("event") for line in logged] == [*(kind.__name__ for kind in _LOGGED), None]
    for line, event in zip(logged, events, strict=False):
        for name, value in vars(event).items():
            if isinstance(value, str | int | float):
                assert line[name] == value
    assert logged[-1]["message"] == "note"
