"""`adrec bench`: how quick ADRec is on this machine, and how near to what its matrix products alone would take."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from adrec_cli.artifacts.workspace import Workspace
from adrec_cli.data.batches import training_windows
from adrec_cli.data.sequences import Sequences
from adrec_cli.data.synthetic import synthetic_sequences
from adrec_cli.experiments.bench_options import BenchOptions
from adrec_cli.loading.opening import open_dataset
from adrec_cli.models.adrec import ADRec
from adrec_cli.models.adrec_config import ADRecConfig
from adrec_cli.models.sampling import FAST_SAMPLING, Sampling
from adrec_cli.models.stages import TrainingConfig
from adrec_cli.ranking.protocols import Cases, select_cases
from adrec_cli.ranking.ranks import target_ranks
from adrec_cli.ranking.scorer import Scorer
from adrec_cli.ranking.scores import top_k
from adrec_cli.runtime import make_generator, read_peak_memory, resolve_device, set_threads
from adrec_cli.training.events import StepDone
from adrec_cli.training.loop import StageTraining

SYNTHETIC = "synthetic"
_USERS, _ITEMS, _EVENTS = 11_761, 4_731, 92_823
"""The shape of the paper's Amazon Baby."""
_CALLS, _K = 200, 10
_MATRIX = 2_048
_WARMUP_STEPS = 2


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """Full ranking at some number of reverse steps.

    Attributes:
        milliseconds_per_user: of many users ranked together.
        share_of_matrix_rate: of the time, what the needed matrix products would take at the measured rate.
        p50, p99: milliseconds until one user has the ten best items, asked for alone.
    """

    steps: int
    milliseconds_per_user: float
    share_of_matrix_rate: float
    p50: float
    p99: float


@dataclass(frozen=True, kw_only=True)
class Bench:
    """What was measured.

    Attributes:
        matrix_gflops: measured rate of a large float32 matrix product, in 10^9 operations a second.
        tokens_per_second: of the stage finetune, median over its steps.
        share_of_matrix_rate: of the training.
        ranking: at one step of zero noise and at all steps of seeded noise.
        ranking_memory, training_memory: MiB taken at the peak above what was taken before; None where the system does
            not tell. On CUDA of the device's memory, each by itself; else of the process's, ranking first.
    """

    dataset: str
    users: int
    items: int
    events: int
    device: str
    threads: int
    torch_version: str
    matrix_gflops: float
    tokens_per_second: float
    share_of_matrix_rate: float
    ranking: list[Ranking]
    ranking_memory: float | None
    training_memory: float | None


def bench(
    dataset_name: str | None = None,
    *,
    workspace: Path,
    options: BenchOptions = BenchOptions(),
    on_part: Callable[[str], None] = lambda part: None,
) -> Bench:
    """Measure ADRec with the defaults of the paper and fresh weights; nothing is written.

    Args:
        dataset_name: a data set of the workspace; None draws one of the shape of Amazon Baby.
        workspace: where data sets are.
        options: on what, and how long.
        on_part: called with the name of what is measured next.

    Raises:
        ArtifactError: no such data set, or a damaged one.
        InputError: it has nothing to rank.
    """
    threads, device = set_threads(options.threads), resolve_device(options.device)
    sequences = _read_sequences(dataset_name, workspace)
    config = ADRecConfig()
    model = ADRec(config, sequences.item_count)
    for component in model.components():
        model.initialize(component, make_generator(0, component))
    model.to(device)
    cases = select_cases(sequences, "test").draw(options.users, 0)
    on_part("matrix product")
    rate = _measure_matrix_rate(device)
    before = _read_mebibytes(device)
    ranking = []
    for sampling in (FAST_SAMPLING, Sampling()):
        steps = sampling.steps or config.diffusion_steps
        on_part(f"ranking, {steps} reverse step{'s'[: steps > 1]}")
        ranking.append(_measure_ranking(model, sequences, cases, sampling, rate, device))
    ranked = _read_peak_mebibytes(device)
    on_part("training")
    tokens = _measure_training(model, sequences, options.training_seconds, device)
    trained = _read_peak_mebibytes(device)
    return Bench(
        dataset=dataset_name or SYNTHETIC,
        users=sequences.users,
        items=sequences.item_count,
        events=len(sequences.items),
        device=device.type,
        threads=threads,
        torch_version=torch.__version__,
        matrix_gflops=rate / 1e9,
        tokens_per_second=tokens,
        share_of_matrix_rate=tokens * training_flops(config, sequences.item_count) / rate,
        ranking=ranking,
        ranking_memory=None if before is None or ranked is None else ranked - before,
        training_memory=None if before is None or trained is None else trained - before,
    )


def training_flops(config: ADRecConfig, items: int) -> float:
    """Return the operations a token needs in training: forward, and twice that backward; attention itself is small."""
    blocks = 12 * config.hidden_size**2 * (config.cam_blocks + config.adm_blocks)
    return 6 * (blocks + config.hidden_size * items)


