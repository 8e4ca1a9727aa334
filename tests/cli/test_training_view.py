"""The lines below the bar of a training, the row an epoch leaves, and what becomes of them on narrow terminals."""

from __future__ import annotations

import dataclasses
import io

import pytest
from rich.console import Console

from adrec_cli.cli.show.progress import Bar, Region
from adrec_cli.cli.show.sparkline import sparkline
from adrec_cli.cli.show.training_view import TrainingView, duration, epoch_row, validation_advice
from adrec_cli.training.events import EpochDone, StepDone

ROW = "finetune   7/100  ce 5.1234  mse 0.5000  ndcg@10 0.0466*  10,745 tokens/s  0:12"


def epoch_done(epoch: int, ndcg: float | None, *, improved: bool = True) -> EpochDone:
    return EpochDone(
        stage="finetune", epoch=epoch, epochs=100, losses={"ce": 5.1234, "mse": 0.5}, improved=improved,
        valid={} if ndcg is None else {"ndcg@10": ndcg}, learning_rate=1e-3, tokens_per_second=10_745.2, seconds=12.3,
        validation_seconds=2.0, processor_seconds=20.0, effective_rank=112.04, mean_cosine=0.0519,
        embedding_variance=0.01, singular_value_entropy=4.7, isotropy=0.02,
    )  # fmt: skip


def step_done(epoch: int, step: int) -> StepDone:
    return StepDone(
        stage="finetune", epoch=epoch, epochs=100, step=step, steps=29, losses={"ce": 5.0, "mse": 0.6},
        tokens_per_second=9_000.0,
    )  # fmt: skip


def test_the_view_tells_losses_metric_speed_and_vectors() -> None:
    view = TrainingView("ndcg@10")
    assert [label for label, _ in view.step(step_done(1, 1))] == ["loss", "speed"]
    for epoch, value in enumerate((0.01, 0.03, 0.02), start=1):
        view.epoch(epoch_done(epoch, value, improved=epoch < 3))
    told = dict(view.step(step_done(4, 2)))
    assert told["loss"] == "ce 5.0000  mse 0.6000"
    assert told["ndcg@10"] == "▁█▅ 0.0200, best 0.0300 in epoch 2"
    assert told["speed"].startswith("9,000 tokens/s, 0:")
    assert told["vectors"] == "effective rank 112.0, mean cosine 0.052"
    assert view.format_time_left(step_done(4, 29)) == "validating"


@pytest.mark.parametrize(
    ("width", "row"),
    [
        (None, f"{ROW}  validation 16%  rank 112.0  cosine 0.052"),
        (80, ROW),
        (40, "finetune   7/100  ndcg@10 0.0466*"),
        (5, "finetune   7/100"),
    ],
)  # fmt: skip
def test_the_row_of_an_epoch_fits(width: int | None, row: str) -> None:
    assert epoch_row(epoch_done(7, 0.0466), "ndcg@10", width) == row
    assert "ndcg" not in epoch_row(epoch_done(7, None), "ndcg@10", width)


@pytest.mark.parametrize(("width", "height", "lines"), [(80, 24, 5), (40, 24, 5), (80, 10, 1)])
def test_the_view_fits_the_terminal(width: int, height: int, lines: int) -> None:
    view, bar = TrainingView("ndcg@10"), Bar()
    view.epoch(epoch_done(1, 0.0466))
    bar.label, bar.done, bar.total, bar.below = "finetune 2/100", 3, 29, view.step(step_done(2, 3))
    console = Console(file=io.StringIO(), width=width, height=height, force_terminal=True, color_system=None)
    console.print(bar)
    drawn = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert len(drawn) == lines
    assert max(map(len, drawn)) <= width - 3
    assert bar.drawn_cells == [width - 3, *map(len, drawn[1:])]


def test_rows_that_a_narrower_window_adds_are_erased(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XTERM_VERSION", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    bar = Bar()
    bar.label, bar.done, bar.total, bar.below = "finetune 2/100", 3, 29, [("loss", "ce 5.0"), ("speed", "9,000")]
    console = Console(file=io.StringIO(), width=100, height=24, force_terminal=True, color_system=None)
    region = Region(bar, console)
    region.start()
    region.refresh()
    console.width = 40
    before = len(console.file.getvalue())  # type: ignore[attr-defined]
    region.refresh()
    # 97 cells take three rows of 40: two more to go up, and two for the lines below the first.
    assert console.file.getvalue()[before:].count("\x1b[1A") == 2 + 2  # type: ignore[attr-defined]
    region.stop()


def test_sparkline() -> None:
    assert sparkline([1, 2, 3, 4, 5, 6, 7, 8], 8) == "▁▂▃▄▅▆▇█"
    assert sparkline([1, 1, 8, 8], 2) == "▁█"
    assert sparkline([4, 8], 5, lowest=0) == "▅█"
    assert sparkline([2, 2], 5) == "▅▅"
    assert sparkline([], 5) == ""
    assert sparkline([1.0], 0) == ""


@pytest.mark.parametrize(("seconds", "shown"), [(7, "0:07"), (754, "12:34"), (3723, "1:02:03")])
def test_duration(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown


@pytest.mark.parametrize(
    ("share", "shown"), [(0.0, "0:12  rank"), (0.05, "0:12  rank"), (0.4, "0:12  validation 40%  ")]
)
def test_a_row_tells_what_validation_takes(share: float, shown: str) -> None:
    event = dataclasses.replace(epoch_done(1, 0.1), validation_seconds=12.3 * share)
    assert shown in epoch_row(event, "ndcg@10", None)


@pytest.mark.parametrize(("validation", "advised"), [(500.0, True), (499.0, False), (59.0, False)])
def test_validation_that_takes_longer_than_training_is_advised_on(validation: float, advised: bool) -> None:
    seconds = 1000.0 if validation > 100 else 60.0
    event = dataclasses.replace(epoch_done(1, 0.1), validation_seconds=validation, seconds=seconds)
    assert ("training.monitor_users" in validation_advice(event)) == advised
