"""`adrec bench` and the arithmetic behind its shares."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from adrec_cli.data.synthetic import synthetic_sequences
from adrec_cli.errors import UsageError
from adrec_cli.experiments.bench_options import BenchOptions
from adrec_cli.models.adrec import ADRec
from adrec_cli.models.adrec_config import ADRecConfig
from adrec_cli.models.sampling import Sampling
from adrec_cli.pipeline import bench as pipeline
from adrec_cli.pipeline.bench import bench, ranking_flops, step_flops, training_flops
from adrec_cli.ranking.protocols import select_cases


@pytest.fixture(autouse=True)
def short(monkeypatch):
    monkeypatch.setattr(pipeline, "_CALLS", 3)
    monkeypatch.setattr(pipeline, "_MATRIX", 64)


def test_operations_by_hand():
    config = ADRecConfig(hidden_size=2, heads=1, cam_blocks=2, adm_blocks=2)
    # Four blocks of 12 D^2 = 48 and scores of 10 items of width 2, times two, times three.
    assert training_flops(config, 10) == 6 * (4 * 48 + 20)
    assert step_flops(config) == 2 * 2 * 48
    # Histories of 1 and 3 items: the CAM sees 4 tokens, the ADM 2, of its last block 2 D^2 = 8 each.
    assert ranking_flops(config, 10, np.array([1, 3])) == 2 * (2 * 48 * 4 + (48 + 8) * 2 + 2 * 20) + 2 * 192


def test_it_measures_a_data_set_and_writes_nothing(workspace):
    before = {path: path.read_bytes() for path in workspace.rglob("*") if path.is_file()}
    parts: list[str] = []
    measured = bench(
        "tiny", workspace=workspace, options=BenchOptions(users=20, training_seconds=0), on_part=parts.append
    )
    assert (measured.dataset, measured.items) == ("tiny", 40)
    assert [ranking.steps for ranking in measured.ranking] == [1, 32]
    for ranking in measured.ranking:
        assert 0 < ranking.p50 <= ranking.p99
        assert ranking.milliseconds_per_user > 0
        assert ranking.share_of_matrix_rate > 0
    assert measured.tokens_per_second > 0
    assert measured.training_memory is not None
    assert measured.training_memory >= measured.ranking_memory >= 0
    assert parts == ["matrix product", "ranking, 1 reverse step", "ranking, 32 reverse steps", "training"]
    assert {path: path.read_bytes() for path in workspace.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(("asked", "steps"), [(None, 7), (1, 1), (5, 5)])
def test_ranking_is_counted_by_hand_and_its_time_is_shared_out(monkeypatch, asked, steps):
    """Four users in four seconds; alone they take turns, and the first calls do not count."""
    sequences = synthetic_sequences(users=30, items=20, mean_length=6, longest=9, seed=1)
    config = ADRecConfig(hidden_size=4, heads=1, diffusion_steps=7, max_length=5)
    cases = select_cases(sequences, "test").draw(4, 0)
    clock, turns, ranked = [100.0], [], []

    def rank(scorer, sequences, cases):
        ranked.append(len(cases))
        clock[0] += len(cases)

    def time_one(scorer, sequences, cases, number):
        turns.append(number)
        return 1000.0 if len(turns) <= 20 else float(len(turns))

    monkeypatch.setattr(pipeline, "target_ranks", rank)
    monkeypatch.setattr(pipeline, "_time_one_user", time_one)
    monkeypatch.setattr(pipeline.time, "perf_counter", lambda: clock[0])
    monkeypatch.setattr(pipeline, "_CALLS", 9)
    sampling = Sampling(steps=asked)
    found = pipeline._measure_ranking(ADRec(config, 20), sequences, cases, sampling, 1e6, torch.device("cpu"))
    assert turns == [number % 4 for number in range(29)]
    assert (found.p50, found.p99) == (25, pytest.approx(28.92))
    assert ranked == [4, 4], "once to warm up"
    assert (found.steps, found.milliseconds_per_user) == (steps, 1000)
    lengths = np.minimum(cases.ends - cases.starts, 5)
    needed = ranking_flops(config, 20, lengths) + (steps - 1) * 4 * step_flops(config)
    assert found.share_of_matrix_rate == pytest.approx(needed / 4 / 1e6)


def test_nobody_cannot_be_ranked():
    with pytest.raises(UsageError, match="users= must be at least 1"):
        BenchOptions(users=0)
    assert BenchOptions(users=1).users == 1


def test_synthetic_sequences_have_the_shape_asked_for():
    sequences = synthetic_sequences(users=5000, items=300, mean_length=8, longest=40, seed=1)
    again = synthetic_sequences(users=5000, items=300, mean_length=8, longest=40, seed=1)
    assert (sequences.users, sequences.item_count) == (5000, 300)
    assert sequences.lengths.mean() == pytest.approx(8, rel=0.05)
    assert (sequences.lengths.min(), sequences.lengths.max() <= 40) == (5, True)
    assert (sequences.items.min(), sequences.items.max() <= 300) == (1, True)
    assert np.array_equal(sequences.items, again.items)
