"""When a training warns, and that it counts time from where an epoch began."""

from __future__ import annotations

import dataclasses
import itertools
import math
import time
from types import SimpleNamespace

import pytest
import torch

from adrec_cli.diagnostics.spread import embedding_variance
from adrec_cli.training.diagnostics import EmbeddingHealth, LossWatch, embedding_health
from adrec_cli.training.epoch_times import EpochTimes, EpochWatch
from adrec_cli.training.events import EpochDone, StepDone
from tests.training.small import small_training

HEALTHY = EmbeddingHealth(
    effective_rank=20.0, mean_cosine=0.1, embedding_variance=1.0, singular_value_entropy=1.0, isotropy=0.5, full_rank=64
)


@pytest.mark.parametrize(
    ("changes", "warned"),
    [
        ({}, ""),
        ({"mean_cosine": 0.9}, ""),
        ({"mean_cosine": 0.901}, "mean cosine 0.901"),
        ({"effective_rank": 3.2}, ""),
        ({"effective_rank": 3.1}, "effective rank 3.10 of 64"),
        ({"effective_rank": 1.5, "full_rank": 10}, ""),
        ({"effective_rank": 1.4, "full_rank": 10}, "effective rank 1.40 of 10"),
        ({"effective_rank": 1.4, "full_rank": 3}, "effective rank 1.40 of 3"),
        ({"effective_rank": 1.0, "full_rank": 2}, ""),
    ],
)
def test_collapse_is_warned_of_from_where_it_says(changes, warned):
    warning = dataclasses.replace(HEALTHY, **changes).warning
    assert warned in warning
    assert bool(warning) == bool(warned)


@pytest.mark.parametrize(("steps", "loss", "warned"), [(10, 10.0, ""), (10, 10.4, "5.2 times"), (9, 100.0, "")])
def test_an_explosion_is_told_once_from_where_it_says(steps, loss, warned):
    """More than five times the lowest average, which there is after ten steps."""
    watch = LossWatch()
    assert {watch.observe(2.0) for _ in range(steps)} == {""}
    told = watch.observe(loss)
    assert warned in told
    assert bool(told) == bool(warned)
    if warned:
        assert watch.observe(loss) == "", "once"


def test_a_large_multiple_of_next_to_nothing_is_no_explosion():
    watch = LossWatch()
    assert {watch.observe(loss) for loss in [2.0] * 10 + [1e-9] * 500} == {""}
    assert watch.observe(0.09) == ""
    assert "0.11" in watch.observe(0.11)


@pytest.mark.parametrize(("items", "step"), [(7, 1), (4_096, 1), (4_097, 2), (8_192, 2), (8_193, 3)])
def test_so_many_items_are_measured_at_most_and_padding_is_not(items, step):
    vectors_VD = torch.randn(items + 1, 4, generator=torch.Generator().manual_seed(1))
    vectors_VD[0] = 1e6
    found = embedding_health(vectors_VD)
    assert found.embedding_variance == pytest.approx(embedding_variance(vectors_VD[1::step].double()), rel=1e-12)
    assert found.full_rank == 4


def test_an_epoch_is_timed_from_its_beginning(monkeypatch):
    clock, processor = itertools.count(100.0, 10.0), itertools.count(7.0, 3.0)
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    monkeypatch.setattr(time, "process_time", lambda: next(processor))
    watch = EpochWatch()
    watch.end_training()
    assert watch.train_seconds == 10.0
    assert watch.times() == EpochTimes(seconds=20.0, validation_seconds=10.0, processor_seconds=3.0)


def test_a_notice_belongs_to_the_epoch_that_begins():
    run = small_training("sasrec")
    run.notice = "recorded steps are left out"
    first = next(iter(run.events()))
    assert (first.epoch, first.message) == (1, "train epoch 1: recorded steps are left out")


@pytest.mark.parametrize("stepping", ["immediate", "queued"])
def test_losses_told_are_means_over_the_targets_of_the_epoch(stepping):
    """At every step of those so far, each weighted by its targets."""
    run = small_training("sasrec", stepping=stepping, epochs=1)
    total, targets, seen, last = 0.0, 0, [], {}
    count_step = run._count_step

    def counted(values, tokens):
        nonlocal total, targets
        total, targets = total + values["ce"] * tokens, targets + tokens
        seen.append(total / targets)
        count_step(values, tokens)

    run._count_step = counted
    told = []
    for event in run.events():
        if isinstance(event, StepDone):
            told.append(event.losses["ce"])
        elif isinstance(event, EpochDone):
            last = event.losses
    assert told == pytest.approx(seen)
    assert last["ce"] == pytest.approx(seen[-1])
    assert 1 < last["ce"] < 5, "no sum: forty items are guessed at 3.7"


@pytest.mark.parametrize("stepping", ["immediate", "queued"])
def test_every_stepping_follows_the_schedule_of_the_learning_rate(stepping):
    run = small_training("sasrec", stepping=stepping, epochs=4, learning_rate=0.01, learning_rate_schedule="cosine")
    rates = []
    for event in run.events():
        if isinstance(event, EpochDone):
            rates += [float(group["lr"]) for group in run.optimizer.param_groups]
    expected = [0.005 * (1 + math.cos(math.pi * epoch / 4)) for epoch in range(4)]
    assert rates == pytest.approx(expected)


@pytest.mark.parametrize("stepping", ["immediate", "queued"])
def test_however_a_validation_leaves_the_model_every_step_trains_it(stepping):
    """No layer of adrec's own asks, but one of a model from outside may, as torch's dropout does."""
    run = small_training("sasrec", stepping=stepping, epochs=3)
    modes, outputs_of = [], run.model.token_outputs

    def token_outputs(batch, **options):
        modes.append(run.model.training)
        return outputs_of(batch, **options)

    run.model.token_outputs = token_outputs
    run.validate = lambda: {"ndcg@10": float(run.model.eval().training)}
    run.model.eval()
    list(run.events())
    assert len(modes) > 3
    assert all(modes)


@pytest.mark.parametrize("stepping", ["immediate", "queued"])
def test_of_each_step_the_loss_that_was_lowered_and_the_speed_are_told(stepping, monkeypatch):
    run = small_training("adrec", "finetune", stepping=stepping, ranking_loss="ce", ce_weight=2.0, mse_weight=3.0)
    counted: list[tuple[float, int]] = []
    told: list[tuple[float, float]] = []
    count, tell = run._count_step, run._tell_step

    def count_and_note(values, targets):
        counted.append((2.0 * values["ce"] + 3.0 * values["mse"], targets))
        count(values, targets)

    def tell_and_note(loss, rate):
        told.append((loss, rate))
        return tell(loss, rate)

    monkeypatch.setattr(run, "_count_step", count_and_note)
    monkeypatch.setattr(run, "_tell_step", tell_and_note)
    clock = itertools.count(start=100.0, step=0.3)
    monkeypatch.setattr("adrec_cli.training.loop.time", SimpleNamespace(perf_counter=lambda: next(clock)))
    list(run.events())
    assert [loss for loss, _ in told] == pytest.approx([loss for loss, _ in counted])
    for (_, rate), (_, targets) in zip(told, counted, strict=True):
        # One or two looks at the clock, three tenths of a second apart.
        assert targets / rate == pytest.approx(0.3, rel=1e-6) or targets / rate == pytest.approx(0.6, rel=1e-6)
