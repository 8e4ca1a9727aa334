"""What is computed as for a recording says what the model says, and asks the device nothing on the way."""

from __future__ import annotations

import itertools

import pytest
import torch

from adrec_cli.models.base import SequentialRecommender
from adrec_cli.models.batch import HistoryBatch
from adrec_cli.models.sampling import FAST_SAMPLING, Sampling
from adrec_cli.ranking.recorded import Recordings, _pad
from adrec_cli.runtime import make_generator
from tests.tiers import sampled
from tests.training.small import small_training
from tests.training.test_queued_steps import Waits
from tests.variants import VARIANTS

CPU = torch.device("cpu")
SAMPLINGS = {
    "fast": FAST_SAMPLING, "seeded": Sampling(), "common": Sampling(noise="common", temperature=0.5),
    "ddim": Sampling(sampler="ddim"), "ddim, eta": Sampling(sampler="ddim", eta=0.5, steps=3),
}  # fmt: skip


def model_of(name: str = "adrec", **network) -> SequentialRecommender:
    stage = "finetune" if name == "adrec" else "train"
    return small_training(name, stage, network=network).model.eval()


def histories(lengths: list[int]) -> HistoryBatch:
    generator = torch.Generator().manual_seed(len(lengths))
    items_BL = torch.randint(1, 40, (len(lengths), max(lengths)), generator=generator)
    lengths_B = torch.tensor(lengths)
    items_BL = items_BL.masked_fill(torch.arange(max(lengths)) >= lengths_B.unsqueeze(1), 0)
    seconds_BL = torch.randint(0, 9_000, items_BL.shape, generator=generator).cumsum(dim=1)
    return HistoryBatch(
        items_BL=items_BL, lengths_B=lengths_B, whole=min(lengths) == max(lengths), seconds_BL=seconds_BL
    )


def both_ways(model, batch, output, sampling) -> tuple[torch.Tensor, torch.Tensor]:
    """The model's own, and the second answer of recordings, as the first is the model's own too."""
    recordings, options = Recordings(CPU, padded_only=True), {"output": output, "sampling": sampling}
    with torch.inference_mode():
        own = model.represent(batch, **options, generator=make_generator(0, "sampling"))
        found = [recordings.represent(model, batch, **options, generator=make_generator(0, "sampling")) for _ in "12"]
    assert found[0] is None
    return found[1], own


@sampled(
    "network,sampling",
    {
        f"{network}-{sampling}": (VARIANTS[network], SAMPLINGS[sampling])
        for network, sampling in itertools.product(VARIANTS, SAMPLINGS)
    },
    quick=[f"{network}-{sampling}" for network, sampling in zip(VARIANTS, itertools.cycle(SAMPLINGS), strict=False)],
)
def test_padded_histories_are_represented_as_they_are(network, sampling):
    if network.get("noise") == "geodesic" and (sampling.sampler == "ddim" or sampling.temperature != 1):
        pytest.skip("geodesic noise has no such sampler")
    model = model_of(**network)
    for lengths in ([1], [7], [10], [3, 9, 4]):
        for output in model.outputs:
            found, own = both_ways(model, histories(lengths), output, sampling)
            torch.testing.assert_close(found, own, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["sasrec", "esasrec", "hstu"])
@pytest.mark.parametrize("times", ["none", "gaps"])
def test_models_without_noise_are_represented_as_they_are(name, times):
    model = learned(model_of(name, times=times))
    for lengths in ([1], [5, 8]):
        found, own = both_ways(model, histories(lengths), "next_item", FAST_SAMPLING)
        torch.testing.assert_close(found, own, rtol=1e-4, atol=1e-5)


def test_a_recording_is_told_the_times_of_each_question():
    model, recordings = learned(model_of(times="gaps")), Recordings(CPU, padded_only=True)
    for times in ([0, 5, 900], [0, 0, 0], [0, 80_000, 80_001]):
        batch = HistoryBatch(
            items_BL=torch.tensor([[3, 1, 4]]), lengths_B=torch.tensor([3]), seconds_BL=torch.tensor([times])
        )
        options = {"output": "x_start", "sampling": FAST_SAMPLING}
        own = model.represent(batch, **options, generator=torch.Generator())
        found = recordings.represent(model, batch, **options, generator=torch.Generator())
        if found is not None:
            torch.testing.assert_close(found, own, rtol=1e-4, atol=1e-5)
    assert found is not None


def learned(model: SequentialRecommender) -> SequentialRecommender:
    """The model with biases of times as large as scores."""
    for part in model.gap_parts():
        for weight in part.parameters():
            weight.data = 2 * torch.randn(weight.shape, generator=make_generator(8))
    return model


def test_what_draws_for_itself_or_is_large_is_not_recorded():
    recordings, options = Recordings(CPU, padded_only=True), {"sampling": Sampling(), "generator": torch.Generator()}
    for _ in range(3):
        assert recordings.represent(model_of("dreamrec"), histories([3]), output="x_start", **options) is None
        assert recordings.represent(model_of(), histories([3] * 17), output="x_start", **options) is None
        assert Recordings(CPU).represent(model_of(), histories([3]), output="x_start", **options) is None


def test_shapes_are_few():
    shapes = {tuple(_pad(histories([n] * rows), 50).items_BL.shape) for n in range(1, 51) for rows in (1, 2, 3, 4)}
    assert len(shapes) == 7 * 3
    assert {length for _, length in shapes} == {8, 16, 24, 32, 40, 48, 50}
    whole = _pad(histories([60]), 50)
    assert whole.items_BL.shape == (1, 60)


@pytest.mark.parametrize("network", VARIANTS.values(), ids=VARIANTS)
def test_nothing_is_asked_of_the_device(network):
    model, sampling = model_of(**network), Sampling()
    padded = _pad(histories([4, 7]), 10)
    draws = model.draw_noise(padded, output="x_start", sampling=sampling, generator=torch.Generator())
    noise = [draws.draw() for _ in range(draws.count)]
    with torch.inference_mode():
        model.represent_from(padded, output="x_start", sampling=sampling, noise=iter(noise).__next__)
        with Waits() as counted:
            model.represent_from(padded, output="x_start", sampling=sampling, noise=iter(noise).__next__)
    assert counted.waits == []
