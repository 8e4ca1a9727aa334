"""Times of training, ranking and serving, what a step launches, and how they grow."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from adrec_cli.data.sequences import Sequences
from adrec_cli.models.base import SequentialRecommender
from adrec_cli.models.batch import PackedBatch
from adrec_cli.models.padded_batch import planes_of
from adrec_cli.models.sampling import FAST_SAMPLING, Sampling
from adrec_cli.ranking.protocols import Cases, select_cases
from adrec_cli.ranking.ranks import target_ranks
from adrec_cli.ranking.recorded import Recordings
from adrec_cli.ranking.scorer import Scorer
from adrec_cli.ranking.scores import top_k
from adrec_cli.training.events import StepDone
from adrec_cli.training.loop import StageTraining
from tests.batches import epoch_batches
from tests.benchmarks.card.setting import EVENTS, ITEMS, USERS, Setting, drawn, fresh_model, fresh_training, recording


def measure_ceilings(setting: Setting) -> Iterator[str]:
    """What the card copies and multiplies."""
    size, copied = (256, 2**16) if setting.tiny else (8192, 2**30)
    found = {}
    a = torch.empty(copied, dtype=torch.uint8, device=setting.device).random_()
    b = torch.empty_like(a)
    found["copy TB/s"] = 2 * copied / setting.milliseconds(lambda: b.copy_(a), repeats=10) / 1e9
    for name, dtype, precision in (
        ("float32", torch.float32, "highest"), ("tf32", torch.float32, "high"), ("bf16", torch.bfloat16, "highest")
    ):  # fmt: skip
        torch.set_float32_matmul_precision(precision)
        x, y = (torch.randn(size, size, device=setting.device).to(dtype) for _ in range(2))
        found[f"{name} TFLOP/s"] = 2 * size**3 / setting.milliseconds(lambda x=x, y=y: x @ y, repeats=5) / 1e9
    torch.set_float32_matmul_precision("highest")
    setting.keep("ceilings", found)
    yield ", ".join(f"{name} {value:.3g}" for name, value in found.items())


def one_batch(run: StageTraining) -> PackedBatch:
    """The first of an epoch."""
    order = torch.Generator().manual_seed(0)
    return next(
        epoch_batches(run.windows, batch_size=run.config.batch_size, max_length=run.model.max_length, generator=order)
    )


def milliseconds_of_a_batch(setting: Setting, run: StageTraining, repeats: int) -> float:
    """The same batch again and again, without loading."""
    batch = one_batch(run)
    run.model.train()
    if run.queued is None:
        on_device = batch.to(setting.device)
        return setting.milliseconds(lambda: run._step(on_device), repeats=repeats)
    queued, planes, seeds = run.queued, planes_of(batch, run.model.max_length), itertools.count()

    def step() -> None:
        queued.queue(batch, planes, seed=next(seeds), kept=0.0)
        if len(queued) > 1:
            queued.read()

    found = setting.milliseconds(step, repeats=repeats)
    queued.drop()
    return found


def milliseconds_with_loading(run: StageTraining, seconds: float) -> tuple[float, float]:
    """Of a step within whole epochs, the first epoch left out, and tokens a second."""
    until, steps, tokens, spent = time.perf_counter() + seconds, 0, 0, 0.0
    last: float | None = None
    before = 0
    for event in run.events():
        now = time.perf_counter()
        if now > until:
            break
        if not isinstance(event, StepDone):
            last = None
            continue
        if event.epoch > 1 or time.perf_counter() > until - seconds / 2:
            if last is not None:
                spent, steps, tokens = spent + now - last, steps + 1, tokens + run.position.tokens - before
            last, before = now, run.position.tokens
    run._read_all()
    return 1000 * spent / max(steps, 1), tokens / max(spent, 1e-9)


def measure_training(setting: Setting) -> Iterator[str]:
    """A batch of 512 in all stages, graphs off and on, and larger batches."""
    found: dict[str, Any] = {}
    repeats, seconds = (2, 0.5) if setting.tiny else (40, 2.5)
    for stage, ways in (
        ("finetune", ("immediate", "queued", recording(setting))), ("pretrain", (recording(setting),)),
        ("align", (recording(setting),)),
    ):  # fmt: skip
        for way in ways:
            same = milliseconds_of_a_batch(setting, fresh_training(setting, stage=stage, stepping=way), repeats)
            loaded, rate = milliseconds_with_loading(fresh_training(setting, stage=stage, stepping=way), seconds)
            found[f"{stage} {way}"] = {"same": same, "loaded": loaded, "tokens/s": rate}
            setting.keep("training", found)
            yield f"{stage:9} {way:10} {same:7.2f} ms the same batch, {loaded:7.2f} loaded, {rate / 1e3:8.0f}k tokens/s"
    for size in (64,) if setting.tiny else (2048, 8192):
        data = setting.baby() if setting.tiny else drawn(8 * size, ITEMS, EVENTS / USERS)
        for way in ("immediate", recording(setting)):
            run = fresh_training(setting, sequences=data, stepping=way, config={"batch_size": size})
            same = milliseconds_of_a_batch(setting, run, max(2, repeats // 4))
            tokens = one_batch(run).targets
            run = fresh_training(setting, sequences=data, stepping=way, config={"batch_size": size})
            loaded, rate = milliseconds_with_loading(run, seconds)
            found[f"{size} {way}"] = {
                "same": same,
                "loaded": loaded,
                "tokens/s": rate,
                "same tokens/s": 1e3 * tokens / same,
            }
            setting.keep("training", found)
            yield (
                f"batch {size:5} {way:10} {same:7.2f} ms ({tokens / same / 1e3:.2f}M tokens/s) the same batch, "
                f"{loaded:7.2f} ms loaded, {rate / 1e6:.2f}M tokens/s"
            )


def measure_other_models(setting: Setting) -> Iterator[str]:
    """SASRec with graphs, and models whose operators are launched one by one."""
    found = {}
    for model in ("sasrec", "esasrec", "gru4rec"):
        run = fresh_training(setting, model, "train")
        found[model] = milliseconds_of_a_batch(setting, run, 2 if setting.tiny else 20)
        yield f"{model}: {found[model]:.2f} ms the same batch, {'launched' if run.queued is None else 'queued'}"
    setting.keep("other models", found)


def profiled(setting: Setting, run: StageTraining, steps: int) -> dict[str, Any]:
    """What steps launch, and how long the card works of the time they take."""
    batch = one_batch(run)
    run.model.train()
    planes, seeds = planes_of(batch, run.model.max_length), itertools.count()
    on_device = batch.to(setting.device)

    def step() -> None:
        if run.queued is None:
            run._step(on_device)
        else:
            run.queued.queue(batch, planes, seed=next(seeds), kept=0.0)
            run.queued.read()

    for _ in range(3):
        step()
    setting.finished()
    kinds = [torch.profiler.ProfilerActivity.CPU]
    if setting.device.type == "cuda":
        kinds.append(torch.profiler.ProfilerActivity.CUDA)
    with torch.profiler.profile(activities=kinds) as profile:
        started = time.perf_counter()
        for _ in range(steps):
            step()
        setting.finished()
        seconds = time.perf_counter() - started
    kernels = [event for event in profile.events() if event.device_type == torch.autograd.DeviceType.CUDA]
    busy = sum(event.time_range.elapsed_us() for event in kernels)
    rows = profile.key_averages()
    launches = {
        row.key: row.count / steps for row in rows if row.key.startswith(("cudaLaunch", "cudaGraphLaunch", "cuLaunch"))
    }
    by_time: dict[str, list[float]] = {}
    for event in kernels:
        entry = by_time.setdefault(event.name[:90], [0, 0.0])
        entry[0] += 1 / steps
        entry[1] += event.time_range.elapsed_us() / steps
    top = sorted(by_time.items(), key=lambda item: -item[1][1])[:25]
    return {
        "launches a step": launches, "kernels a step": len(kernels) / steps, "kernel us a step": busy / steps,
        "wall us a step": 1e6 * seconds / steps, "share": busy / 1e6 / seconds, "top": top,
    }  # fmt: skip


def measure_profile(setting: Setting) -> Iterator[str]:
    """Graphs off and on, and what takes the card's time."""
    found = {}
    for way in ("immediate", "queued", recording(setting)):
        found[way] = profiled(setting, fresh_training(setting, stepping=way), 2 if setting.tiny else 8)
        setting.keep("profile", found)
        one = found[way]
        yield (
            f"{way}: {one['kernels a step']:.0f} kernels, {one['kernel us a step']:.0f} us of "
            f"{one['wall us a step']:.0f} ({one['share']:.0%}); launches {one['launches a step']}"
        )
    for name, (count, microseconds) in found[way]["top"]:
        yield f"  {microseconds:7.1f} us {count:6.1f}x {name}"


