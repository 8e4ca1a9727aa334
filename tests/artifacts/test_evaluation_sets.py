"""What evaluations are of: the model itself or one of several seeds, and whether that is still there."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from adrec_cli.artifacts.atomic import file_sha256
from adrec_cli.artifacts.evaluation_sets import find_checkpoint_place, find_replaced, find_training_seed
from tests.reporting.made_up import an_evaluation

OWN = an_evaluation("sasrec", 0.1, checkpoint="train.safetensors", path="w/reports/sasrec-train-loo-full-test.json")
SEEDED = dataclasses.replace(OWN, path="w/reports/sasrec-train-seed-43-time-sampled-99-test.json")
COUNTED = an_evaluation(
    "mostpop", 0.1, stage="", checkpoint="", checkpoint_sha256="", path="w/reports/mostpop-loo-full-test.json"
)


def test_the_file_of_an_evaluation_says_which_training_it_is_of() -> None:
    assert [find_training_seed(one) for one in (OWN, SEEDED, COUNTED)] == [None, 43, None]
    assert [find_checkpoint_place(one) for one in (OWN, SEEDED, COUNTED)] == [
        "sasrec/train.safetensors", "sasrec/seed-43/train.safetensors", "",
    ]  # fmt: skip


def test_a_checkpoint_that_is_another_or_gone_is_found(tmp_path: Path) -> None:
    (tmp_path / "sasrec/seed-43").mkdir(parents=True)
    for number, place in enumerate(map(find_checkpoint_place, (OWN, SEEDED))):
        (tmp_path / place).write_bytes(bytes([number]))
    there = [
        dataclasses.replace(one, checkpoint_sha256=file_sha256(tmp_path / find_checkpoint_place(one)))
        for one in (OWN, SEEDED)
    ]
    swapped = [
        dataclasses.replace(one, checkpoint_sha256=other.checkpoint_sha256)
        for one, other in zip(there, reversed(there), strict=True)
    ]
    gone = dataclasses.replace(there[0], checkpoint="finetune.safetensors")
    assert find_replaced(tmp_path, [*there, *swapped, gone, COUNTED]) == [*swapped, gone]
    known = {"sasrec/train.safetensors": "read by somebody"}
    assert find_replaced(tmp_path, there, known) == there[:1]
