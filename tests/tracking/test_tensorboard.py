"""TensorBoard's own reader finds what was logged."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adrec_cli.artifacts.atomic import file_sha256
from adrec_cli.errors import InterruptedRun
from adrec_cli.tracking.tracked import TrackedTraining
from adrec_cli.training.events import EpochDone
from tests.tracking.conftest import Train

accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")


def read(folder: Path) -> Any:
    read = accumulator.EventAccumulator(str(folder), size_guidance={accumulator.TENSORS: 0, accumulator.SCALARS: 0})
    return read.Reload()


def text(found: Any, name: str) -> str:
    return str(found.Tensors(f"{name}/text_summary")[-1].tensor_proto.string_val[0].decode())


def test_losses_metrics_and_checkpoint_are_there(tracked: Train, tmp_path: Path) -> None:
    events: list[object] = []
    result = tracked(f"tensorboard:{tmp_path / 'runs'}", events=events)
    epochs = [event for event in events if isinstance(event, EpochDone)]
    (folder,) = (tmp_path / "runs/tiny/sasrec").iterdir()
    found = read(folder)
    for name, values in {
        "loss/ce": [epoch.losses["ce"] for epoch in epochs],
        "valid/ndcg@10": [epoch.valid["ndcg@10"] for epoch in epochs],
        "items/effective_rank": [epoch.effective_rank for epoch in epochs],
    }.items():
        assert [(one.step, one.value) for one in found.Scalars(name)] == [
            (number + 1, pytest.approx(value, rel=1e-6)) for number, value in enumerate(values)
        ]
    assert '"hidden_size": 8' in text(found, "options")
    assert result.metadata.sequences_sha256 in text(found, "facts")
    assert file_sha256(result.path) in text(found, "checkpoint")


def test_a_resumed_training_goes_on_in_the_same_curve(tracked: Train, tmp_path: Path) -> None:
    asked = f"tensorboard:{tmp_path / 'runs'}"
    with pytest.raises(InterruptedRun):
        tracked(asked, stop_after=2)
    tracked(asked, resume="require")
    (folder,) = (tmp_path / "runs/tiny/sasrec").iterdir()
    assert [one.step for one in read(folder).Scalars("loss/ce")] == [1, 2, 3, 4]


def test_what_was_written_after_the_state_is_written_again_once(tmp_path: Path, tracked: Train) -> None:
    """As where a process is killed some epochs after its last save."""
    from adrec_cli.tracking.tensorboard import TensorBoard

    events: list[object] = []
    result = tracked(events=events)
    epochs = [event for event in events if isinstance(event, EpochDone)]
    training = TrackedTraining(
        id="abc",
        path=result.path,
        resumed_epoch=None,
        device="cpu",
        metadata=result.metadata,
        place=str(tmp_path / "r"),
    )
    killed = TensorBoard(training)
    for epoch in epochs[:3]:
        killed(epoch)
    resumed = TensorBoard(replace(training, resumed_epoch=1))
    for epoch in epochs[1:]:
        resumed(epoch)
    found = read(tmp_path / "r/tiny/sasrec/train-abc")
    assert [one.step for one in found.Scalars("loss/ce")] == [1, 2, 3, 4]


def test_a_place_that_cannot_be_written_ends_no_training(tracked: Train, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert tracked(f"tensorboard:{tmp_path / 'file'}").path.is_file()
