"""What a training took, as far as its log tells."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from adrec_cli.artifacts.training_log import TrainingCosts, stage_costs

VALUES = [{"ndcg@10": 0.1}, {"ndcg@10": 0.3}, {"ndcg@10": 0.2}]


def written(folder, *, old: int = 0) -> None:
    """Write a log of three epochs, some of them without processor time."""
    rows = [{"epoch": number + 1, "valid": valid, "seconds": 2.0 + number} for number, valid in enumerate(VALUES)]
    for row in rows[old:]:
        row["processor_seconds"] = 10.0 * row["epoch"]
    (folder / "train.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))


def costs(folder, epoch: int = 2, valid=VALUES[1]):
    metadata = SimpleNamespace(epoch=epoch, metrics={"values": valid})
    return stage_costs(folder / "train.safetensors", metadata)


def test_all_epochs_count_not_only_those_up_to_the_best(tmp_path):
    written(tmp_path)
    assert costs(tmp_path) == TrainingCosts(epochs=3, seconds=9.0, processor_seconds=60.0)


@pytest.mark.parametrize("old", [1, 3])
def test_one_epoch_that_does_not_tell_leaves_processor_time_open(tmp_path, old):
    written(tmp_path, old=old)
    assert costs(tmp_path) == TrainingCosts(epochs=3, seconds=9.0, processor_seconds=None)


def test_a_log_of_another_training_or_none_tells_nothing(tmp_path):
    assert costs(tmp_path) is None
    written(tmp_path)
    assert costs(tmp_path, epoch=1) is None
    assert costs(tmp_path, epoch=4) is None
    for damaged in ("{", "[]\n", '{"epoch": 2}\n', "\xff"):
        (tmp_path / "train.jsonl").write_text(damaged, encoding="latin-1")
        assert costs(tmp_path) is None


@pytest.mark.parametrize(
    ("one", "other", "both"), [(1.5, 2.0, 3.5), (None, 2.0, None), (1.5, None, None), (0.0, 0.0, 0.0)]
)
def test_costs_add_up_unless_one_is_not_known(one, other, both):
    first, second = (TrainingCosts(epochs=n, seconds=n / 2, processor_seconds=t) for n, t in ((3, one), (5, other)))
    assert first.plus(second) == TrainingCosts(epochs=8, seconds=4.0, processor_seconds=both)
