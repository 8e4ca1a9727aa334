"""What a network takes of a machine's memory is counted to the byte."""

from __future__ import annotations

import os

import pytest
import torch

from adrec_cli.errors import UsageError
from adrec_cli.experiments.experiment import compose
from adrec_cli.experiments.memory import require_memory
from adrec_cli.models.registry import find_model

ITEMS = 50


def lend(monkeypatch: pytest.MonkeyPatch, *, four_bytes: int) -> None:
    """Let the machine have this much memory, in units of four bytes."""
    pages = {"SC_PAGE_SIZE": 4, "SC_PHYS_PAGES": four_bytes}
    monkeypatch.setattr(os, "sysconf", pages.__getitem__)


# Of what is not item vectors, then of them; in units of one process.
@pytest.mark.parametrize(
    ("optimizer", "device", "processes", "blocks", "rest", "vectors"),
    [
        ("adam", "cpu", 1, 1, 4, 4),
        ("sparse_adam", "cpu", 1, 1, 4, 3),
        ("rowwise_adagrad", "cpu", 1, 1, 4, 1),
        ("sparse_adam", "cpu", 2, 1, 8, 6),
        ("sparse_adam", "cpu", 2, 2, 8, 3),
        ("rowwise_adagrad", "cpu", 1, 4, 4, 1),
        ("adam", "cuda", 1, 1, 1, 1),
        ("sparse_adam", "cuda", 3, 1, 3, 3),
    ],
)
def test_a_network_that_just_fits_is_trained_and_one_that_does_not_is_refused(
    optimizer: str, device: str, processes: int, blocks: int, rest: int, vectors: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    overrides = {
        "model": {"hidden_size": 16},
        "training": {"embedding_optimizer": optimizer},
        "stages": {"train": {"ranking_loss": "sampled_softmax"}},
    }
    experiment = compose("sasrec", overrides=overrides)
    network = find_model("sasrec")(experiment.model, ITEMS)
    (table,) = network.item_tables()
    of_items = table.weight.numel()
    others = sum(weight.numel() for weight in network.parameters()) - of_items
    needed = rest * others + vectors * of_items
    lend(monkeypatch, four_bytes=needed)
    require_memory(experiment, ITEMS, torch.device(device), processes, blocks=blocks)
    lend(monkeypatch, four_bytes=needed - 1)
    with pytest.raises(UsageError, match="GiB at least"):
        require_memory(experiment, ITEMS, torch.device(device), processes, blocks=blocks)


@pytest.mark.parametrize(("processes", "said"), [(1, "parameters takes"), (2, "parameters in 2 processes takes")])
def test_how_many_processes_have_it_is_said(processes: int, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lend(monkeypatch, four_bytes=1)
    with pytest.raises(UsageError, match=said):
        require_memory(compose("sasrec"), 10, torch.device("cpu"), processes)
