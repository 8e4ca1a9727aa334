"""Models that read when events were: the same in training and ranking, blind to what comes later, able to learn."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from adrec_cli.data.batches import TrainingWindows, history_batches, pack_batch, training_windows
from adrec_cli.errors import InputError
from adrec_cli.models.base import SequentialRecommender
from adrec_cli.models.batch import HistoryBatch, PackedBatch
from adrec_cli.models.padded_batch import PaddedBatch, planes_of
from adrec_cli.models.sampling import FAST_SAMPLING
from adrec_cli.ranking.protocols import select_cases
from adrec_cli.runtime import make_generator
from tests.batches import epoch_batches
from tests.ranking.test_scores import asked
from tests.tiers import sampled
from tests.training.small import small_training
from tests.training.test_loop import finished, sequences
from tests.variants import TIMED, small_model

CLOSE = {"atol": 1e-5, "rtol": 1e-4}
OPTIONS = [
    *((name, {}) for name in TIMED),
    ("adrec", {"padding_key": True}),
    ("adrec", {"block": "frequency"}),
]
every_timed = pytest.mark.parametrize(("name", "options"), OPTIONS, ids=lambda value: str(value))


def timed(name: str, options: dict[str, object], times: str = "gaps") -> SequentialRecommender:
    return small_model(name, {**options, "times": times})


def row(items: list[int], seconds: list[int], more: int = 0) -> PackedBatch:
    """One sequence in one row, with some padding behind."""
    nothing = [0] * more
    return PackedBatch(
        inputs_RL=torch.tensor([items + nothing]),
        targets_RL=torch.tensor([[*items[1:], 7, *nothing]]),
        segments_RL=torch.tensor([[1] * len(items) + nothing]),
        positions_RL=torch.tensor([[*range(len(items)), *nothing]]),
        sequences=1,
        seconds_RL=torch.tensor([seconds + nothing]),
    )


def history(items: list[int], seconds: list[int], more: int = 0) -> HistoryBatch:
    nothing = [0] * more
    return HistoryBatch(
        items_BL=torch.tensor([items + nothing]),
        lengths_B=torch.tensor([len(items)]),
        seconds_BL=torch.tensor([seconds + nothing]),
    )


def represented(model: SequentialRecommender, batch: HistoryBatch, output: str) -> torch.Tensor:
    return model.represent(batch, output=output, sampling=FAST_SAMPLING, generator=torch.Generator())


ITEMS, SECONDS = [3, 1, 4, 1, 5, 9], [100, 100, 160, 4_000, 90_000, 90_007]


@every_timed
def test_a_history_is_ranked_by_what_was_trained(name, options):
    model = timed(name, options)
    output = model.outputs[0]
    for length in range(1, len(ITEMS) + 1):
        # Positions are counted from the newest, so that a history is compared with itself.
        learned = model.token_outputs(row(ITEMS[:length], SECONDS[:length], 2), output=output, generator=None)
        for more in (0, 3):
            batch = history(ITEMS[:length], SECONDS[:length], more)
            torch.testing.assert_close(represented(model, batch, output)[0], learned.predicted_ND[-1], **CLOSE)


@every_timed
def test_later_events_change_nothing_and_earlier_gaps_do(name, options):
    model = timed(name, options)
    output = model.outputs[0]

    def said(items: list[int], seconds: list[int]) -> torch.Tensor:
        return model.token_outputs(row(items, seconds), output=output, generator=None).predicted_ND

    before = said(ITEMS, SECONDS)
    later = said([*ITEMS[:4], 8, 2], [*SECONDS[:4], 500_000, 10**9])
    torch.testing.assert_close(later[:4], before[:4], **CLOSE)
    shifted = said(ITEMS, [one + 10**9 for one in SECONDS])
    torch.testing.assert_close(shifted, before, **CLOSE)
    moved = said(ITEMS, [0, *SECONDS[1:]])
    torch.testing.assert_close(moved[0], before[0], **CLOSE)
    assert ((moved[1:3] - before[1:3]).abs().amax(dim=1) > 1e-3).all(), "100 seconds instead of none"
    for output in model.outputs:
        far, near = (represented(model, history(ITEMS, [first, *SECONDS[1:]]), output) for first in (-(10**8), 0))
        assert (far - near).abs().max() > 1e-4, output


@every_timed
def test_without_anything_learned_a_model_is_that_of_none(name, options):
    plain, model = timed(name, options, "none"), timed(name, options)
    model.initialize_gaps()
    extra = {weight for weight in model.state_dict() if weight not in plain.state_dict()}
    assert extra == {"gaps.gap_GH", "gaps.distance_LH"}
    model.load_state_dict({**model.state_dict(), **plain.state_dict()})
    assert not plain.reads_times
    for output in model.outputs:
        told, untold = history(ITEMS, SECONDS), dataclasses.replace(history(ITEMS, SECONDS), seconds_BL=None)
        torch.testing.assert_close(represented(model, told, output), represented(plain, untold, output), **CLOSE)
        assert torch.equal(represented(plain, told, output), represented(plain, untold, output)), "none reads no times"


@every_timed
def test_a_batch_that_does_not_say_when_is_refused(name, options):
    model = timed(name, options)
    with pytest.raises(InputError, match="reads when events were"):
        represented(model, dataclasses.replace(history(ITEMS, SECONDS), seconds_BL=None), model.outputs[-1])
    with pytest.raises(InputError, match="reads when events were"):
        model.token_outputs(
            dataclasses.replace(row(ITEMS, SECONDS), seconds_RL=None), output=model.outputs[0], generator=None
        )


@every_timed
def test_batches_carry_the_times_of_their_events(name, options):
    """What the scorer says of many users is what the model says of each alone."""
    model, data = timed(name, options), dataclasses.replace(sequences(items=40), valid_end=sequences().lengths - 1)
    cases, output = select_cases(data, "test"), model.outputs[0]
    scorer = asked(model, output, sampling=FAST_SAMPLING)
    for numbers, (vectors_BD,), _ in scorer.represent(data, cases.starts, cases.ends):
        for number, vector_D in zip(numbers.tolist(), vectors_BD, strict=True):
            mine = slice(cases.starts[number], cases.ends[number])
            alone = history(data.items[mine].tolist(), data.seconds[mine].tolist())
            torch.testing.assert_close(represented(model, alone, output)[0], vector_D, **CLOSE)


def test_packed_batches_and_their_planes_have_the_second_of_each_input():
    data = sequences(items=40)
    # Of each event its own number: inputs and times must come from the same place.
    numbered = dataclasses.replace(data, items=np.arange(1, len(data.items) + 1, dtype=np.int32))
    windows = dataclasses.replace(training_windows(numbered, 10), seconds=data.seconds)
    for batch in epoch_batches(windows, batch_size=16, max_length=10, generator=make_generator(1)):
        expected = torch.where(batch.real_RL, torch.from_numpy(data.seconds)[batch.inputs_RL - 1], 0)
        assert torch.equal(batch.seconds_RL, expected)
        padded = PaddedBatch.of_planes(planes_of(batch, 10), sequences=batch.sequences)
        rows, used = batch.inputs_RL.shape
        assert torch.equal(padded.seconds_RL[:rows, :used], expected)
        assert int(padded.seconds_RL.sum()) == int(expected.sum())
        assert torch.equal(padded.prepend_padding().seconds_RL[:, 1:], padded.seconds_RL)
        untold = dataclasses.replace(batch, seconds_RL=None)
        assert PaddedBatch.of_planes(planes_of(untold, 10), sequences=batch.sequences).seconds_RL is None
    batches = history_batches(
        numbered.items, data.offsets[:-1], data.offsets[1:], max_length=5, batch_tokens=64, seconds=data.seconds
    )
    for _, batch in batches:
        real = batch.items_BL > 0
        assert torch.equal(batch.seconds_BL, torch.where(real, torch.from_numpy(data.seconds)[batch.items_BL - 1], 0))


@pytest.mark.parametrize("stepping", ["immediate", "queued"])
@sampled("name", TIMED, quick=["sasrec"])
def test_what_is_learned_depends_on_times(name, stepping):
    weights = []
    for factor in (1, 1, 1_000):
        stage = "pretrain" if name == "adrec" else "train"
        training = small_training(name, stage, network={"times": "gaps"}, stepping=stepping, ranking_loss="ce")
        training.windows = dataclasses.replace(training.windows, seconds=training.windows.seconds * factor)
        finished(training)
        weights.append({key: weight.clone() for key, weight in training.model.state_dict().items()})
    first, again, other = weights
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert first["gaps.gap_GH"].abs().max() > 0
    assert not torch.equal(first["gaps.gap_GH"], other["gaps.gap_GH"])


def hasty(users: int = 800) -> TrainingWindows:
    """Of three events the second is the target if the third was soon behind it, else the third."""
    random = np.random.default_rng(5)
    events = np.stack([random.permutation(40)[:4] + 1 for _ in range(users)]).astype(np.int32)
    soon = random.random(users) < 0.5
    events[:, 3] = np.where(soon, events[:, 1], events[:, 2])
    gaps = np.stack([np.full(users, 3_000), np.where(soon, 5, 90_000), np.full(users, 9)], axis=1)
    seconds = np.concatenate([np.zeros((users, 1), dtype=np.int64), gaps.cumsum(axis=1)], axis=1)
    return TrainingWindows(
        items=events.ravel(), starts=np.arange(users) * 4, lengths=np.full(users, 3), prefixes=True,
        seconds=seconds.ravel(),
    )  # fmt: skip


@sampled(
    "name,times",
    [*((name, "gaps") for name in TIMED), ("sasrec", "none")],
    quick=[("sasrec", "gaps")],
)
def test_what_hangs_on_a_gap_is_learned_with_times_alone(name, times):
    stage = "pretrain" if name == "adrec" else "train"
    training = small_training(
        name, stage, network={"times": times, "hidden_size": 32, "dropout": 0.0, "embedding_dropout": 0.0},
        config={"samples": "prefixes", "batch_size": 64}, epochs=12, learning_rate=1e-2, ranking_loss="ce",
    )  # fmt: skip
    data, fresh = hasty(), hasty(1_200)
    training.windows = dataclasses.replace(data, seconds=data.seconds if times == "gaps" else None)
    finished(training)
    model = training.model.eval()
    batch = pack_batch(fresh, np.arange(800, 1_200), 10)
    with torch.no_grad():
        said = model.token_outputs(batch, output=model.outputs[0], generator=None)
    right = (said.predicted_ND @ model.item_vectors_VD().T).argmax(dim=1) == said.targets_N
    # Without times there is a choice of two.
    least, most = (0.85, 1.0) if times == "gaps" else (0.3, 0.65)
    assert least <= float(right.float().mean()) <= most
