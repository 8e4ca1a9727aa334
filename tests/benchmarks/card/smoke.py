"""A first look at a card: which operator, and which part of a step, cannot be recorded."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator

import torch

from adrec_cli.diffusion.mersenne import normals
from adrec_cli.layers.lookup import lookup_sorted, multiply_lookup
from adrec_cli.models.padded_batch import PaddedBatch, planes_of
from adrec_cli.models.sampling import FAST_SAMPLING, Sampling
from adrec_cli.ranking.protocols import select_cases
from adrec_cli.ranking.recorded import Recordings
from adrec_cli.training.padded_loss import padded_cross_entropy
from tests.benchmarks.card.checks import CASES, small, weights_after
from tests.benchmarks.card.measures import one_batch, recorded_error
from tests.benchmarks.card.setting import Setting, drawn, fresh_model


def record(setting: Setting, function: Callable[[], object], generator: torch.Generator | None = None) -> str:
    """Run, record and replay a function; return "ok", or where it failed."""
    where = "run"
    try:
        function()
        setting.finished()
        if setting.device.type != "cuda":
            return "ok (run only)"
        where = "record"
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            function()
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        if generator is not None:
            graph.register_generator_state(generator)
        with torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
            function()
        where = "replay"
        graph.replay()
        setting.finished()
    except Exception:
        return f"FAILED to {where}\n{traceback.format_exc()}"
    return "ok"


def operators(setting: Setting) -> dict[str, tuple[Callable[[], object], torch.Generator | None]]:
    """The operators that a step relies on and that a processor cannot vouch for."""
    device = setting.device
    generator = torch.Generator(device).manual_seed(1)
    x = torch.randn(3000, 64, device=device, requires_grad=True)
    rows = torch.randint(0, 50, (3000,), device=device)
    table = torch.randn(50, 64, device=device, requires_grad=True)
    order = rows.argsort(stable=True)
    skip, one = torch.zeros((), device=device), torch.ones((), device=device)
    weight = torch.nn.Parameter(torch.randn(64, 64, device=device))
    rate = torch.tensor(1e-3, device=device)
    adam = torch.optim.Adam([weight], lr=rate, fused=True, capturable=device.type == "cuda")
    adam.found_inf = skip

    def step() -> None:
        weight.grad = torch.ones_like(weight)
        torch._amp_foreach_non_finite_check_and_unscale_([weight.grad, skip.view(1)], skip, one)
        adam.step()

    def drop() -> None:
        torch._fused_dropout(x, 0.9, generator)[0].sum().backward()

    found = {
        "sorted lookup": (lambda: lookup_sorted(rows, table, order).sum().backward(), None),
        "lookup by product": (lambda: multiply_lookup(rows, table).sum().backward(), None),
        "cross-entropy": (lambda: padded_cross_entropy(x, table, rows).backward(), None),
        "adam that may skip": (step, None),
        "draws": (lambda: torch.randint(32, (3000,), generator=generator, device=device), generator),
        "noise": (lambda: torch.randn(3000, 64, generator=generator, device=device), generator),
    }
    if device.type == "cuda":
        found["dropout"] = (drop, generator)
    return found


def parts_of_a_step(setting: Setting) -> dict[str, tuple[Callable[[], object], torch.Generator | None]]:
    """Forward; forward and backward; the whole step."""
    run = small(setting, stepping="queued")
    assert run.queued is not None
    queued, batch = run.queued, one_batch(run)
    planes = planes_of(batch, run.model.max_length).to(setting.device)
    padded = PaddedBatch.of_planes(planes, sequences=batch.sequences)
    run.model.train()

    def forward(output: str) -> None:
        run.model.token_outputs(padded, output=output, generator=queued.generator)

    return {
        "forward, condition": (lambda: forward("condition"), queued.generator),
        "forward, x_start": (lambda: forward("x_start"), queued.generator),
        "forward and backward": (
            lambda: run.objective.backward_unseen(padded, queued.generator, run.trained), queued.generator
        ),
        "step": (lambda: queued._step(padded), queued.generator),
    }  # fmt: skip


def serve(setting: Setting) -> Iterator[str]:
    """One user after the other, whose histories have few lengths, so that they are recorded."""
    data = drawn(60, 50, 8.0)
    model, cases = fresh_model("adrec", data.item_count, setting.device, hidden_size=32), select_cases(data, "test")
    recordings = Recordings(setting.device, padded_only=setting.device.type != "cuda")
    for sampling in (FAST_SAMPLING, Sampling(steps=4)):
        errors = [recorded_error(setting, model, data, cases, sampling, n, recordings) for n in range(60)]
        yield f"serving, {sampling.noise}: ok, largest difference {max(errors):.1e}"
    seeds = torch.arange(5, device=setting.device)
    expected = torch.stack([torch.empty(64).normal_(generator=torch.Generator().manual_seed(n)) for n in range(5)])
    error = float((next(normals(seeds, 64)).cpu() - expected).abs().max())
    yield f"normal draws: largest difference from a processor's {error:.1e}"


def smoke(setting: Setting) -> Iterator[str]:
    """Operators, parts of a step, a training launched and recorded."""
    if setting.device.type == "cuda":
        generator = torch.Generator(setting.device).manual_seed(1)
        dropped = torch._fused_dropout(torch.ones(10**6, device=setting.device), 0.9, generator)[0]
        yield f"dropout: {(dropped == 0).float().mean():.4f} dropped (0.1 is right), mean {dropped.mean():.4f} (1 is)"
    for name, (function, generator) in {**operators(setting), **parts_of_a_step(setting)}.items():
        yield f"{name}: {record(setting, function, generator)}"
    try:
        yield from serve(setting)
    except Exception:
        yield f"serving: FAILED\n{traceback.format_exc()}"
    for name in ("finetune", "pretrain", "sasrec", "padding key", "bf16", "esasrec", "gru4rec, launched"):
        for stepping in ("immediate",) if "launched" in name else ("queued", "auto"):
            try:
                weights = weights_after(small(setting, stepping=stepping, **CASES[name]))
                total = sum(float(weight.double().abs().sum()) for weight in weights.values())
                yield f"training {name}, {stepping}: ok, sum of weights {total:.12g}"
            except Exception:
                yield f"training {name}, {stepping}: FAILED\n{traceback.format_exc()}"
