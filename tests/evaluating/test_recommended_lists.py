"""Figures of lists are those of the best items of the whole catalogue, with or without the items of the history."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from adrec_cli.evaluating.held_out import HeldOut, prepare_held_out
from adrec_cli.evaluating.options import EvaluationOptions
from adrec_cli.evaluating.recommended_lists import list_figures
from adrec_cli.loading.opening import open_dataset
from adrec_cli.ranking.rivals import Rivals


@pytest.mark.parametrize("masked", [False, True])
def test_they_are_counted_as_one_would_by_hand(tiny_source: Path, masked: bool) -> None:
    dataset = open_dataset(tiny_source / "tiny")
    held = prepare_held_out(dataset, EvaluationOptions(), lambda event: None)
    asked = HeldOut(
        dataset=dataset, cases=held.cases, rivals=Rivals(mask_seen=masked), protocol=held.protocol
    ).first(9)  # fmt: skip
    asked = HeldOut(dataset=dataset, cases=asked.cases, rivals=Rivals(mask_seen=masked), protocol=held.protocol)
    generator = torch.Generator().manual_seed(0)
    vectors, users = torch.randn(41, 4, generator=generator), torch.randn(9, 4, generator=generator)

    def represent(sequences, starts, ends, *, turn, turns):  # type: ignore[no-untyped-def]
        assert (turn, turns) == (0, 1)
        for numbers in (np.array([0, 2, 4, 6, 8]), np.array([1, 3, 5, 7])):
            yield numbers, [users[numbers]], None

    scorer = SimpleNamespace(represent=represent, vectors_VD=vectors, merging=SimpleNamespace(merge="mean-score"))
    progress: list[tuple[int, int]] = []
    found = list_figures(scorer, asked, lambda event: progress.append((event.done, event.total)))  # type: ignore
    assert progress == [(5, 9), (9, 9)]
    counts = dict(zip(dataset.items["item_index"], dataset.items["count"], strict=True))
    lists, histories = [], []
    for case in range(9):
        history = dataset.sequences.items[asked.cases.starts[case] : asked.cases.ends[case]].tolist()
        histories.append(float(np.mean([counts[item] for item in history])))
        scores = (vectors @ users[case]).tolist()
        open_to = [item for item in range(1, 41) if not (masked and item in history)]
        lists.append(sorted(open_to, key=lambda item: -scores[item])[:10])
    assert found["coverage@10"] == pytest.approx(len({item for one in lists for item in one}) / 40)
    assert found["popularity@10"] == pytest.approx(np.mean([[counts[item] for item in one] for one in lists]))
    assert found["history_popularity"] == pytest.approx(np.mean(histories))
    assert found["target_popularity"] == pytest.approx(np.mean([counts[item] for item in asked.cases.targets.tolist()]))
