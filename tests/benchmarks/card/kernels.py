"""What compiled steps gain, and other people's kernels for cross-entropy beside ours.

The others are measured where they are installed: pip install --no-deps liger-kernel cut-cross-entropy
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from typing import Any

import torch

from adrec_cli.training.losses import catalogue_cross_entropy
from adrec_cli.training.padded_loss import padded_cross_entropy
from tests.benchmarks.card.measures import milliseconds_of_a_batch, milliseconds_with_loading, one_batch
from tests.benchmarks.card.setting import EVENTS, ITEMS, USERS, Setting, drawn, fresh_training, recording

Loss = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
WIDTH = 128
_SECONDS_TO_COMPILE = 120.0
_LIGER_ROWS = 1024
"""Rows of logits that Liger is to hold at once; by itself it would hold two with 200,000 items of width 128."""


def measure_compiled(setting: Setting) -> Iterator[str]:
    """Large batches with `--compile`, which is what takes most of the time here."""
    if setting.left < _SECONDS_TO_COMPILE and not setting.tiny:
        yield "no time"
        return
    found: dict[str, Any] = {}
    for precision in ("medium", "float32"):
        for size in (64,) if setting.tiny else (8192, 2048):
            data = setting.baby() if setting.tiny else drawn(8 * size, ITEMS, EVENTS / USERS)
            config = {"batch_size": size, "precision": precision, "compile": True}
            run = fresh_training(setting, sequences=data, stepping=recording(setting), config=config)
            same, tokens = milliseconds_of_a_batch(setting, run, 2 if setting.tiny else 10), one_batch(run).targets
            run = fresh_training(setting, sequences=data, stepping=recording(setting), config=config)
            loaded, rate = milliseconds_with_loading(run, 0.5 if setting.tiny else 2.5)
            found[f"{size} {precision}"] = {"same": same, "loaded": loaded, "tokens/s": rate}
            setting.keep("compiled", found)
            yield (
                f"batch {size:5} {precision:8} {same:7.2f} ms ({tokens / same / 1e3:.2f}M tokens/s) the same batch, "
                f"{loaded:7.2f} ms loaded, {rate / 1e6:.2f}M tokens/s"
            )


def losses() -> dict[str, Loss]:
    """Ours, and others that are installed, each of (h_ND, e_VD whose row 0 is padding, targets_N)."""
    found: dict[str, Loss] = {
        "tiles": lambda h, e, t: catalogue_cross_entropy(h, e, t, first=1),
        "padded": padded_cross_entropy,
    }
    try:
        liger = importlib.import_module("liger_kernel.ops.fused_linear_cross_entropy")
        cce = importlib.import_module("cut_cross_entropy")
    except ImportError:
        return found

    def fused(h: torch.Tensor, e: torch.Tensor, t: torch.Tensor, rows: int = 1) -> torch.Tensor:
        const = max(1, rows * len(e) // (h.shape[1] * len(h)))
        rest = (None, None, -100, 0.0, 0.0, "mean", None, False, None, False, False, False, None, None, const)
        loss: torch.Tensor = liger.LigerFusedLinearCrossEntropyFunction.apply(h, e[1:], t - 1, *rest)[0]
        return loss

    found["liger"] = fused
    found["liger, larger chunks"] = lambda h, e, t: fused(h, e, t, rows=_LIGER_ROWS)
    found["cce, bf16"] = lambda h, e, t: cce.linear_cross_entropy(h.bfloat16(), e[1:].bfloat16(), t - 1, impl="cce")
    return found


def measure_kernels(setting: Setting) -> Iterator[str]:
    """Forward and backward pass: milliseconds, memory, gradients against our tiles, and bytes twice."""
    found: dict[str, Any] = {}
    sizes = ((2_500, 12_000), (2_500, 200_000), (25_000, 200_000), (2_500, 1_000_000), (25_000, 65_000))
    for tokens, items in ((100, 300),) if setting.tiny else sizes:
        generator = torch.Generator(setting.device).manual_seed(1)
        drawn_by = {"generator": generator, "device": setting.device}
        h_ND = torch.randn(tokens, WIDTH, **drawn_by).requires_grad_()
        e_VD = (0.1 * torch.randn(items + 1, WIDTH, **drawn_by)).requires_grad_()
        targets_N = torch.randint(1, items + 1, (tokens,), **drawn_by)
        expected: tuple[torch.Tensor, ...] = ()
        for name, loss in losses().items():
            if setting.left < 10:
                yield "no time for more"
                return

            def step(loss: Loss = loss, of: tuple[torch.Tensor, ...] = (h_ND, e_VD, targets_N)) -> None:
                of[0].grad = of[1].grad = None
                loss(*of).backward()

            try:
                step()
                first = [tensor.grad.clone() for tensor in (h_ND, e_VD) if tensor.grad is not None]
                if setting.device.type == "cuda":
                    torch.cuda.reset_peak_memory_stats()
                    before = torch.cuda.memory_allocated()
                milliseconds = setting.milliseconds(step, repeats=4, warm=1)
                memory = 0.0
                if setting.device.type == "cuda":
                    memory = (torch.cuda.max_memory_allocated() - before) / 2**20
            except Exception as error:
                yield f"{tokens} tokens, {items} items, {name}: FAILED {error!r:.200}"
                if not expected:
                    break
                continue
            again = [tensor.grad for tensor in (h_ND, e_VD) if tensor.grad is not None]
            same = all(torch.equal(one, other) for one, other in zip(first, again, strict=True))
            expected = expected or tuple(tensor.double() for tensor in first)
            errors = [
                float((one.double() - right).norm() / right.norm()) for one, right in zip(first, expected, strict=True)
            ]
            found[f"{tokens} {items} {name}"] = {
                "ms": milliseconds, "MiB": memory, "errors": errors, "same bytes": same
            }  # fmt: skip
            setting.keep("kernels", found)
            yield (
                f"{tokens} tokens, {items} items, {name}: {milliseconds:.2f} ms, {memory:.0f} MiB, gradients differ by "
                f"{max(errors):.1e}, {'the same' if same else 'other'} bytes again"
            )
