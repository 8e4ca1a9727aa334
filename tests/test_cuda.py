"""The same models on a GPU: the same bytes each time, and but for rounding what a CPU says. Skipped without one."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import numpy as np
import pytest
import torch

from adrec_cli.artifacts.checkpoint import load_checkpoint
from adrec_cli.data.sequences import Sequences
from adrec_cli.diffusion import recording
from adrec_cli.diffusion.samplers import noise_source
from adrec_cli.errors import DivergedError
from adrec_cli.evaluating.options import EvaluationOptions
from adrec_cli.experiments.bench_options import BenchOptions
from adrec_cli.experiments.options import ExperimentOptions
from adrec_cli.experiments.work import ComputeOptions, Work
from adrec_cli.models.sampling import Sampling
from adrec_cli.models.stages import ranking_losses
from adrec_cli.pipeline.bench import bench
from adrec_cli.pipeline.evaluate import evaluate
from adrec_cli.pipeline.recommend import recommend
from adrec_cli.pipeline.train import train
from adrec_cli.ranking.protocols import select_cases
from adrec_cli.ranking.ranks import target_ranks
from adrec_cli.ranking.recorded import Recordings
from adrec_cli.ranking.rivals import Rivals
from adrec_cli.ranking.scorer import Scorer
from adrec_cli.ranking.scores import top_k
from adrec_cli.recommending.options import RecommendOptions
from adrec_cli.runtime import make_generator, resolve_device
from adrec_cli.training.loop import StageTraining
from adrec_cli.training.losses import catalogue_cross_entropy
from tests.conftest import TINY
from tests.ranking.test_fast_path import of_lengths
from tests.training.small import small_training
from tests.training.test_loop import finished, state_after
from tests.variants import TIMED, VARIANTS

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")


def training(model_name: str = "adrec", stage: str = "finetune", *, device: str = "cuda", **options) -> StageTraining:
    """A stage over small data with fresh weights."""
    return small_training(model_name, stage, device=resolve_device(device), **options)


def differing_weights(**options) -> list[str]:
    """Return names of weights that differ when a stage is trained again, or stopped and resumed."""
    first, second, interrupted, resumed = (training(**options) for _ in range(4))
    finished(first)
    finished(second)
    resumed.restore(*state_after(interrupted, 5))
    finished(resumed)
    again, gone_on = second.model.state_dict(), resumed.model.state_dict()
    assert first.device.type == "cuda"
    return [
        name
        for name, weight in first.model.state_dict().items()
        if not torch.equal(weight, again[name]) or not torch.equal(weight, gone_on[name])
    ]


@pytest.mark.parametrize("network", VARIANTS.values(), ids=VARIANTS)
def test_adrec_gives_the_same_bytes_again_and_resumed(network):
    assert differing_weights(network=network) == []


@pytest.mark.parametrize("model_name", ["sasrec", "esasrec", "bsarec", "hstu", "gru4rec", "dreamrec", "diffurec"])
def test_baselines_give_the_same_bytes_again_and_resumed(model_name):
    assert differing_weights(model_name=model_name, stage="train") == []


@pytest.mark.parametrize("model_name", TIMED)
def test_models_that_read_times_give_the_same_bytes_again_and_resumed(model_name):
    stage = "pretrain" if model_name == "adrec" else "train"
    assert differing_weights(model_name=model_name, stage=stage, network={"times": "gaps"}) == []


@pytest.mark.parametrize("shared", [True, False], ids=["shared", "own"])
@pytest.mark.parametrize("optimizer", ["adam", "sparse_adam", "rowwise_adagrad"])
@pytest.mark.parametrize("loss", [name for name in ranking_losses() if name != "ce"])
def test_drawn_negatives_give_the_same_bytes_again(loss, optimizer, shared):
    options = {"shared_negatives": shared, "negatives": 8, "negatives_power": 0.5, "logq_correction": True}
    config = {"embedding_optimizer": optimizer}
    assert differing_weights(model_name="sasrec", stage="train", config=config, ranking_loss=loss, **options) == []


@pytest.mark.parametrize(
    "options",
    [
        {"pcgrad": True},
        {"average_decay": 0.9},
        {"config": {"precision": "bf16"}},
        {"config": {"precision": "medium"}},
        {"config": {"accumulate": 3}},
        pytest.param({"config": {"compile": True}}, marks=pytest.mark.filterwarnings("ignore")),
    ],
    ids=["pcgrad", "averages", "bf16", "medium", "accumulate", "compiled"],
)
def test_ways_of_training_give_the_same_bytes_again(options):
    assert differing_weights(**options) == []


RECORDED = {name: options for name, options in VARIANTS.items() if options.get("timestep_sampling") != "loss_aware"}


@pytest.mark.parametrize("network", RECORDED.values(), ids=RECORDED)
def test_recorded_steps_are_those_that_are_launched_to_the_byte(network):
    recorded, launched = (training(network=network, stepping=way) for way in ("recorded", "queued"))
    assert [event.losses for event in finished(recorded)] == [event.losses for event in finished(launched)]
    for name, weight in launched.model.state_dict().items():
        assert torch.equal(recorded.model.state_dict()[name], weight), name


@pytest.mark.parametrize("stage", ["pretrain", "align", "finetune"])
def test_every_stage_is_recorded(stage):
    run = training(stage=stage)
    finished(run)
    assert all(shape.graph is not None for shape in run.queued._shapes.values())
    assert 1 <= len(run.queued._shapes) <= 4


def test_a_recorded_step_that_is_not_finite_changes_no_byte_and_names_the_weight():
    run = training()
    steps = [event for event, _ in zip(run.events(), range(3), strict=False)]
    assert len(steps) == 3
    run._read_all()
    with torch.no_grad():
        run.model.cam.blocks[0].expand.weight[0, 0] = float("nan")
    before = {name: weight.clone() for name, weight in run.model.state_dict().items()}
    with pytest.raises(DivergedError, match=r"weight cam\.blocks\.0\.expand\.weight is not finite"):
        finished(run)
    for name, weight in run.model.state_dict().items():
        torch.testing.assert_close(weight, before[name], rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("sampling", [Sampling(steps=1, noise="zero"), Sampling()])
@pytest.mark.parametrize("network", VARIANTS.values(), ids=VARIANTS)
def test_a_recorded_representation_is_the_one_that_is_computed(network, sampling):
    model, recordings = training(network=network).model, Recordings(resolve_device("cuda"))
    data = of_lengths([3, 4, 5, 6] * 3)
    starts, ends = data.offsets[:-1], data.offsets[1:]
    for case in range(12):
        one = slice(case, case + 1)
        options = {"output": "x_start", "sampling": sampling, "device": resolve_device("cuda")}
        (own,), (found,) = (
            next(Scorer(model=model, **options, recordings=kept).represent(data, starts[one], ends[one]))[1]
            for kept in (None, recordings)
        )
        torch.testing.assert_close(found, own, rtol=1e-4, atol=1e-5)
    assert any(made.graph is not None for made in recordings._made.values())


@pytest.mark.parametrize("model_name", TIMED)
def test_times_say_on_a_gpu_what_they_say_on_a_cpu(model_name):
    """Gaps of all sizes, and none; also where the representation is recorded."""
    stage, network = ("finetune" if model_name == "adrec" else "train"), {"times": "gaps"}
    models = {device: training(model_name, stage, device=device, network=network).model for device in ("cpu", "cuda")}
    for model in models.values():
        table_GH = model.gaps.gap_GH.data
        table_GH.copy_(torch.linspace(-2, 2, table_GH.numel()).view_as(table_GH))
    powers = 2 ** np.random.default_rng(0).integers(0, 30, sum([3, 4, 5, 6]) * 3 + 24)
    data = dataclasses.replace(of_lengths([3, 4, 5, 6] * 3), read_seconds=lambda: (powers * (powers > 2)).cumsum())
    recordings, sampling = Recordings(resolve_device("cuda")), Sampling(steps=1, noise="zero")

    def represent(case: int, device: str, recordings: Recordings | None = None) -> torch.Tensor:
        one, model = slice(case, case + 1), models[device]
        scorer = Scorer(model=model, output=model.outputs[-1], sampling=sampling, device=resolve_device(device),
                        recordings=recordings)  # fmt: skip
        return next(scorer.represent(data, data.offsets[:-1][one], data.offsets[1:][one]))[1][0].cpu()

    for case in range(12):
        own = represent(case, "cuda")
        torch.testing.assert_close(own, represent(case, "cpu"), rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(represent(case, "cuda", recordings), own, rtol=1e-4, atol=1e-5)
    assert any(made.graph is not None for made in recordings._made.values())


@pytest.mark.parametrize("noise", ["zero", "seeded"])
@pytest.mark.parametrize(
    ("name", "network"),
    [("adrec", {}), ("adrec", {"guidance": 1.0, "condition_dropout": 0.3}), ("dreamrec", {})],
    ids=["plain", "guided", "dreamrec"],
)
def test_reverse_steps_that_are_recorded_are_those_that_are_launched(name, network, noise, monkeypatch):
    stage, steps = ("finetune" if name == "adrec" else "train"), {"diffusion_steps": 20}
    model, device = training(name, stage, network=network | steps).model.eval(), resolve_device("cuda")
    data, recordings = of_lengths([1, 2, 3, 5, 8, 12, 19] * 100), []
    record = recording.record
    monkeypatch.setattr(recording, "record", lambda *given: recordings.append(record(*given)) or recordings[-1])

    def represent() -> list[torch.Tensor]:
        scorer = Scorer(model=model, output=model.outputs[-1], sampling=Sampling(noise=noise), device=device)
        return [found[0].clone() for _, found, _ in scorer.represent(data, data.offsets[:-1], data.offsets[1:])]

    recorded, again = represent(), represent()
    assert len(recordings) == 2 * len(recorded) * (1 if (name, network) == ("adrec", {}) else 2)
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: True)
    for one, other, launched in zip(recorded, again, represent(), strict=True):
        assert torch.equal(one, other)
        torch.testing.assert_close(one, launched, rtol=1e-5, atol=1e-6)


def test_what_is_recorded_for_good_outlives_recordings_that_come_and_go():
    """Also where PyTorch frees what products of their stream worked with."""
    model, device = training(network={"diffusion_steps": 20}).model.eval(), resolve_device("cuda")
    few, many = of_lengths([5]), of_lengths([5] * 40)
    options = {"model": model, "output": "x_start", "sampling": Sampling(noise="zero"), "device": device}
    kept = Scorer(**options, recordings=Recordings(device))

    def represent(scorer: Scorer, data: Sequences) -> torch.Tensor:
        return next(scorer.represent(data, data.offsets[:-1], data.offsets[1:]))[1][0].clone()

    represent(kept, few)
    first = represent(kept, few)
    for _ in range(40):
        represent(Scorer(**options), many)
    torch.cuda.empty_cache()
    assert torch.equal(represent(kept, few), first)


def test_noise_of_many_users_is_drawn_on_the_device_as_on_a_cpu():
    keys = list(range(600))

    def draws(device: str) -> list[torch.Tensor]:
        source = noise_source(
            (600, 1, 32), kind="seeded", generator=torch.Generator().manual_seed(0), keys=lambda: keys, ahead=12,
            device=torch.device(device),
        )  # fmt: skip
        return [source().cpu() for _ in range(12)]

    for found, expected in zip(draws("cuda"), draws("cpu"), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("model_name", ["sasrec", "esasrec", "gru4rec"])
def test_gradients_are_those_of_a_cpu(model_name):
    """Without dropout and negatives nothing is drawn, and all steps are those of a CPU but for rounding."""
    still = dict.fromkeys(("dropout", "embedding_dropout", "item_dropout"), 0.0)
    found, expected = (
        training(model_name, "train", device=device, network=still, ranking_loss="ce") for device in ("cuda", "cpu")
    )
    for epoch, other in zip(finished(found), finished(expected), strict=True):
        assert epoch.losses == pytest.approx(other.losses, rel=1e-4)
    for name, weight in expected.model.state_dict().items():
        torch.testing.assert_close(found.model.state_dict()[name].cpu(), weight, rtol=1e-2, atol=1e-3)


@pytest.mark.parametrize("items", [50, 70_000])
@pytest.mark.parametrize("scale", [0.01, 3.0])
def test_cross_entropy_and_its_gradients_are_exact(items, scale):
    resolve_device("cuda")
    generator = make_generator(0, "cross-entropy", items)
    predicted_ND, vectors_VD = torch.randn(1500, 32, generator=generator), torch.randn(items, 32, generator=generator)
    targets_N = torch.randint(1, items, (1500,), generator=generator)
    found = [(scale * tensor).cuda().requires_grad_() for tensor in (predicted_ND, vectors_VD)]
    expected = [(scale * tensor).double().requires_grad_() for tensor in (predicted_ND, vectors_VD)]
    loss = catalogue_cross_entropy(*found, targets_N.cuda(), first=1)
    exact = torch.nn.functional.cross_entropy(expected[0] @ expected[1][1:].T, targets_N - 1)
    loss.backward()
    exact.backward()
    assert loss.item() == pytest.approx(exact.item(), rel=1e-5)
    for tensor, other in zip(found, expected, strict=True):
        error = (tensor.grad.cpu().double() - other.grad).norm() / other.grad.norm()
        assert error < 1e-5


def test_bf16_learns_nearly_what_float32_does():
    plain, half = training(), training(config={"precision": "bf16"})
    for one, other in zip(finished(plain), finished(half), strict=True):
        assert one.losses != other.losses
        assert other.losses == pytest.approx(one.losses, rel=0.02)
    assert {tensor.dtype for tensor in half.state()[0].values()} == {torch.float32}


@pytest.mark.parametrize("sampling", [Sampling(steps=1, noise="zero"), Sampling(), Sampling(sampler="ddim", eta=0.5)])
@pytest.mark.parametrize("network", VARIANTS.values(), ids=VARIANTS)
def test_ranks_and_best_items_are_those_of_a_cpu(network, sampling):
    """Noise is drawn for a history on the CPU, so that a device changes no more than the last digits of a score."""
    if network.get("noise") == "geodesic" and sampling.sampler == "ddim":
        pytest.skip("geodesic noise has no such sampler")
    data = of_lengths([1, 2, 3, 5, 8, 12, 19] * 20)
    cases = select_cases(data, "test")
    found, best = {}, {}
    for device in ("cuda", "cpu"):
        model = training(device=device, network=network).model
        scorer = Scorer(model=model, output="x_start", sampling=sampling, device=resolve_device(device))
        found[device] = target_ranks(scorer, data, cases, Rivals(mask_seen=True))
        vectors_VD = model.item_vectors_VD().detach()
        best[device] = top_k(vectors_VD[1:9], vectors_VD, 10, [np.array([n]) for n in range(1, 9)])
    # A rank may move by one where two scores differ in their last digits only.
    assert np.abs(found["cuda"] - found["cpu"]).max() <= 1
    assert (found["cuda"] != found["cpu"]).mean() < 0.05
    for one, other in zip(best["cuda"], best["cpu"], strict=True):
        assert one.items.tolist() == other.items.tolist()
        np.testing.assert_allclose(one.scores, other.scores, rtol=1e-4, atol=1e-8)


def test_a_model_trained_there_serves_here(workspace):
    experiment, still = ExperimentOptions(overrides=TINY), Sampling(steps=1, noise="zero")

    def weights(device: str) -> dict[str, torch.Tensor]:
        options = ComputeOptions(device=device, force=True)
        return load_checkpoint(
            train("tiny", workspace=workspace, experiment=experiment, work=Work(options=options))[-1].path
        )[0]

    trained = weights("cuda")
    metrics, lists = [], []
    for device in ("cuda", "cpu"):
        evaluation = EvaluationOptions(sampling=still, device=device)
        metrics.append(evaluate("finetune", workspace=workspace, options=evaluation).metrics["ndcg@10"])
        options = RecommendOptions(sampling=still, device=device)
        lists.append(recommend(users=["u1"], workspace=workspace, options=options).results[0].items)
    assert metrics[0] == pytest.approx(metrics[1], rel=0.02)
    assert metrics[0] > 0.3
    assert [item.item_id for item in lists[0]] == [item.item_id for item in lists[1]]
    assert all(torch.equal(tensor, trained[name]) for name, tensor in weights("cuda").items())
    assert weights("cpu").keys() == trained.keys()


def test_the_bench_tells_the_memory_of_the_device(workspace):
    measured = bench("tiny", workspace=workspace, options=BenchOptions(users=20, training_seconds=0, device="cuda"))
    assert measured.device == "cuda"
    assert measured.ranking_memory > 0
    assert measured.training_memory > 0


@pytest.mark.parametrize("devices", [2])
def test_processes_that_share_a_card_write_the_bytes_of_one(workspace, devices):
    """What they move goes through the host; all that is added up is added up on the card, in the order of parts."""
    written = []
    for count in (1, devices):
        typed = [
            "train", "tiny", "--workspace", str(workspace), "--model", "sasrec", "--device", "cuda:0", "--epochs", "2",
            "--set", f"training.accumulate={devices}", "--devices", str(count), "--force", "--threads", "1",
        ]  # fmt: skip
        subprocess.run([sys.executable, "-m", "adrec_cli", *typed], check=True, timeout=300)
        written.append((workspace / "tiny" / "sasrec" / "train.safetensors").read_bytes())
    assert written[0] == written[1]
