"""What must hold on the card: recorded steps are those that are launched, the same again and resumed, as on a CPU."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import torch

from adrec_cli.training.events import EpochDone, StepDone
from adrec_cli.training.loop import StageTraining
from tests.benchmarks.card.setting import Setting, drawn, fresh_training, recording

SMALL = {"hidden_size": 32, "max_length": 20}
STILL = {"dropout": 0.0, "embedding_dropout": 0.0, "item_dropout": 0.0}
CASES: dict[str, dict[str, Any]] = {
    "finetune": {},
    "pretrain": {"stage": "pretrain"},
    "align": {"stage": "align"},
    "sasrec": {"model": "sasrec", "stage": "train"},
    "averages": {"average_decay": 0.9},
    "bf16": {"config": {"precision": "bf16"}},
    "guided, geodesic": {"network": {"condition_dropout": 0.3, "guidance": 1.0, "noise": "geodesic"}},
    "padding key": {"network": {"padding_key": True}},
    "pcgrad": {"pcgrad": True},
    "prefixes": {"config": {"samples": "prefixes"}},
    "embedding decay": {"stage": "align", "embedding_decay": 0.1},
    "medium": {"config": {"precision": "medium"}},
    "repeats": {"network": {"repeats": "learned"}},
    "bsarec": {"model": "bsarec", "stage": "train", "config": {"samples": "prefixes"}},
    "esasrec": {"model": "esasrec", "stage": "train"},
    "gbce, popular": {
        "model": "sasrec",
        "stage": "train",
        "ranking_loss": "gbce",
        "negatives": 16,
        "negatives_power": 0.5,
        "shared_negatives": False,
    },
    "gru4rec, launched": {"model": "gru4rec", "stage": "train"},
    "loss-aware, launched": {"network": {"timestep_sampling": "loss_aware"}},
}


def small(setting: Setting, *, stepping: str = "auto", **options: Any) -> StageTraining:
    """Some epochs of few steps, the last of each a smaller one."""
    config = {"batch_size": 64, **options.pop("config", {})}
    network = {**SMALL, **options.pop("network", {})}
    return fresh_training(
        setting, sequences=drawn(300, 150, 9.0), stepping=stepping, network=network, config=config,
        **{"epochs": 2, **options},
    )  # fmt: skip


def weights_after(run: StageTraining) -> dict[str, torch.Tensor]:
    """Train to the end."""
    for _ in run.events():
        pass
    return {name: weight.cpu() for name, weight in run.model.state_dict().items()}


def resumed(setting: Setting, stop_after: int, **options: Any) -> dict[str, torch.Tensor]:
    """Stop after some steps, and go on in another training."""
    first, second = small(setting, **options), small(setting, **options)
    for event in first.events():
        stop_after -= isinstance(event, StepDone)
        if not stop_after:
            break
    tensors, text = first.state()
    second.restore({name: tensor.clone() for name, tensor in tensors.items()}, text)
    return weights_after(second)


def differing(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> int:
    """How many tensors differ in a byte."""
    return sum(not torch.equal(weight, other[name]) for name, weight in one.items())


def check_bytes(setting: Setting) -> Iterator[str]:
    """Recorded, launched one by one, again and resumed: of each case how many tensors differ."""
    found = {}
    for name, options in CASES.items():
        if setting.left < 20:
            yield f"{name}: no time"
            continue
        started = time.perf_counter()
        try:
            whole = weights_after(small(setting, **options))
            again = differing(whole, weights_after(small(setting, **options)))
            gone_on = differing(whole, resumed(setting, 3, **options))
            launched: int | str = "-"
            if "launched" not in name:
                launched = differing(whole, weights_after(small(setting, stepping="queued", **options)))
        except Exception as error:
            found[name] = repr(error)[:300]
            yield f"{name}: FAILED {error!r:.300}"
            continue
        found[name] = {"again": again, "resumed": gone_on, "launched": launched}
        seconds = time.perf_counter() - started
        yield f"{name}: differing again {again}, resumed {gone_on}, without graphs {launched}; {seconds:.1f} s"
    setting.keep("bytes", found)


def check_against_the_cpu(setting: Setting) -> Iterator[str]:
    """Without draws, losses are those of a CPU but for rounding."""
    found = {}
    for model, stage in (("adrec", "pretrain"), ("adrec", "finetune"), ("sasrec", "train")):
        network = {**STILL, **({"lambda_": 0.0} if model == "adrec" else {})}
        losses = []
        for device, stepping in ((setting.device, recording(setting)), (torch.device("cpu"), "immediate")):
            run = small(setting, model=model, stage=stage, stepping=stepping, network=network, device=device)
            losses.append([event.losses["ce"] for event in run.events() if isinstance(event, EpochDone)])
        error = max(abs(a - b) / b for a, b in zip(*losses, strict=True))
        found[f"{model} {stage}"] = error
        yield f"{model} {stage}: losses differ by {error:.1e} of themselves (1e-4 and more is wrong)"
    setting.keep("against the cpu", found)