def ranking_seconds(setting: Setting, model: SequentialRecommender, data: Sequences, sampling: Sampling) -> float:
    """Of all test targets, the second time."""
    cases = select_cases(data, "test")
    scorer = Scorer(model=model, output="x_start", sampling=sampling, device=setting.device)
    spent = 0.0
    for _ in range(3):
        setting.finished()
        started = time.perf_counter()
        target_ranks(scorer, data, cases)
        spent = time.perf_counter() - started
    return spent / len(cases)


def measure_evaluation(setting: Setting) -> Iterator[str]:
    """Milliseconds a user, at 32 steps and at one."""
    data, found = setting.baby(), {}
    model = fresh_model("adrec", data.item_count, setting.device, **({"hidden_size": 16} if setting.tiny else {}))
    for name, sampling in (
        ("32 steps", Sampling()), ("32 steps, common", Sampling(noise="common")), ("one step", FAST_SAMPLING),
    ):  # fmt: skip
        found[name] = 1000 * ranking_seconds(setting, model, data, sampling)
        setting.keep("evaluation", found)
        yield f"{name}: {found[name]:.4f} ms a user"


def one_user(
    setting: Setting,
    model: SequentialRecommender,
    data: Sequences,
    cases: Cases,
    sampling: Sampling,
    number: int,
    recordings: Recordings | None,
) -> float:
    """Milliseconds until one user has the best items."""
    one = slice(number, number + 1)
    started = time.perf_counter()
    scorer = Scorer(model=model, output="x_start", sampling=sampling, device=setting.device, recordings=recordings)
    for _, (representation_BD,), bias in scorer.represent(data, cases.starts[one], cases.ends[one]):
        seen = np.unique(data.items[cases.starts[number] : cases.ends[number]]).astype(np.int64)
        top_k(representation_BD, model.item_vectors_VD().detach(), 10, [seen], bias=bias)
    return 1000 * (time.perf_counter() - started)


