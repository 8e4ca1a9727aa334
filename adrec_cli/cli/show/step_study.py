"""How `adrec evaluate --steps 1,2,4` shows quality against time."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from adrec_cli.cli.show.terminal import Terminal
from adrec_cli.wording import say_count

if TYPE_CHECKING:
    from adrec_cli.pipeline.step_study import StepStudy

_METRICS = ("hr@10", "ndcg@10", "hr@20", "ndcg@20")


def show_step_study(terminal: Terminal, study: StepStudy) -> None:
    """Print one row for each number of steps."""
    if terminal.as_json:
        terminal.document(asdict(study))
        return
    columns = ["steps", *(name.upper() for name in _METRICS), "ms a target", "seconds"]
    rows = [
        [
            str(row.steps),
            *(f"{row.metrics[name]:.4f}" for name in _METRICS),
            f"{row.milliseconds_per_target:.3f}",
            f"{row.seconds:.2f}",
        ]
        for row in study.rows
    ]
    terminal.table(
        columns, rows, title=f"{study.model} {study.stage} on {study.dataset}, {study.protocol}", right=columns
    )
    eta = f" with eta {study.eta:g}" if study.sampler == "ddim" else ""
    warmth = f" at temperature {study.temperature:g}" if study.temperature != 1 else ""
    guidance = f", guidance {study.guidance:g}" if study.guidance is not None else ""
    noise = f"{study.noise} noise{warmth}, seed {study.seed}"
    terminal.line(f"{say_count(study.cases, 'target')}; {study.sampler}{eta}, {noise}{guidance}")
    terminal.line(f"on {study.device}, {say_count(study.threads, 'thread')}")