def ranking_flops(config: ADRecConfig, items: int, lengths: np.ndarray[tuple[int], np.dtype[np.int64]]) -> float:
    """Return the operations without which one step cannot rank users whose histories have these lengths.

    The CAM sees every token; the ADM every one but the last, of its last block only keys and values; each step one
    token more (`step_flops`); and every item is scored.
    """
    square = config.hidden_size**2
    tokens, users = int(lengths.sum()), len(lengths)
    history = 12 * square * config.cam_blocks * tokens + (12 * (config.adm_blocks - 1) + 2) * square * (tokens - users)
    return 2 * (history + users * config.hidden_size * items) + users * step_flops(config)


def step_flops(config: ADRecConfig) -> float:
    """Return the operations of one reverse step of one user."""
    return 2 * 12 * config.hidden_size**2 * config.adm_blocks


def _read_sequences(dataset_name: str | None, workspace: Path) -> Sequences:
    if dataset_name is not None:
        return open_dataset(Workspace(workspace).dataset_folder(dataset_name)).sequences
    return synthetic_sequences(users=_USERS, items=_ITEMS, mean_length=_EVENTS / _USERS)


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _measure_matrix_rate(device: torch.device) -> float:
    """Return operations a second of a large float32 matrix product, the best of some."""
    generator = make_generator(0, "matrix", device=device)
    a, b = (torch.randn(_MATRIX, _MATRIX, generator=generator, device=device) for _ in range(2))
    out = torch.empty_like(a)
    best = float("inf")
    for _ in range(12):
        started = time.perf_counter()
        torch.mm(a, b, out=out)
        _wait_for(device)
        best = min(best, time.perf_counter() - started)
    return 2 * _MATRIX**3 / best


def _measure_ranking(
    model: ADRec, sequences: Sequences, cases: Cases, sampling: Sampling, rate: float, device: torch.device
) -> Ranking:
    scorer = Scorer(model=model, output="x_start", sampling=sampling, device=device)

    def seconds(cases: Cases) -> float:
        started = time.perf_counter()
        target_ranks(scorer, sequences, cases)
        return time.perf_counter() - started

    seconds(cases.draw(256, 0))
    spent = seconds(cases)
    steps = sampling.steps or model.config.diffusion_steps
    lengths = np.minimum(cases.ends - cases.starts, model.max_length)
    needed = ranking_flops(model.config, sequences.item_count, lengths)
    needed += (steps - 1) * len(cases) * step_flops(model.config)
    alone = [_time_one_user(scorer, sequences, cases, number % len(cases)) for number in range(_CALLS + 20)]
    p50, p99 = np.percentile(alone[20:], [50, 99])
    return Ranking(
        steps=steps,
        milliseconds_per_user=1000 * spent / len(cases),
        share_of_matrix_rate=needed / rate / spent,
        p50=float(p50),
        p99=float(p99),
    )


def _time_one_user(scorer: Scorer, sequences: Sequences, cases: Cases, number: int) -> float:
    """Return the milliseconds until one user has the best items."""
    one = slice(number, number + 1)
    started = time.perf_counter()
    for _, (representation_BD,), bias in scorer.represent(sequences, cases.starts[one], cases.ends[one]):
        seen = np.unique(sequences.items[cases.starts[number] : cases.ends[number]]).astype(np.int64)
        top_k(representation_BD, scorer.vectors_VD, _K, [seen], bias=bias)
    return 1000 * (time.perf_counter() - started)


def _measure_training(model: ADRec, sequences: Sequences, limit: float, device: torch.device) -> float:
    """Return tokens a second of the stage finetune, the median over its steps."""
    training = StageTraining(
        name="finetune", stage=ADRec.stages["finetune"], config=TrainingConfig(), model=model,
        windows=training_windows(sequences, model.max_length), validate=dict, device=device,
    )  # fmt: skip
    started = time.perf_counter()
    rates: list[float] = []
    for event in training.events():
        if isinstance(event, StepDone):
            rates.append(event.tokens_per_second)
        if len(rates) > _WARMUP_STEPS and time.perf_counter() - started > limit:
            break
    return float(np.median(rates[_WARMUP_STEPS:] or rates))


def _read_mebibytes(device: torch.device) -> float | None:
    """Return what is taken before anything is measured, and have peaks on CUDA count from here."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return torch.cuda.memory_allocated(device) / 2**20
    return _read_peak_mebibytes(device)


def _read_peak_mebibytes(device: torch.device) -> float | None:
    """Return the most memory that was taken so far, on CUDA since it was last asked; None where nothing tells."""
    if device.type == "cuda":
        peak = torch.cuda.max_memory_allocated(device) / 2**20
        torch.cuda.reset_peak_memory_stats(device)
        return peak
    return read_peak_memory()
