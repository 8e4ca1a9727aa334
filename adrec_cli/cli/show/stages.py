"""What a training left, shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from adrec_cli.cli.show.terminal import Terminal

if TYPE_CHECKING:
    from adrec_cli.experiments.stage import StageResult


def show_stages(terminal: Terminal, results: Sequence[StageResult]) -> None:
    """Print where the checkpoints of stages are and how good they are."""
    for result in results:
        if result.skipped:
            terminal.note(f"{result.stage} is up to date; --force trains it again")
    if terminal.as_json:
        terminal.document({"stages": [asdict(result) for result in results]})
        return
    rows = []
    for result in results:
        metrics = result.metadata.metrics
        value = metrics["values"].get(metrics["monitor"])
        rows.append(
            (
                result.stage,
                "up to date" if result.skipped else f"done in {result.seconds:.1f} s",
                str(result.metadata.epoch),
                "none" if value is None else f"{value:.4f}",
                result.path.name,
            )
        )
    monitor = results[-1].metadata.metrics["monitor"]
    terminal.table(["stage", "status", "epoch", f"valid {monitor}", "checkpoint"], rows)
    terminal.line(f"stored in {results[-1].path.parent}")