def measure_serving(setting: Setting) -> Iterator[str]:
    """Of one user at a time, without and with recordings, which must say the same."""
    data, found = setting.baby(), {}
    cases, calls = select_cases(data, "test"), 5 if setting.tiny else 300
    model = fresh_model("adrec", data.item_count, setting.device, **({"hidden_size": 16} if setting.tiny else {}))
    for name, sampling in (("one step", FAST_SAMPLING), ("32 steps", Sampling())):
        recordings = Recordings(setting.device, padded_only=setting.device.type != "cuda")
        for way, kept in (("launched", None), ("recorded", recordings)):
            some = calls if kept is not None or name == "one step" else calls // 5
            # Enough of them before to have seen, and recorded, every length.
            before = 3 * some
            times = [
                one_user(setting, model, data, cases, sampling, n % len(cases), kept) for n in range(before + some)
            ]
            p50, p99 = np.percentile(times[before:], [50, 99])
            found[f"{name}, {way}"] = {"p50": float(p50), "p99": float(p99)}
            setting.keep("serving", found)
            yield f"{name}, {way}: p50 {p50:.2f}, p99 {p99:.2f} ms"
        error = max(recorded_error(setting, model, data, cases, sampling, n, recordings) for n in range(calls // 5))
        found[f"{name}, error"] = error
        yield f"{name}: recorded differs from launched by {error:.1e}"


def recorded_error(
    setting: Setting,
    model: SequentialRecommender,
    data: Sequences,
    cases: Cases,
    sampling: Sampling,
    number: int,
    recordings: Recordings,
) -> float:
    """The largest difference of an entry of one user's representation."""
    one, found = slice(number, number + 1), []
    for kept in (None, recordings):
        scorer = Scorer(model=model, output="x_start", sampling=sampling, device=setting.device, recordings=kept)
        for _, (representation_BD,), _ in scorer.represent(data, cases.starts[one], cases.ends[one]):
            found.append(representation_BD)
    return float((found[0] - found[1]).abs().max())


def measure_precision(setting: Setting) -> Iterator[str]:
    """float32, tf32 and bf16 at D 512, at two sizes of batches."""
    found = {}
    sizes = {"hidden_size": 32} if setting.tiny else {"hidden_size": 512}
    for batch in (32,) if setting.tiny else (512, 4096):
        for precision in ("float32", "medium", "bf16"):
            config = {"precision": precision, "batch_size": batch}
            run = fresh_training(setting, stepping=recording(setting), network=sizes, config=config)
            found[f"{precision} {batch}"] = milliseconds_of_a_batch(setting, run, 2 if setting.tiny else 15)
            setting.keep("precision at D 512", found)
            spent = found[f"{precision} {batch}"]
            yield f"batch {batch}, {precision}: {spent:.2f} ms, {found[f'float32 {batch}'] / spent:.2f}x"


def measure_growth(setting: Setting) -> Iterator[str]:
    """Over batch, D, L and V, one at a time."""
    found: dict[str, float] = {}
    curves: dict[str, tuple[int, ...]] = {
        "batch": (128, 1024, 4096, 16384), "D": (64, 256, 512), "L": (20, 100, 200), "V": (50_000, 200_000, 500_000),
    }  # fmt: skip
    if setting.tiny:
        curves = {"batch": (16, 64), "D": (16, 32), "L": (5, 20), "V": (50, 200)}
    for name, values in curves.items():
        for value in values:
            if setting.left < 15:
                yield "no time for more"
                return
            users, items = (200, 80) if setting.tiny else (20_000, ITEMS)
            data = drawn(users, value if name == "V" else items, 7.9 if name != "L" else 5 + 0.7 * value)
            network = {"D": {"hidden_size": value}, "L": {"max_length": value}}.get(name, {})
            config = {"batch_size": value} if name == "batch" else {}
            run = fresh_training(setting, sequences=data, stepping=recording(setting), network=network, config=config)
            tokens = one_batch(run).targets
            found[f"{name} {value}"] = milliseconds_of_a_batch(setting, run, 2 if setting.tiny else 8)
            setting.keep("growth", found)
            one = found[f"{name} {value}"]
            yield f"{name} {value}: {one:.2f} ms, {tokens / one / 1e3:.2f}M tokens/s"
